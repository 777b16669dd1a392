"""What C modules of the standard library keep does not go from one interpreter to another, nor with its end."""

import subprocess
import unittest

import case
from host_driver import PYTHON, Host, VERSION


@unittest.skipIf(VERSION[:2] == (3, 12), "has a process for each app")
class State(case.HostCase):
    """Each test has a host of its own: what counts is which interpreter used a module first."""

    def setUp(self):
        super().setUp()
        self.host = Host()
        self.addCleanup(self.host.close)

    def run_over_ends(self, source, expected):
        """Run in two interpreters, in the second after the first has ended, and in others made then: one as
        usual, one that was a spare and had the modules imported."""
        self.tree.write({"app.py": self.RUNS})
        first, second = (self.host.make(self.tree, self.tree / "app.py") for _ in range(2))
        for interp in (first, second, first):
            self.assertEqual(self.run_in(interp, source), expected)
        self.assertEqual(first.retire()["event"], "retired")
        self.assertEqual(self.run_in(second, source), expected)
        third = self.host.make(self.tree, self.tree / "app.py")
        modules = ["numbers", "decimal", "fractions", "datetime", "zoneinfo", "socket", "time", "pickle"]
        spare = self.host.begin(self.tree, self.tree / "app.py", modules=modules)
        self.host.wait("spare", interp=spare.number)
        self.assertEqual(self.host.load(spare, self.tree, 9)["event"], "made")
        for interp in (third, spare, second):
            self.assertEqual(self.run_in(interp, source), expected)
            self.assertEqual(interp.retire()["event"], "retired")

    def test_strptime(self):
        self.run_over_ends(
            """
            import datetime, time
            result = str(datetime.datetime.strptime("2020", "%Y")), time.strptime("7 May", "%d %b")[1:3]
            try: datetime.datetime.strptime("x", "%Y")
            except ValueError as error: result += (str(error),)
            """,
            ("2020-01-01 00:00:00", (5, 7), "time data 'x' does not match format '%Y'"),
        )

    def test_zoneinfo(self):
        self.run_over_ends(
            """
            import datetime, pickle, zoneinfo
            zone = zoneinfo.ZoneInfo("Asia/Tokyo")
            result = [str(datetime.datetime(2020, 1, 1, tzinfo=zone)), pickle.loads(pickle.dumps(zone)) is zone]
            result.append(zoneinfo.ZoneInfo("Europe/Paris").key)
            try: zoneinfo.ZoneInfo("No/Where")
            except zoneinfo.ZoneInfoNotFoundError: result.append("caught")
            """,
            ["2020-01-01 00:00:00+09:00", True, "Europe/Paris", "caught"],
        )

    def test_decimal_among_the_numbers(self):
        self.run_over_ends(
            """
            import numbers
            from decimal import Decimal, localcontext, FloatOperation
            from fractions import Fraction
            half = Decimal("0.5")
            result = [
                isinstance(half, numbers.Number), isinstance(half, numbers.Real), issubclass(Decimal, numbers.Number),
                Decimal(1) == Fraction(1), Fraction(1) == Decimal(1), half != Fraction(1, 2),
                half < Fraction(2, 3), half >= Fraction(2, 3), Fraction(1, 3) < half, half > Fraction(1, 3),
                hash(half) == hash(Fraction(1, 2)) == hash(0.5), Fraction(half) + 1, Decimal(3) == 3 + 0j, half < 1.5,
                {half: 1}[Fraction(1, 2)], sorted([Fraction(2, 3), half, 0.6]),
            ]
            for wrong in (lambda: half + Fraction(1), lambda: half < "1", lambda: half < 1j):
                try: result.append(wrong())
                except TypeError: result.append("TypeError")
            result = repr(result)
            """,
            "[True, False, True, True, True, False, True, False, True, True, True, Fraction(3, 2), True, True, 1, "
            "[Decimal('0.5'), 0.6, Fraction(2, 3)], 'TypeError', 'TypeError', 'TypeError']",
        )

    def test_decimal_signals_pickles_and_contexts(self):
        self.run_over_ends(
            """
            import copy, decimal, pickle
            from decimal import Decimal
            result = [pickle.loads(pickle.dumps(Decimal("1.50"))), str(Decimal("1.50").as_tuple())]
            try: Decimal(1) / 0
            except ZeroDivisionError as error: result.append(isinstance(error, decimal.DivisionByZero))
            for context in (decimal.DefaultContext, decimal.BasicContext, decimal.ExtendedContext, decimal.getcontext()):
                result.append((context.prec, isinstance(context, decimal.Context), repr(context) == repr(pickle.loads(pickle.dumps(context))), type(copy.copy(context)) is decimal.Context))
            with decimal.localcontext() as context:
                decimal.setcontext(decimal.ExtendedContext)
                decimal.getcontext().prec = 3
                result += [str(Decimal(1) / 3), decimal.ExtendedContext.prec, str(decimal.ExtendedContext.divide(1, 3))]
            with decimal.localcontext(decimal.BasicContext, prec=4):
                result.append(str(Decimal(2) / 3))
            result = repr(result)
            """,
            "[Decimal('1.50'), 'DecimalTuple(sign=0, digits=(1, 5, 0), exponent=-2)', True, (28, True, True, True), "
            "(9, True, True, True), (9, True, True, True), (28, True, True, True), '0.333', 9, '0.333333333', '0.6667']",
        )

    def test_a_decimal_context_belongs_to_a_thread_of_one_interpreter(self):
        self.tree.write({"app.py": self.RUNS})
        interps = [self.host.make(self.tree, self.tree / "app.py") for _ in range(4)]
        for number, interp in enumerate(interps):
            self.assertEqual(self.run_in(interp, "import decimal; result = decimal.getcontext().prec"), 28)
            self.run_in(interp, f"import decimal; decimal.getcontext().prec = {number + 3}; result = None")
        for number, interp in enumerate(interps):
            self.assertEqual(self.run_in(interp, "import decimal; result = decimal.getcontext().prec"), number + 3)
        for interp in interps:
            self.retire(interp)
        fresh = self.serve(self.RUNS)
        self.assertEqual(self.run_in(fresh, "import decimal; result = decimal.getcontext().prec"), 28)

    @unittest.skipIf(VERSION >= (3, 12), "the module's state is the interpreter's")
    def test_a_changed_default_context_is_not_that_of_all(self):
        one, two = self.serve(self.RUNS), self.serve(self.RUNS, name="two.py")
        refused = self.run_in(one, """
            import decimal
            result = []
            for change in (lambda: setattr(decimal.DefaultContext, "prec", 5), lambda: setattr(decimal.BasicContext, "prec", 5)):
                try: change(); result.append(None)
                except RuntimeError as error: result.append(str(error))
            """)
        self.assertIn('isolation = "process"', refused[0])
        self.assertIsNone(refused[1])
        self.assertEqual(self.run_in(two, "import decimal; result = decimal.DefaultContext.prec, decimal.BasicContext.prec"), (28, 9))
        self.tree.write({"traps.py": "import decimal\ndecimal.DefaultContext.traps[decimal.Inexact] = True\n" + "def application(env, start): pass\n"})
        self.assertIn('isolation = "process"', self.host.reject(self.tree, self.tree / "traps.py")["error"])

    def test_exceptions_of_socket(self):
        self.run_over_ends(
            """
            import socket
            result = []
            try: socket.getaddrinfo("nowhere.invalid", 80, flags=socket.AI_NUMERICHOST)
            except socket.gaierror as error: result.append(error.errno == socket.EAI_NONAME)
            try: socket.gethostbyaddr("192.0.2.1.x.invalid")
            except socket.gaierror: result.append("caught")
            result.append(issubclass(socket.herror, OSError))
            one, other = socket.socketpair()
            with one, other:
                one.settimeout(0.01)
                try: one.recv(1)
                except socket.timeout as error: result.append(isinstance(error, TimeoutError))
            """,
            [True, "caught", True, True],
        )

    def test_exceptions_of_other_modules_in_c(self):
        self.run_over_ends(
            """
            import binascii, csv, ctypes, json, lzma, pickle, pyexpat, queue, select, sqlite3, ssl, struct, xml.etree.ElementTree, zlib
            from concurrent.futures import ThreadPoolExecutor
            def caught(exception, function, *args):
                try: function(*args)
                except exception: return True
            result = [
                caught(binascii.Error, binascii.a2b_hex, "0"), caught(csv.Error, next, csv.reader([b"x"])),
                caught(ctypes.ArgumentError, ctypes.CDLL(None).strlen, 1.5), caught(json.JSONDecodeError, json.loads, "x"),
                caught(lzma.LZMAError, lzma.decompress, b"xx"), caught(pickle.UnpicklingError, pickle.loads, b"x"),
                caught(pickle.PicklingError, pickle.dumps, lambda: 0), caught(pyexpat.ExpatError, pyexpat.ParserCreate().Parse, "<", True),
                caught(queue.Empty, queue.SimpleQueue().get, False), caught(sqlite3.OperationalError, sqlite3.connect(":memory:").execute, "x"),
                caught(ssl.SSLError, ssl.create_default_context().set_ciphers, "none"), caught(struct.error, struct.pack, "B", 300),
                caught(xml.etree.ElementTree.ParseError, xml.etree.ElementTree.fromstring, "<"), caught(zlib.error, zlib.decompress, b"x"),
            ]
            """,
            [True] * 14,
        )

    @unittest.skipIf(VERSION >= (3, 12), "it refuses there")
    @unittest.skipUnless(case.has_package("_curses"), "no curses")
    def test_curses(self):
        self.run_over_ends(
            """
            import curses
            try: curses.tigetstr("x")
            except curses.error: result = "caught"
            """,
            "caught",
        )


