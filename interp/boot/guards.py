"""Calls that would change the whole process, seen from one interpreter of it."""

import _signal
import os
import sys
import threading
import time

import _moult
from _moult import forked, stand_ins, streams, verdict
from _moult.after_import import after_import

ISOLATED = "{} not supported for isolated subinterpreters"
THE_WAY_OUT = 'isolation = "process" gives the app a process that can'


class Interrupted(BaseException):
    """Raised in a worker whose call has to end: it outlived its deadline."""

    __module__ = "moult"


def install(spec, is_main):
    if is_main:
        guard_main_signals(spec["wake_fd"])
        give_faulthandler_a_descriptor()
        forked.install()
        return
    guard_timezone(spec["host_tz"])
    guard_locale()
    if spec["signals"] != "error":
        guard_signals()
    guard_timers()
    if sys.version_info < (3, 12):
        forbid_fork_and_exec()
    name_the_setting()
    spawn_by_default()


def caller():
    """File and line of the nearest frame that is not ours and not of the standard library."""
    frame = sys._getframe(2)
    standard = os.path.dirname(os.__file__) + "/"
    while frame is not None:
        name = frame.f_code.co_filename
        in_standard = name.startswith(standard) and "-packages/" not in name
        if not (in_standard or name.startswith(("<moult ", "<frozen "))):
            return name, frame.f_lineno
        frame = frame.f_back
    return "", 0


# The time zone and the locale are process-wide. The host's own value passes; another one is told to
# the daemon, which makes the generation anew in a host that was started with it.


def guard_timezone(host_tz):
    real = time.tzset

    def tzset():
        wanted = os.environ.get("TZ")
        if wanted == host_tz:
            real()
        else:
            _moult.process_wide("tz", wanted or "")

    time.tzset = tzset


def guard_locale():
    try:
        import _locale
    except ImportError:
        return
    real = _locale.setlocale
    variables = {
        value: name
        for name in ("LC_CTYPE", "LC_NUMERIC", "LC_TIME", "LC_COLLATE", "LC_MONETARY", "LC_MESSAGES", "LC_ALL")
        if (value := getattr(_locale, name, None)) is not None
    }

    def wanted_by_environment(category):
        for name in ("LC_ALL", variables.get(category, "LC_ALL"), "LANG"):
            if value := os.environ.get(name):
                return value
        return "C"

    def setlocale(category, locale=None):
        current = real(category, None)
        if locale is None:
            return current
        wanted = locale or wanted_by_environment(category)
        if normalized(wanted) == normalized(current):
            return current
        if not _moult.locale_exists(wanted):
            raise _locale.Error("unsupported locale setting")
        _moult.process_wide("locale", wanted)
        return wanted

    def normalized(name):
        # One for all parts; and C.UTF-8 is what UTF-8 mode makes of C for characters.
        parts = {part.partition("=")[2] or part for part in name.split(";")}
        parts = {part.lower().replace("-", "") for part in parts}
        return frozenset("c" if part in ("posix", "c.utf8") else part for part in parts)

    _locale.setlocale = setlocale


def guard_signals():
    """Signal handlers belong to the main thread of the main interpreter, which is not this one. A worker could
    not set one in Python either; it is told where it would wait for a timer that never comes."""
    told = set()
    home = threading.get_ident()

    def ignored(what):
        place = caller()
        if place not in told:
            told.add(place)
            _moult.notice("warning", f"{what} has no effect in a sub-interpreter", *place)

    def signal(signalnum, handler, /):
        if signalnum in TIMERS and callable(handler) and threading.get_ident() != home:
            raise ValueError("signal only works in main thread of the main interpreter")
        ignored("signal.signal()")
        return _signal.getsignal(signalnum)

    def siginterrupt(signalnum, flag, /):
        ignored("signal.siginterrupt()")

    def set_wakeup_fd(fd, /, *, warn_on_full_buffer=True):
        if fd != -1:
            ignored("signal.set_wakeup_fd()")
        return -1

    _signal.signal = signal
    _signal.siginterrupt = siginterrupt
    _signal.set_wakeup_fd = set_wakeup_fd


TIMERS = {_signal.SIGALRM, _signal.SIGVTALRM, _signal.SIGPROF}


