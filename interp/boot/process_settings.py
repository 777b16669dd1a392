"""Settings that CPython, the C library or the kernel keep once for a process. In a host the other apps would get them
too, and the next generation. What can be an interpreter's own is made so; what cannot moves the app to a process."""

import math
import os
import posix
import sys
from _operator import index

from _moult import stand_ins, verdict
from _moult.after_import import after_import

ALL_APPS = "it would hold for all apps of the host"
STREAMS = "descriptors 0 to 2 are those of all apps of the host"
CHILDREN = "it would take what other apps wait for: the exit codes of their children"
LOCKS = "such a lock belongs to the process, and would keep out no other app or generation of the host"
FOLDER = "the system refuses unshare(), so that folder and umask are those of all apps of the host"


# Whether a call changes anything, from its arguments. Who sets what is so already is left alone.


def always(*args, **options):
    return True


def user(name):
    return lambda one: one != getattr(os, "get" + name)()


def users(name):
    """setreuid() and setresuid(); -1 leaves one as it is."""
    return lambda *wanted: any(one not in (-1, now) for one, now in zip(wanted, getattr(os, "getres" + name)()))


def group(pid, group):
    return pid in (0, os.getpid()) and os.getpgid(0) != (group or os.getpid())


def limit(which, limits):
    import resource

    return tuple(limits) != resource.getrlimit(which)


OS = {
    **{"set" + name: (user(name), ALL_APPS) for name in ("uid", "euid", "gid", "egid")},
    **{"set" + name: (users(name[2:]), ALL_APPS) for name in ("reuid", "regid")},
    **{"set" + name: (users(name[3:]), ALL_APPS) for name in ("resuid", "resgid")},
    "setgroups": (lambda groups: set(groups) != set(os.getgroups()), ALL_APPS),
    "initgroups": (always, ALL_APPS),
    "setsid": (lambda: os.getsid(0) != os.getpid(), ALL_APPS),
    "setpgid": (group, ALL_APPS),
    "setpgrp": (lambda: group(0, 0), ALL_APPS),
    "close": (lambda fd: fd in (0, 1, 2), STREAMS),
    "closerange": (lambda first, end: first < 3 and end > max(first, 0), STREAMS),
    "dup2": (lambda fd, other, inheritable=True: other in (0, 1, 2) and fd != other, STREAMS),
    "login_tty": (always, STREAMS),
    "wait": (always, CHILDREN),
    "wait3": (always, CHILDREN),
    "waitpid": (lambda pid, options: pid <= 0, CHILDREN),
    "wait4": (lambda pid, options: pid <= 0, CHILDREN),
    "waitid": (lambda kind, number, options: kind in (os.P_ALL, os.P_PGID), CHILDREN),
    "lockf": (lambda fd, command, size: command in (os.F_LOCK, os.F_TLOCK), LOCKS),
}
# Where the interpreter could not get them for itself.
OS_FOLDER = {
    "chdir": (lambda path: not os.path.samestat(os.stat(path), os.stat(".")), FOLDER),
    "fchdir": (lambda fd: not os.path.samestat(os.stat(fd), os.stat(".")), FOLDER),
    "chroot": (always, FOLDER),
    "umask": (always, FOLDER),
}
SYS = {
    "setswitchinterval": (lambda seconds: abs(sys.getswitchinterval() - seconds) > 1e-6, ALL_APPS),
    "activate_stack_trampoline": (lambda backend: not sys.is_stack_trampoline_active(), ALL_APPS),
}
LATER = {
    "resource": {
        "setrlimit": (limit, ALL_APPS),
        "prlimit": (lambda pid, which, limits=None: limits and pid in (0, os.getpid()) and limit(which, limits), ALL_APPS),
    },
    "fcntl": {
        "lockf": (lambda fd, command, *rest: command & 3, LOCKS),  # LOCK_SH, LOCK_EX
        "fcntl": (lambda fd, command, *rest: command in SETS_LOCK, LOCKS),
    },
    "syslog": {
        "openlog": (always, ALL_APPS),
        "closelog": (always, ALL_APPS),
        "setlogmask": (bool, ALL_APPS),  # 0 asks for it
    },
    "_locale": {
        "textdomain": (lambda domain: domain is not None, ALL_APPS),
        "bindtextdomain": (lambda domain, folder: folder is not None, ALL_APPS),
        "bind_textdomain_codeset": (lambda domain, codeset: codeset is not None, ALL_APPS),
    },
    "_sqlite3": {"enable_shared_cache": (bool, ALL_APPS)},  # up to 3.11
}
SETS_LOCK = ()
needed = {}