class Diagnostics(case.HostCase):
    """Modules that look into the whole process: an app has what concerns itself."""

    def test_tracemalloc(self):
        interp = self.serve(self.RUNS)
        told = self.run_in(interp, """
            import tracemalloc, warnings
            result = [tracemalloc.is_tracing(), tracemalloc.get_traced_memory(), tracemalloc.get_object_traceback(result if False else [])]
            tracemalloc.stop()
            try: tracemalloc.start(5)
            except RuntimeError as error: result.append(str(error))
            try: tracemalloc.take_snapshot()
            except RuntimeError as error: result.append(str(error))
            """)
        self.assertEqual(told[:3], [False, (0, 0), None])
        self.assertIn('isolation = "process"', told[3])
        self.assertIn("must be tracing", told[4])
        self.serve(self.RUNS, name="next.py")

    FAULTS = """
        import faulthandler, os, sys, tempfile, time
        faulthandler.enable()
        def application(env, start):
            start('200 OK', [])
            faulthandler.dump_traceback()
            with tempfile.TemporaryFile() as file:
                faulthandler.dump_traceback(file, all_threads=False)
                faulthandler.dump_traceback(file=file.fileno())
                file.seek(0)
                there = file.read().decode()
            faulthandler.dump_traceback_later(60)
            faulthandler.cancel_dump_traceback_later()
            return [repr((faulthandler.is_enabled(), faulthandler.disable(), faulthandler.is_enabled(), there)).encode()]
        """

    def check_faults(self, interp):
        enabled, was, after, there = eval(interp.get().body)
        self.assertEqual((enabled, was, after), (True, True, False))
        self.assertTrue(there.startswith("Stack (most recent call first):\n  File "), there)
        self.assertIn("in application\n", there)
        self.assertIn("Current thread 0x", there)
        interp.log.wait_for("most recent call first")
        interp.log.wait_for("in application")

    def test_what_wants_a_terminal_at_most_needs_no_process(self):
        interp = self.serve("import cmd, code, doctest, pdb, rlcompleter\n" + case.textwrap.dedent(self.RUNS))
        self.assertEqual(interp.made["refused"], [])

    def test_faulthandler(self):
        self.check_faults(self.serve(self.FAULTS))

    def test_faulthandler_in_a_process(self):
        host = Host()
        self.addCleanup(host.close)
        interp = self.serve(self.FAULTS, host=host, mode="main")
        self.check_faults(interp)
        self.assertEqual(interp.retire()["event"], "retired")

    def test_faulthandler_later(self):
        interp = self.serve(self.RUNS)
        told = self.run_in(interp, """
            import faulthandler, threading
            class File:
                written = threading.Event()
                def write(self, text): self.text = text; self.written.set()
            file = File()
            faulthandler.dump_traceback_later(0.01, file=file)
            file.written.wait(20)
            result = file.text
            """)
        self.assertTrue(told.startswith("Timeout (0:00:00.010000)!\nThread 0x"), told)
        self.assertIn("in application\n", told)
        refused = self.run_in(interp, """
            import faulthandler, signal
            faulthandler.register(signal.SIGUSR1)
            try: faulthandler.dump_traceback_later(5, exit=True)
            except RuntimeError as error: result = str(error)
            """)
        self.assertIn('isolation = "process"', refused)
        self.run_in(interp, "import faulthandler; faulthandler.dump_traceback_later(1000, repeat=True); result = 0")


