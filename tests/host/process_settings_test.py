"""What one app sets is not set for another, nor for its own next generation: it is the interpreter's own, or the app
is to go to a process of its own."""

import ctypes
import os
import struct
import unittest

import case
from host_driver import MODE, VERSION, Host

MOVED = 1  # a flag of `failed`
ROOT = os.getuid() == 0

# Name: (what one app does, what is looked at). The others must not see it, and the app itself must.
OWN = {
    "sys.setrecursionlimit": ("sys.setrecursionlimit(3000)", "sys.getrecursionlimit()"),
    "sys.setdlopenflags": ("sys.setdlopenflags(258)", "sys.getdlopenflags()"),
    "sys.set_int_max_str_digits": ("sys.set_int_max_str_digits(9000)", "sys.get_int_max_str_digits()"),
    "sys.set_coroutine_origin_tracking_depth": (
        "sys.set_coroutine_origin_tracking_depth(5)", "sys.get_coroutine_origin_tracking_depth()"),
    "sys.set_asyncgen_hooks": ("sys.set_asyncgen_hooks(print)", "sys.get_asyncgen_hooks()[0] is print"),
    "sys.addaudithook": ("sys.addaudithook(lambda event, args: event == 'x' and gc.callbacks.append(1))",
                         "(sys.audit('x'), len(gc.callbacks))[1] > 0"),
    "sys.excepthook": ("sys.excepthook = print", "sys.excepthook is print"),
    "sys.unraisablehook": ("sys.unraisablehook = print", "sys.unraisablehook is print"),
    "threading.excepthook": ("threading.excepthook = print", "threading.excepthook is print"),
    "threading.stack_size": ("threading.stack_size(1 << 20)", "threading.stack_size()"),
    "gc.set_threshold": ("gc.set_threshold(5, 5, 5)", "gc.get_threshold()"),
    "gc.disable": ("gc.disable()", "gc.isenabled()"),
    "gc.set_debug": ("gc.set_debug(gc.DEBUG_UNCOLLECTABLE)", "gc.get_debug()"),
    "gc.freeze": ("gc.freeze()", "gc.get_freeze_count() > 0"),
    "socket.setdefaulttimeout": ("socket.setdefaulttimeout(7)", "(socket.getdefaulttimeout(), socket.socket().gettimeout())"),
    "os.chdir": ("os.chdir('/')", "os.getcwd()"),
    "os.fchdir": ("os.fchdir(os.open('/usr', 0))", "os.getcwd()"),
    "os.umask": ("os.umask(0o027)", "umask()"),
    "os.nice": ("os.nice(1)", "os.nice(0)"),
    "os.setpriority": ("os.setpriority(os.PRIO_PROCESS, os.getpid(), 4)", "os.getpriority(os.PRIO_PROCESS, os.getpid())"),
    "os.sched_setaffinity": ("os.sched_setaffinity(os.getpid(), {min(os.sched_getaffinity(0))})",
                             "len(os.sched_getaffinity(os.getpid())) == 1"),
    "os.sched_setscheduler": ("os.sched_setscheduler(os.getpid(), os.SCHED_BATCH, os.sched_param(0))",
                              "os.sched_getscheduler(os.getpid())"),
    "os.putenv": ("os.putenv('ZZ', '1'); import posix; posix.putenv('ZZ', '2')", "getenv(b'ZZ')"),
    "signal.pthread_sigmask": ("signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])",
                               "len(signal.pthread_sigmask(signal.SIG_BLOCK, []))"),
    "warnings": ("warnings.simplefilter('error')", "warnings.filters[0][0]"),
    "random": ("random.seed(1)", "random.getstate() == random.Random(1).getstate()"),
    "mimetypes": ("mimetypes.add_type('a/b', '.zzz')", "mimetypes.guess_type('a.zzz')"),
    "csv.field_size_limit": ("csv.field_size_limit(99)", "csv.field_size_limit()"),
    "csv.register_dialect": ("csv.register_dialect('zz', delimiter='z')", "csv.list_dialects()"),
    "codecs.register": ("codecs.register(lambda name: codecs.lookup('utf8') if name == 'zz' else None)", "knows('zz')"),
    "copyreg": ("copyreg.pickle(type(print), lambda one: (str, ()))", "type(print) in copyreg.dispatch_table"),
    "sqlite3.register_adapter": ("sqlite3.register_adapter(Odd, str)", "len(sqlite3.adapters)"),
    "xml.etree": ("ElementTree.register_namespace('zz', 'urn:zz')", "'urn:zz' in ElementTree._namespace_map"),
    "ctypes.set_errno": ("ctypes.set_errno(3)", "ctypes.get_errno()"),
}
# Where Linux gives them to threads: these are the app's own threads, of which the calling one is seen here.
UNSEEN = {"os.putenv"}