def install(spec):
    guard_all((posix, os), OS)
    if not spec["own_folder"]:
        needed["folder"] = spec["cwd"]
        guard_all((posix, os), OS_FOLDER)
    if spec["mode"] == "own":
        del SYS["setswitchinterval"]
    guard_all((sys,), SYS)
    for name in dir(posix):
        if name.startswith(("sched_get", "sched_set")) and name.endswith(("affinity", "scheduler", "param")):
            put((posix, os), OwnThread(getattr(posix, name)))
    for name in ("getpriority", "setpriority"):
        put((posix, os), OwnPriority(getattr(posix, name)))
    for name, functions in LATER.items():
        after_import(name, lambda module, functions=functions: guard_all((module,), functions))
    after_import("fcntl", name_lock_commands)
    if sys.version_info < (3, 12):
        after_import("socket", own_timeout)


def check():
    """Before the app's code runs."""
    if "folder" in needed and os.path.realpath(needed["folder"]) != os.getcwd():
        verdict.process_wanted("the working folder", FOLDER)


def name_lock_commands(fcntl):
    global SETS_LOCK
    SETS_LOCK = (fcntl.F_SETLK, fcntl.F_SETLKW)


def guard_all(modules, functions):
    title = modules[-1].__name__.lstrip("_")
    for name, (changes, why) in functions.items():
        if real := getattr(modules[0], name, None):
            put(modules, ForAllApps(real, f"{title}.{name}()", changes, why))


def put(modules, function):
    for module in modules:
        if getattr(module, function.__name__, None) is function.__wrapped__:
            setattr(module, function.__name__, function)


class Guarded:
    """Stands for a function of C. No function of Python, which would become a method in a class body."""

    def __init__(self, real):
        self.__wrapped__ = real
        self.__name__, self.__module__, self.__doc__ = real.__name__, real.__module__, real.__doc__
        self.__qualname__ = real.__name__

    def __reduce__(self):
        return self.__name__  # of its module, as the real one


class ForAllApps(Guarded):
    def __init__(self, real, what, changes, why):
        super().__init__(real)
        self.what, self.changes, self.why = what, changes, why

    def __call__(self, *args, **options):
        try:
            changes = self.changes(*args, **options)
        except Exception:
            changes = False  # the function itself says what is wrong with its arguments
        if changes:
            verdict.process_wanted(self.what, self.why)
        return self.__wrapped__(*args, **options)


class OwnThread(Guarded):
    """Such a call takes a process for its first thread, which is none of the app's. The calling one and those that it
    starts are, as they are elsewhere."""

    def __call__(self, pid, *more):
        return self.__wrapped__(0 if pid == os.getpid() else pid, *more)


class OwnPriority(Guarded):
    def __call__(self, which, who, *more, **options):
        is_own = which == os.PRIO_PROCESS and who == os.getpid()
        return self.__wrapped__(which, 0 if is_own else who, *more, **options)


def own_timeout(socket):
    """Up to 3.11 the default timeout is one of the process."""
    kind, default = socket.socket, None
    initialize = kind.__init__

    def __init__(self, family=-1, type=-1, proto=-1, fileno=None):
        initialize(self, family, type, proto, fileno)
        if default is not None and (type == -1 or not type & socket.SOCK_NONBLOCK):
            self.settimeout(default)

    def setdefaulttimeout(timeout, /):
        nonlocal default
        if timeout is not None:
            timeout = timeout if isinstance(timeout, float) else float(index(timeout))
            if math.isnan(timeout):
                raise ValueError("Invalid value NaN (not a number)")
            if timeout < 0:
                raise ValueError("Timeout value out of range")
            kind.__init__ = __init__
        default = timeout

    def getdefaulttimeout():
        return default

    socket.setdefaulttimeout, socket.getdefaulttimeout = setdefaulttimeout, getdefaulttimeout
    stand_ins.name(socket)
