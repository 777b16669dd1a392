"""Processes that an app starts: by multiprocessing and os.fork, in interpreters and in processes of their own."""

import os
import signal
import time
import unittest

import case
import host_driver
from host_driver import Host

APP = """
    import concurrent.futures, multiprocessing, os, signal, sys, time
    import work
    def exit_codes(method):
        context = multiprocessing.get_context(method)
        codes = []
        for target in (work.good, work.exits, work.sleeps):
            process = context.Process(target=target)
            process.start()
            if target is work.sleeps: process.terminate()
            process.join(20)
            codes.append(process.exitcode)
            process.kill()
        return codes
    def tools(method):
        context = multiprocessing.get_context(method)
        with context.Pool(2) as pool: one = pool.map(work.double, [1, 2])
        with concurrent.futures.ProcessPoolExecutor(1, context) as pool: two = list(pool.map(work.double, [3]))
        queue, event = context.Queue(), context.Event()
        process = context.Process(target=work.puts, args=(queue, event))
        process.start()
        event.set()
        three = queue.get(timeout=20)
        process.join(20)
        with context.Manager() as manager: four = manager.list([5])[0]
        return one, two, three, four, process.exitcode
    def start(daemon, method):
        process = multiprocessing.get_context(method).Process(target=work.sleeps, daemon=daemon)
        process.start()
        return process.pid
    def application(environ, start_response):
        source = environ["wsgi.input"].read().decode()
        answer = eval(source)
        start_response("200 OK", [])
        return [repr(answer).encode()]
"""
WORK = """
    import signal, sys, time
    def good(): pass
    def exits(): sys.exit(3)
    def sleeps(): time.sleep(1000)
    def double(x): return 2 * x
    def puts(queue, event):
        event.wait(20)
        queue.put("put")
    def own_handler(pipe):
        signal.signal(signal.SIGTERM, lambda *args: sys.exit(7))
        pipe.send("ready")
        time.sleep(1000)
"""
ENV = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "PYTHONWARNINGS": "ignore"}


def eventually(done):
    end = time.monotonic() + host_driver.DEADLINE
    while not (found := done()):
        if time.monotonic() > end:
            raise TimeoutError("it did not come to be")
        time.sleep(0.01)
    return found