def guard_timers():
    """Their handlers run in the main interpreter only, so who relies on one would wait for ever."""

    def guarded(name):
        real = getattr(_signal, name)

        def call(*args):
            seconds = args[1:2] if name == "setitimer" else args[:1]
            if seconds and isinstance(seconds[0], (int, float)) and seconds[0] > 0:
                what = f"signal.{name}()"
                verdict.process_wanted(what, "signal handlers run in the main interpreter of a process only")
                raise ValueError(f'{what} only works in the main interpreter: set isolation = "process" for this app')
            return real(*args)

        setattr(_signal, name, call)

    for name in ("alarm", "setitimer"):
        guarded(name)


def guard_main_signals(wake_fd):
    """In process isolation signals are the app's, but for those that the host lives by. The main
    thread waits outside of Python; a byte on wake_fd tells it to run the handlers."""
    if wake_fd >= 0:
        _signal.set_wakeup_fd(wake_fd, warn_on_full_buffer=False)
    ours = {_signal.SIGTERM, _signal.SIGINT, _signal.SIGCHLD}
    real = _signal.signal

    def signal(signalnum, handler, /):
        if forked.is_child or int(signalnum) not in ours:
            return real(signalnum, handler)
        name = {int(_signal.SIGTERM): "SIGTERM", int(_signal.SIGINT): "SIGINT"}.get(int(signalnum), "SIGCHLD")
        _moult.notice("warning", f"signal.signal({name}) has no effect: Moult uses it", *caller())
        return _signal.getsignal(signalnum)

    _signal.signal = signal


def give_faulthandler_a_descriptor():
    """An app's log has none: what the C module writes there goes to the host's stderr. A stack that is asked for
    at once goes to the log."""
    import faulthandler

    def descriptor(file):
        file = sys.stderr if file is None else file
        try:
            return file if isinstance(file, int) else file.fileno()
        except (AttributeError, OSError, ValueError):
            return None

    def usable(file):
        found = descriptor(file)
        return 2 if found is None else found

    enable, later, register = faulthandler.enable, faulthandler.dump_traceback_later, faulthandler.register
    at_once = faulthandler.dump_traceback

    def dump_traceback(file=None, all_threads=True):
        if descriptor(file) is not None:
            return at_once(descriptor(file), all_threads)
        from _moult.faulthandler import dump_traceback

        dump_traceback(file, all_threads)

    faulthandler.enable = lambda file=None, *args, **options: enable(usable(file), *args, **options)
    faulthandler.register = lambda signum, file=None, *args, **options: register(signum, usable(file), *args, **options)
    faulthandler.dump_traceback_later = lambda timeout, repeat=False, file=None, exit=False: later(
        timeout, repeat, usable(file), exit
    )
    faulthandler.dump_traceback = dump_traceback
    stand_ins.name(faulthandler)


def forbid_fork_and_exec():
    """Later versions refuse by themselves; 3.11 would kill the child or replace the host."""
    for name in ("fork", "forkpty"):
        setattr(os, name, forbidden(ISOLATED.format("fork")))
    for name in ("execv", "execve"):
        setattr(os, name, forbidden(ISOLATED.format("exec")))


def forbidden(text):
    def call(*args):
        raise RuntimeError(text)

    return call


def name_the_setting():
    """What refuses because of where the app runs says how it runs elsewhere, and moves the app there; but exec, which
    would end it there as well."""
    for name in ("fork", "forkpty"):
        setattr(os, name, with_way_out(getattr(os, name), f"os.{name}()"))
    for name in ("execv", "execve"):
        setattr(os, name, with_way_out(getattr(os, name)))
    try:
        import _posixsubprocess
    except ImportError:
        return
    _posixsubprocess.fork_exec = with_way_out(_posixsubprocess.fork_exec, "subprocess with preexec_fn")


def with_way_out(function, what=""):
    def call(*args, **options):
        try:
            return function(*args, **options)
        except RuntimeError as error:
            if "subinterpreter" not in str(error):
                raise
            if what:
                verdict.process_wanted(what, "sub-interpreters cannot fork")
            raise RuntimeError(f"{error}: {THE_WAY_OUT}") from None

    return call


def spawn_by_default():
    """multiprocessing's default method forks, up to 3.13. It is asked for when it is imported."""
    after_import("multiprocessing.context", use_spawn)
    after_import("multiprocessing.util", remember_finalizers)


def remember_finalizers(util):
    import atexit

    from _moult import children

    atexit.register(children.remember, util._finalizer_registry)


def use_spawn(module):
    default = module._default_context
    if default._default_context.get_start_method() == "fork":
        default._default_context = module._concrete_contexts["spawn"]
