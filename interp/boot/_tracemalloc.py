"""The module _tracemalloc in a sub-interpreter. The real one traces the memory of the whole process; with it
3.11 comes to a standstill when the next interpreter is made, and later versions refuse its import."""

from _moult import verdict as _verdict


def start(nframe=1, /):
    _verdict.process_wanted("tracemalloc.start()", "it traces the memory of the whole process")
    raise RuntimeError('tracemalloc.start() needs a process of its own: set isolation = "process" for this app')


def stop():
    pass


def is_tracing():
    return False


def clear_traces():
    pass


def reset_peak():
    pass


def get_traceback_limit():
    return 1


def get_traced_memory():
    return (0, 0)


def get_tracemalloc_memory():
    return 0


def _get_traces():
    return []


def _get_object_traceback(obj, /):
    return None
