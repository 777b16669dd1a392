"""The account is at its limit of tasks: what needs a thread is refused or late, and the host goes on."""

import os
import resource
import time
import unittest

import case
import host_driver
from host_driver import Host, MODE, VERSION

NOBODY = 54321  # an account with no other process; root knows no limit
THREADS = 3
UNLIMITED = resource.getrlimit(resource.RLIMIT_NPROC)[1]

SERVES = """
    import time, moult
    def application(environ, start):
        start("200 OK", [])
        if environ["PATH_INFO"] == "/scratch":
            try:
                moult.Interpreter("x = 1")
            except Exception as error:
                return [str(error).encode()]
        while environ["PATH_INFO"] == "/busy":
            time.sleep(0.005)
        return [b"served"]
"""


def become_nobody(limit=UNLIMITED):
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)
    resource.setrlimit(resource.RLIMIT_NPROC, (limit, UNLIMITED))


def does_as_nobody(action):
    """In a process that is over when this returns. False: it failed."""
    pid = os.fork()
    if pid == 0:
        try:
            become_nobody()
            os._exit(0 if action() else 1)
        except OSError:
            os._exit(1)
    return os.waitpid(pid, 0)[1] == 0


def can_become_nobody():
    paths = host_driver.PYTHON, host_driver.MODULE_DIR
    return os.geteuid() == 0 and does_as_nobody(lambda: all(os.access(path, os.X_OK) for path in paths))


@unittest.skipUnless(can_become_nobody(), "needs root, and programs that every account may run")
class NoThreads(case.HostCase):
    @classmethod
    def setUpClass(cls):
        pass

    def setUp(self):
        super().setUp()
        os.chmod(self.tree.path, 0o755)
        self.host = Host(before=become_nobody)
        self.addCleanup(self.host.close)

    def tasks(self, host=None):
        return len(os.listdir(f"/proc/{(host or self.host).process.pid}/task"))

    def wait_for_tasks(self, number):
        end = time.monotonic() + host_driver.DEADLINE
        while self.tasks() != number and time.monotonic() < end:
            time.sleep(0.002)
        self.assertEqual(self.tasks(), number)

    def allow(self, more, host=None):
        """As many threads beyond those that there are."""
        limit = UNLIMITED if more is None else self.tasks(host) + more
        pid = (host or self.host).process.pid
        done = does_as_nobody(lambda: resource.prlimit(pid, resource.RLIMIT_NPROC, (limit, UNLIMITED)))
        self.assertTrue(done)

    def make_with(self, more, host=None, **options):
        """What becomes of an interpreter that may have so many threads."""
        self.allow(more, host)
        interp = (host or self.host).begin(self.tree, self.tree / "app.py", threads=THREADS, **options)
        event = (host or self.host).wait("made", "rejected", interp=interp.number)
        if event["event"] == "rejected":
            self.assertIn("cannot start a thread: Resource temporarily unavailable", event["error"])
            self.assertIn("ulimit -u", event["error"])
        return interp, event["event"]

    @unittest.skipIf(VERSION[:2] == (3, 12), "has a process for each app")
    def test_a_make_is_refused_at_whichever_thread_and_the_others_serve_on(self):
        served = self.serve(SERVES)
        before = self.tasks()
        for more in range(2):  # the home, and its first worker
            interp, became = self.make_with(more)
            self.assertEqual(became, "rejected", more)
            self.host.wait("retired", interp=interp.number)
            interp.close_lanes()
            self.assertEqual(served.get().body, b"served")
            self.wait_for_tasks(before)
        interp, became = self.make_with(2)
        self.assertEqual(became, "made")
        self.assertEqual(interp.get().body, b"served")
        self.allow(None)
        self.retire(interp)

    @unittest.skipIf(VERSION[:2] == (3, 12), "has a process for each app")
    def test_what_the_daemon_asks_for_is_done_without_a_thread_too(self):
        interp = self.serve(SERVES, threads=2, host=self.host, scratch_interpreters=1)
        busy = interp.lanes[1].send_request("/busy")
        self.assertEqual(interp.get().body, b"served")  # by another worker
        self.allow(0)
        self.assertIn(b"cannot start a thread", interp.get("/scratch").body)
        for ask, (what, answer) in enumerate({"stack": "text", "imports": "modules", "loaded": "names"}.items(), 1):
            self.host.send({"do": what, "interp": interp.number, "ask": ask, "packages": False})
            self.assertTrue(self.host.wait(what)[answer])
        interp.interrupt(busy)
        self.assertIn("Interrupted", interp.lanes[1].finish().failed)
        self.assertEqual(interp.get().body, b"served")
        self.assertEqual(interp.retire()["event"], "retired")

    @unittest.skipIf(VERSION[:2] == (3, 12), "has a process for each app")
    def test_an_app_that_does_not_end_is_left_behind_without_a_thread_too(self):
        interp = self.serve(SERVES, threads=1, host=self.host)
        other = self.serve(SERVES, name="other.py")
        interp.lane.send_request("/busy")
        self.allow(0)
        self.assertEqual(interp.retire(timeout=0.3)["event"], "abandoned")
        self.assertEqual(other.get().body, b"served")
        self.allow(None)

    def test_a_process_of_one_app(self):
        self.tree.write({"app.py": SERVES})
        host = Host(before=become_nobody)
        self.addCleanup(host.close)
        interp, became = self.make_with(0, host, mode="main")
        self.assertEqual(became, "rejected")
        interp.close_lanes()
        host.wait("retired")
        self.assertEqual(host.process.wait(host_driver.DEADLINE), 0)

    @unittest.skipIf(VERSION[:2] == (3, 12), "has a process for each app")
    def test_calls_wait_for_those_workers_that_there_are(self):
        interp = self.serve(SERVES, threads=THREADS)
        self.allow(0)
        busy = interp.lanes[0].send_request("/busy")
        interp.lanes[1].send_request("/")
        notice = self.host.wait("notice")
        self.assertIn("a call waits for a worker: cannot start a thread", notice["text"])
        self.allow(None)
        interp.interrupt(busy)
        self.assertIn("Interrupted", interp.lanes[0].finish().failed)
        self.assertEqual(interp.lanes[1].finish().body, b"served")

    def test_a_host_that_cannot_begin_says_why(self):
        booted = Host(before=become_nobody)
        needed = self.tasks(booted)
        booted.close()
        for limit in range(1, needed):
            host = Host.__new__(Host)
            with self.assertRaisesRegex(EOFError, "exit code 1"):
                host.__init__(before=lambda: become_nobody(limit + self.tasks()))
            host.channel.close()
            self.assertIn("the host cannot start: cannot start a thread", host.events[-1]["text"])


if __name__ == "__main__":
    unittest.main()