def is_gone(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


class Processes(unittest.TestCase):
    def setUp(self):
        self.host = Host()
        self.addCleanup(self.host.close)
        self.tree = case.Tree({"app.py": APP, "work.py": WORK})
        self.addCleanup(self.tree.remove)

    def make(self, mode="main", app=None, **options):
        if app:
            self.tree.write({"app.py": app})
        interp = self.host.make(self.tree, self.tree / "app.py", mode=mode, env=ENV, **options)
        self.addCleanup(interp.close_lanes)
        return interp

    def ask(self, interp, source):
        response = interp.get(method="POST", body=source.encode())
        self.assertIsNone(response.failed)
        return eval(response.body)

    def retire(self, interp, timeout=5.0):
        self.assertEqual(interp.retire(timeout)["event"], "retired")

    def test_exit_codes_in_a_process_of_its_own(self):
        interp = self.make()
        for method in ("fork", "spawn", "forkserver"):
            with self.subTest(method=method):
                self.assertEqual(self.ask(interp, f"exit_codes({method!r})"), [0, 3, -signal.SIGTERM])
        self.retire(interp)
        self.assertEqual(self.host.process.wait(10), 0)

    def test_tools_in_a_process_of_its_own(self):
        interp = self.make()
        for method in ("fork", "spawn", "forkserver"):
            with self.subTest(method=method):
                self.assertEqual(self.ask(interp, f"tools({method!r})"), ([2, 4], [6], "put", 5, 0))
        self.retire(interp)

    def test_exit_codes_and_tools_in_an_interpreter(self):
        interp = self.make(host_driver.MODE)
        for method in ("spawn", "forkserver"):
            with self.subTest(method=method):
                self.assertEqual(self.ask(interp, f"exit_codes({method!r})"), [0, 3, -signal.SIGTERM])
                self.assertEqual(self.ask(interp, f"tools({method!r})"), ([2, 4], [6], "put", 5, 0))
        self.retire(interp)

    def test_children_end_with_their_generation(self):
        for mode, methods in (("main", ("fork", "spawn")), (host_driver.MODE, ("spawn", "forkserver"))):
            with self.subTest(mode=mode):
                self.setUp()
                interp = self.make(mode)
                pids = [self.ask(interp, f"start({daemon}, {method!r})") for daemon in (True, False) for method in methods]
                self.retire(interp, 0.5)
                for pid in pids:
                    eventually(lambda: is_gone(pid))

    def test_a_child_handles_the_signals_that_it_wants(self):
        """After a fork by a thread, python3 from 3.13 on runs handlers only where a signal interrupts a system call: more
        than one may be needed."""
        interp = self.make()
        source = """(lambda pipe, context: (
            process := context.Process(target=work.own_handler, args=(pipe[1],)), process.start(), pipe[0].recv(),
            [process.terminate() or process.join(1) for _ in range(20) if process.exitcode is None],
            process.exitcode)[-1])(
            multiprocessing.Pipe(), multiprocessing.get_context("fork"))"""
        self.assertEqual(self.ask(interp, source.replace("\n", " ")), 7)
        self.retire(interp)

    FORKS = """
        import os, signal, time
        def application(environ, start):
            child = os.fork()
            if child == 0 and environ["PATH_INFO"] == "/stays":
                time.sleep(1000)
            start("200 OK", [])
            return [str(child).encode()]
        """

    def test_a_child_that_comes_back_from_the_call_answers_nothing(self):
        interp = self.make(app=self.FORKS, threads=2)
        for lane in interp.lanes:
            pid = int(lane.get().body)
            self.assertNotEqual(pid, 0)
            eventually(lambda: is_gone(pid))
        self.retire(interp)

    def test_a_child_keeps_no_lane_of_a_host_that_is_dead(self):
        interp = self.make(app=self.FORKS)
        pid = int(interp.get("/stays").body)
        try:
            self.host.process.kill()
            with self.assertRaises((EOFError, ConnectionResetError)):
                interp.lane.receive()
            self.assertFalse(is_gone(pid))
        finally:
            os.kill(pid, signal.SIGKILL)

    def test_a_child_of_the_import_is_no_app(self):
        interp = self.make(app="""
            import os, sys
            child = os.fork()
            if child == 0: sys.exit()
            again = os.fork()
            if again == 0: 1 / 0
            os.waitpid(child, 0)
            status = os.waitpid(again, 0)[1]
            third = os.fork()
            def application(environ, start):
                start("200 OK", [])
                return [repr((os.waitstatus_to_exitcode(status), os.waitpid(third, 0)[1])).encode()]
            """)
        self.assertEqual(eval(interp.get().body), (1, 0))
        interp.log.wait_for("ZeroDivisionError")
        self.assertEqual((self.host.seen("rejected"), len(self.host.seen("made"))), ([], 1))
        self.retire(interp)

    def test_processes_and_descriptors_stay_the_same_over_generations(self):
        def counts():
            pid = self.host.process.pid
            with open(f"/proc/{pid}/task/{pid}/children") as file:
                children = file.read().split()
            for task in os.listdir(f"/proc/{pid}/task"):
                try:
                    with open(f"/proc/{pid}/task/{task}/children") as file:
                        children += file.read().split()
                except OSError:
                    pass
            return len(set(children)), len(os.listdir(f"/proc/{pid}/fd"))

        app = """
            import multiprocessing, work
            lock = multiprocessing.get_context("spawn").Lock()
            process = multiprocessing.get_context("forkserver").Process(target=work.good)
            process.start()
            process.join(20)
            def application(environ, start): pass
            """
        # The first one brings what stays with the process: libffi 3.5 keeps its own file open.
        self.retire(self.make(host_driver.MODE, app=app))
        eventually(lambda: counts()[0] == 0)
        before = counts()
        for _ in range(10):
            interp = self.make(host_driver.MODE, app=app)
            self.assertGreaterEqual(counts()[0], 2)
            self.retire(interp)
            eventually(lambda: counts() <= before)


if __name__ == "__main__":
    unittest.main()
