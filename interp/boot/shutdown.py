"""The Python side of ending an interpreter, with a deadline at each step."""

import sys
import threading
import time

import _moult


def quiesce(seconds):
    """Runs retire hooks, lets thread pools finish and joins the app's own threads, as Python does before
    the atexit functions. threading._shutdown() is not used: it waits for ever."""
    end = time.monotonic() + seconds
    hooks = sys.modules.get("_moult.hooks")
    if hooks and hooks.retire_hooks:
        run_bounded(lambda: hooks.run_retire(end), end)
    for function in reversed(list(getattr(threading, "_threading_atexits", ()))):
        run_bounded(function, end)
    for thread in app_threads():
        if not thread.daemon:
            try:
                thread.join(max(0.0, end - time.monotonic()))
            except BaseException:
                report("joining a thread")


def run_bounded(function, end):
    """A pool's exit function joins its workers without a deadline, so it gets a thread of its own."""
    runner = threading.Thread(target=guarded, args=(function,), name="moult-shutdown", daemon=True)
    runner.start()
    runner.join(max(0.0, end - time.monotonic()))


def guarded(function):
    try:
        function()
    except BaseException:
        report("a shutdown function")


def run_atexit(_):
    """The app's atexit functions. One that takes too long is interrupted by whoever called this."""
    import atexit

    guarded(atexit._run_exitfuncs)


def left_running(_):
    forget_dummy_threads()
    return [thread.name for thread in app_threads()]


def left_undone(_):
    return [thread.name for thread in app_threads() if not thread.daemon]


def wake(_):
    """Lets go the threads that wait for a condition (an event, a queue, a semaphore): they block in C, and
    see only afterwards that they are to end."""
    wait = threading.Condition.wait.__code__
    for _, frame in _moult.frames():
        if frame.f_code is wait:
            waiter = frame.f_locals.get("waiter")
            if waiter is not None and waiter.locked():
                waiter.release()


def end_children(seconds):
    """After atexit."""
    if "multiprocessing" in sys.modules:
        from _moult import children

        children.end(seconds)


def end_processes(seconds):
    """An atexit function has taken too long: multiprocessing's waits for children."""
    if "multiprocessing" in sys.modules:
        from _moult import children

        children.end_processes(seconds)


def app_threads():
    own = threading.current_thread()
    return [
        thread
        for thread in threading.enumerate()
        if thread is not own and not isinstance(thread, (threading._DummyThread, threading._MainThread))
    ]


def forget_dummy_threads():
    local = getattr(threading, "_thread_local_info", None)
    if local is not None:
        local.__dict__.pop("_track_dummy_thread_ref", None)


def adopt_host_thread(name=None):
    """For a thread that C++ made: threads that the app starts in it must not become daemons."""
    thread = threading.current_thread()
    thread._daemonic = False
    if name:
        thread.name = name


def dismiss_host_thread():
    """The opposite, when such a thread leaves."""
    forget_dummy_threads()
    threading._active.pop(threading.get_ident(), None)


def report(what):
    import traceback

    sys.stderr.write(f"moult: {what} failed when this generation was retired\n")
    sys.stderr.write(traceback.format_exc())


def stack(thread=0):
    """What every thread of this interpreter does now, or only `thread`."""
    import traceback

    names = {known.ident: known.name for known in threading.enumerate()}
    parts = []
    for ident, frame in _moult.frames():
        if not thread or ident == thread:
            parts.append(f"Thread {names.get(ident, ident)}:\n{''.join(traceback.format_stack(frame))}")
    return "\n".join(parts)