class Tracing(case.HostCase):
    """Trace and profile functions that are left on."""

    LEFT_ON = {
        "settrace": "import sys; sys.settrace(lambda *args: None)",
        "setprofile": "import sys; sys.setprofile(lambda *args: None)",
        "threading.settrace": "import sys, threading; threading.settrace(lambda *args: None); sys.settrace(lambda *args: None)",
        "cProfile": "import cProfile; profile = cProfile.Profile(); profile.enable()",
    }

    def test_left_on_by_an_import(self):
        for name, source in self.LEFT_ON.items():
            with self.subTest(name):
                interp = self.host.make(self.tree_with(source + self.APP), self.tree / "app.py")
                self.assertEqual([interp.get().body for _ in range(3)], [b"a"] * 3)
                self.retire(interp)

    APP = "\ndef application(env, start):\n    start('200 OK', []); return [b'a']\n"

    def tree_with(self, source):
        self.tree.write({"app.py": source})
        return self.tree

    def test_left_on_by_a_request(self):
        for name, source in self.LEFT_ON.items():
            with self.subTest(name):
                interp = self.host.make(self.tree_with(self.RUNS), self.tree / "app.py")
                self.assertEqual(self.run_in(interp, source + "; globals()['profile'] = locals().get('profile'); result = 1"), 1)
                self.assertEqual(self.run_in(interp, "def f(): return 2\nresult = f()"), 2)
                self.retire(interp)

    def test_left_on_by_a_request_that_is_interrupted(self):
        for name, source in self.LEFT_ON.items():
            with self.subTest(name):
                interp = self.host.make(self.tree_with(self.RUNS), self.tree / "app.py")
                code = source + "\nopen('begun', 'w').close()\nwhile True: pass\n"
                call = interp.lane.send_request(method="POST", body=code.encode())
                self.tree.wait_for("begun")
                self.host.send({"do": "interrupt", "interp": interp.number, "worker": 0, "call": call})
                response = interp.lane.finish()
                self.assertIn("Interrupted", response.failed or response.body.decode())
                self.assertEqual(self.run_in(interp, "def f(): return 2\nresult = f()"), 2)
                self.retire(interp)

    def test_an_interrupt_that_came_to_no_code_of_the_app(self):
        """It was set, and the call ended in C before it was seen."""
        interp = self.host.make(self.tree_with(self.RUNS), self.tree / "app.py")
        self.run_in(interp, "import sys; sys.settrace(lambda *args: None); result = 0")
        for _ in range(50):
            call = interp.lane.send_request(method="POST", body=b"result = 0")
            self.host.send({"do": "interrupt", "interp": interp.number, "worker": 0, "call": call})
            interp.lane.finish()
        self.assertEqual(self.run_in(interp, "result = 3"), 3)
        self.retire(interp)

    def test_a_trace_function_is_of_its_thread(self):
        """As in python3: on the same thread it stays until it is taken away."""
        interp = self.serve(self.RUNS, threads=2)
        self.run_in(interp, "import sys; sys.settrace(lambda *args: None); result = 0")
        self.assertIs(self.run_in(interp, "import sys; result = sys.gettrace() is not None"), True)
        other = interp.lanes[1].get(method="POST", body=b"import sys; result = sys.gettrace() is None")
        self.assertEqual(eval(other.body), (True, True))