LIMIT = "resource.setrlimit(resource.RLIMIT_NOFILE, (250, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))"
# Name: (a call that changes something, one that does not or None).
ALL_APPS = {
    "resource.setrlimit()": (LIMIT,
                             "resource.setrlimit(resource.RLIMIT_NOFILE, resource.getrlimit(resource.RLIMIT_NOFILE))"),
    "resource.prlimit()": (LIMIT.replace("setrlimit(", "prlimit(0, "), "resource.prlimit(0, resource.RLIMIT_NOFILE)"),
    "os.setsid()": ("os.setsid()", None),
    "os.setpgid()": ("os.setpgid(0, 0)", "os.setpgid(0, os.getpgid(0)) if os.getpgid(0) else None"),
    "os.setpgrp()": ("os.setpgrp()", None),
    "os.close()": ("os.close(0)", "os.close(os.dup(0))"),
    "os.closerange()": ("os.closerange(0, 1)", "os.closerange(900, 1000)"),
    "os.dup2()": ("os.dup2(os.open('/dev/null', 0), 0)", "os.dup2(0, os.dup(0))"),
    "os.waitpid()": ("os.waitpid(-1, os.WNOHANG)", "subprocess.run(['true'])"),
    "os.wait()": ("os.wait()", None),
    "os.waitid()": ("os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG)", None),
    "fcntl.lockf()": ("fcntl.lockf(open('lock', 'w'), fcntl.LOCK_EX)", "fcntl.flock(open('lock', 'w'), fcntl.LOCK_EX)"),
    "os.lockf()": ("os.lockf(os.open('lock', os.O_RDWR | os.O_CREAT), os.F_LOCK, 0)", None),
    "syslog.openlog()": ("syslog.openlog('zz')", "syslog.syslog(syslog.LOG_DEBUG, 'x')"),
    "syslog.setlogmask()": ("syslog.setlogmask(syslog.LOG_UPTO(syslog.LOG_ERR))", "syslog.setlogmask(0)"),
    "locale.textdomain()": ("locale.textdomain('zz')", "locale.textdomain(None)"),
    "locale.bindtextdomain()": ("locale.bindtextdomain('zz', '/tmp')", "locale.bindtextdomain('zz', None)"),
    "os.setuid()": ("os.setuid(65534)", "os.setuid(os.getuid())"),
    "os.seteuid()": ("os.seteuid(65534)", "os.seteuid(os.geteuid())"),
    "os.setresuid()": ("os.setresuid(-1, 65534, -1)", "os.setresuid(-1, -1, -1)"),
    "os.setregid()": ("os.setregid(-1, 65534)", "os.setregid(-1, os.getegid())"),
    "os.setgroups()": ("os.setgroups([7])", "os.setgroups(os.getgroups())"),
}
if not ROOT:
    del ALL_APPS["os.setgroups()"]
if MODE != "own":
    ALL_APPS["sys.setswitchinterval()"] = ("sys.setswitchinterval(0.05)", "sys.setswitchinterval(sys.getswitchinterval())")
if VERSION < (3, 12):
    ALL_APPS["sqlite3.enable_shared_cache()"] = ("sqlite3.enable_shared_cache(True)", "sqlite3.enable_shared_cache(False)")

APP = """
    import codecs, copyreg, csv, ctypes, fcntl, gc, locale, mimetypes, os, random, resource, signal, socket, sqlite3
    import subprocess, sys, syslog, threading, warnings
    import xml.etree.ElementTree as ElementTree
    getenv = ctypes.CDLL(None).getenv
    getenv.restype = ctypes.c_char_p
    class Odd: pass
    def umask():
        old = os.umask(0)
        os.umask(old)
        return old
    def knows(name):
        try: return bool(codecs.lookup(name))
        except LookupError: return False
    def application(environ, start):
        source = environ["wsgi.input"].read().decode()
        try:
            if environ["REQUEST_METHOD"] == "PUT":
                exec(source, globals())
                source = "None"
            answer = eval(source)
        except Exception as error:
            answer = repr(error)
        start("200 OK", [])
        return [repr(answer).encode()]
"""


