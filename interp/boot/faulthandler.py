"""The module faulthandler in a sub-interpreter. The real one belongs to the process: the host has it enabled,
with its own stderr. What concerns one interpreter is done here, without need of a file descriptor."""

import datetime as _datetime
import os as _os
import sys as _sys
import threading as _threading

import _moult
from _moult import guards as _guards
from _moult import verdict as _verdict

_MOST = 100  # threads, and frames of one
_enabled = False
_later = None  # what ends the thread of dump_traceback_later


def enable(file=None, all_threads=True):
    """A crash is told on the host's stderr in any case, with the stacks of all threads."""
    global _enabled
    _enabled = True


def disable():
    global _enabled
    was, _enabled = _enabled, False
    return was


def is_enabled():
    return _enabled


def dump_traceback(file=None, all_threads=True):
    _write(file, _stacks(_sys._getframe(1), all_threads))


if _sys.version_info >= (3, 14):

    def dump_c_stack(file=None):
        print("<cannot get C stack on this system>", file=_sys.stderr if file is None else file)


def dump_traceback_later(timeout, repeat=False, file=None, exit=False):
    global _later
    if timeout <= 0:
        raise ValueError("timeout must be greater than 0")
    if exit:
        what = "faulthandler.dump_traceback_later(exit=True)"
        _verdict.process_wanted(what, "it ends the whole process")
        raise RuntimeError(f'{what} would end other apps too: set isolation = "process" for this app')
    cancel_dump_traceback_later()
    _later = _threading.Event()
    arguments = _later, timeout, repeat, file
    _threading.Thread(target=_dump_later, args=arguments, name="moult-faulthandler", daemon=True).start()


def cancel_dump_traceback_later():
    if _later is not None:
        _later.set()


def register(signum, file=None, all_threads=True, chain=False):
    _moult.notice("warning", "faulthandler.register() has no effect in a sub-interpreter", *_guards.caller())


def unregister(signum, /):
    return False


def _dump_later(cancelled, timeout, repeat, file):
    while not cancelled.wait(timeout):
        late = str(_datetime.timedelta(seconds=timeout))
        _write(file, f"Timeout ({late})!\n{_stacks(None, True)}")
        if not repeat:
            return


def _stacks(own, all_threads):
    """As the C module writes them. `own`: the frame of the thread that asks; None: it is left out."""
    parts = []
    if all_threads:
        for ident, frame in _moult.frames()[:_MOST]:
            parts.append(f"Thread 0x{ident:016x} (most recent call first):\n{_stack(frame)}\n")
    if own is not None:
        title = f"Current thread 0x{_threading.get_ident():016x}" if all_threads else "Stack"
        parts.append(f"{title} (most recent call first):\n{_stack(own)}")
    return "".join(parts)


def _stack(frame):
    lines = []
    while frame is not None and len(lines) < _MOST:
        lines.append(f'  File "{frame.f_code.co_filename}", line {frame.f_lineno} in {frame.f_code.co_name}\n')
        frame = frame.f_back
    return "".join(lines)


def _write(file, text):
    file = _sys.stderr if file is None else file
    try:
        descriptor = file if isinstance(file, int) else file.fileno()
    except (AttributeError, OSError, ValueError):
        file.write(text)
        return
    if not isinstance(file, int):
        file.flush()
    _os.write(descriptor, text.encode("ascii", "backslashreplace"))
