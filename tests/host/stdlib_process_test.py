"""Parts of the standard library that act on the whole process: tracing, timers, signals, sleeping. An app has what
concerns itself."""

import subprocess
import unittest

import case
from host_driver import PYTHON, Host


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
                interp.interrupt(call)
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
            interp.interrupt(call)
            interp.lane.finish()
        self.assertEqual(self.run_in(interp, "result = 3"), 3)
        self.retire(interp)

    def test_a_trace_function_is_of_its_thread(self):
        """As in python3: on the same thread it stays until it is taken away."""
        interp = self.serve(self.RUNS, threads=2)
        self.run_in(interp, "import sys; sys.settrace(lambda *args: None); result = 0")
        # One worker is in a call while the other serves: one of the two has it.
        traced = "import sys; result = sys.gettrace() is not None"
        stays = "import os, time\nopen('begun', 'w').close()\nwhile not os.path.exists('enough'): time.sleep(0.001)\n"
        interp.lane.send_request(method="POST", body=(stays + traced).encode())
        self.tree.wait_for("begun")
        other = eval(interp.lanes[1].get(method="POST", body=traced.encode()).body)
        open(self.tree / "enough", "w").close()
        one = eval(interp.lane.finish().body)
        self.assertEqual(sorted([one, other]), [(True, False), (True, True)])


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