class Signals(case.HostCase):
    def test_signals_to_oneself_do_not_end_the_host(self):
        interp = self.serve(self.RUNS)
        self.run_in(interp, """
            import os, signal, time
            for name in ("SIGHUP", "SIGUSR1", "SIGUSR2", "SIGALRM", "SIGVTALRM", "SIGPROF"):
                os.kill(os.getpid(), getattr(signal, name))
                signal.raise_signal(getattr(signal, name))
            import subprocess, sys
            code = "import signal; print([signal.getsignal(s).name for s in (signal.SIGHUP, signal.SIGALRM, signal.SIGUSR1)])"
            result = subprocess.check_output([sys.executable, "-I", "-c", code], text=True)
            """)
        self.assertEqual(self.run_in(interp, "result = 1"), 1)

    def test_timers_are_refused_where_their_handler_would_never_run(self):
        interp = self.serve("import signal\nsignal.signal(signal.SIGALRM, print)\n" + "".join(line[8:] for line in self.RUNS.splitlines(True)))
        refused = self.run_in(interp, """
            import signal
            result = []
            for call in (lambda: signal.alarm(1), lambda: signal.setitimer(signal.ITIMER_REAL, 0.1), lambda: signal.signal(signal.SIGALRM, print)):
                try: result.append(call())
                except ValueError as error: result.append(str(error))
            result += [signal.alarm(0), signal.setitimer(signal.ITIMER_PROF, 0), signal.signal(signal.SIGALRM, signal.SIG_DFL) is not None]
            """)
        self.assertIn('isolation = "process"', refused[0])
        self.assertIn('isolation = "process"', refused[1])
        self.assertIn("only works in main thread", refused[2])
        self.assertEqual(refused[3:], [0, (0.0, 0.0), True])

    def test_timers_in_a_process(self):
        host = Host()
        self.addCleanup(host.close)
        interp = self.serve("""
            import signal, threading
            rang = threading.Event()
            signal.signal(signal.SIGALRM, lambda *args: rang.set())
            def application(env, start):
                rang.clear()
                signal.setitimer(signal.ITIMER_REAL, 0.01)
                start('200 OK', []); return [repr(rang.wait(20)).encode()]
            """, host=host, mode="main")
        self.assertEqual([interp.get().body for _ in range(3)], [b"True"] * 3)
        self.assertEqual(interp.retire()["event"], "retired")


class Sleeping(case.HostCase):
    def test_sleep_is_that_of_python(self):
        """It is ours in a sub-interpreter, where it can be interrupted."""
        source = """
            import pickle, time
            from fractions import Fraction
            def tried(value):
                try: return time.sleep(value)
                except Exception as error: return f"{type(error).__name__}: {error}"
            class Index:
                def __index__(self): return 0
            class Class: sleep = time.sleep
            began = time.monotonic(); time.sleep(0.05); took = time.monotonic() - began
            result = [tried(value) for value in (0, 0.0, True, Index(), -1, -0.5, "1", None, Fraction(1), float("nan"))]
            result += [tried(value).partition(":")[0] for value in (1e20, 10**30, float("inf"))]
            result += [took >= 0.05, pickle.loads(pickle.dumps(time.sleep)) is time.sleep, Class().sleep(0), repr(time.sleep)[:30]]
            """
        script = case.textwrap.dedent(source) + "print(repr(result))"
        python = subprocess.check_output([PYTHON, "-I", "-c", script], text=True).strip()
        self.assertEqual(repr(self.run_in(self.serve(self.RUNS), source)), python)


if __name__ == "__main__":
    unittest.main()