class Settings(unittest.TestCase):
    def setUp(self):
        self.host = Host()
        self.addCleanup(self.host.close)
        self.tree = case.Tree({"app.py": APP})
        self.addCleanup(self.tree.remove)

    def make(self, host=None, **options):
        interp = (host or self.host).make(self.tree, self.tree / "app.py", **options)
        self.addCleanup(interp.close_lanes)
        return interp

    def ask(self, interp, source, method="POST"):
        response = interp.get(method=method, body=source.encode())
        self.assertIsNone(response.failed)
        return eval(response.body)

    def refused(self):
        """What the daemon was told of, by now."""
        self.host.asks += 1
        self.host.send({"do": "calls", "ask": self.host.asks})
        self.host.wait("calls")
        return [event["module"] for event in self.host.seen("refused")]

    def test_these_are_the_interpreters_own(self):
        for name, (act, look) in OWN.items():
            with self.subTest(setting=name):
                one, two = self.make(), self.make()
                before = self.ask(two, look)
                self.assertIsNone(self.ask(one, act, "PUT"))
                if name not in UNSEEN:
                    self.assertNotEqual(self.ask(one, look), before)
                self.assertEqual(self.ask(two, look), before)
                one.retire()
                three = self.make()
                self.assertEqual(self.ask(three, look), before)
                self.assertEqual(self.refused(), [])
                two.retire()
                three.retire()

    def test_the_limit_of_digits_is_that_of_python(self):
        self.assertEqual(self.ask(self.make(), "sys.get_int_max_str_digits()"), 4300)
        some = self.make(env={"PYTHONINTMAXSTRDIGITS": "1000"})
        self.assertEqual(self.ask(some, "sys.get_int_max_str_digits()"), 1000)

    def test_these_want_a_process_and_nothing_is_set_when_one_waits(self):
        interp = self.make(may_move=True)
        for name, (act, harmless) in ALL_APPS.items():
            with self.subTest(call=name):
                told = self.refused()
                if harmless:
                    self.assertIsNone(self.ask(interp, harmless, "PUT"))
                    self.assertEqual(self.refused(), told)
                interp.lane.send_request(method="PUT", body=act.encode())
                response = interp.lane.finish()
                self.assertEqual((response.frames[-1][1], response.failed), (MOVED, ""))
                self.assertEqual(self.refused(), [*told, name])

    def test_at_import_they_want_a_process_too(self):
        self.tree.write({"app.py": "import resource\n" + LIMIT + "\n" + APP.replace("\n    ", "\n")})
        event = self.host.reject(self.tree, self.tree / "app.py", may_move=True)
        self.assertEqual([(one["module"], one["line"]) for one in event["refused"]], [("resource.setrlimit()", 2)])

    def test_who_stays_in_an_interpreter_is_obeyed_and_told(self):
        interp = self.make()
        self.ask(interp, LIMIT, "PUT")
        self.assertEqual(self.ask(interp, "resource.getrlimit(resource.RLIMIT_NOFILE)[0]"), 250)
        self.assertEqual(self.refused(), ["resource.setrlimit()"])

    def test_a_wrong_call_is_an_error_and_no_reason(self):
        interp = self.make(may_move=True)
        self.assertIn("TypeError", self.ask(interp, "resource.setrlimit()", "PUT"))
        self.assertIn("TypeError", self.ask(interp, "os.waitpid('x', 0)", "PUT"))
        self.assertEqual(self.refused(), [])

    def test_a_default_timeout_is_kept_as_the_real_one_would(self):
        interp = self.make()
        self.ask(interp, "socket.setdefaulttimeout(3)", "PUT")
        self.assertEqual(self.ask(interp, "[one.gettimeout() for one in socket.socketpair()]"), [3.0, 3.0])
        self.assertEqual(self.ask(interp, "socket.socket(type=socket.SOCK_STREAM | socket.SOCK_NONBLOCK).gettimeout()"), 0.0)
        self.assertIn("ValueError", self.ask(interp, "socket.setdefaulttimeout(-1)"))
        self.assertIn("TypeError", self.ask(interp, "socket.setdefaulttimeout('x')"))
        self.assertIsNone(self.ask(interp, "(socket.setdefaulttimeout(None), socket.socket().gettimeout())[1]"))

    def test_functions_look_as_they_are(self):
        interp = self.make()
        source = "(os.close.__name__, os.close.__module__, __import__('pickle').loads(__import__('pickle').dumps(os.close)) is os.close)"
        self.assertEqual(self.ask(interp, source), ("close", "posix", True))

    def test_an_app_whose_folder_is_not_its_own_wants_a_process(self):
        host = Host(before=refuse_unshare)
        self.addCleanup(host.close)
        event = host.reject(self.tree, self.tree / "app.py", may_move=True)
        self.assertEqual([one["module"] for one in event["refused"]], ["the working folder"])
        interp = self.make(host, cwd=os.getcwd(), may_move=True)
        self.assertIsNone(self.ask(interp, "os.chdir('.')", "PUT"))
        self.assertEqual(interp.get(method="PUT", body=b"os.umask(0)").failed, "")
        self.assertEqual(host.wait("refused")["module"], "os.umask()")


def refuse_unshare():
    """As the sandbox of a container does: seccomp(2)."""
    number = {"x86_64": 272, "aarch64": 97}[os.uname().machine]
    load_number, jump_if_equal, give = 0x20, 0x15, 0x06
    refused, allowed = 0x00050000 | 1, 0x7FFF0000  # SECCOMP_RET_ERRNO | EPERM, SECCOMP_RET_ALLOW
    steps = [(load_number, 0, 0, 0), (jump_if_equal, 0, 1, number), (give, 0, 0, refused), (give, 0, 0, allowed)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
    program = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(steps), ctypes.addressof(code)))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, program, 0, 0):  # PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP
        raise OSError(ctypes.get_errno(), "seccomp")


if __name__ == "__main__":
    unittest.main()
