"""Workers come when calls need them, and go when nobody does."""

import os
import time
import unittest

import case
import host_driver

MEETS = """
    import threading
    barrier = threading.Barrier(4)
    def application(environ, start):
        start("200 OK", [])
        if environ["PATH_INFO"] == "/meet":
            barrier.wait(20)
        return [threading.current_thread().name.encode()]
"""


class Workers(case.HostCase):
    def tasks(self):
        return len(os.listdir(f"/proc/{self.host.process.pid}/task"))

    def wait_for_tasks(self, number):
        end = time.monotonic() + host_driver.DEADLINE
        while self.tasks() != number and time.monotonic() < end:
            time.sleep(0.002)
        self.assertEqual(self.tasks(), number)

    def meet(self, interp):
        for lane in interp.lanes:
            lane.send_request("/meet")
        return {lane.finish().body for lane in interp.lanes}

    def test_calls_that_wait_for_each_other_have_a_worker_each(self):
        interp = self.serve(MEETS, threads=4)
        self.assertEqual(len(self.meet(interp)), 4)

    def test_one_call_at_a_time_has_one_worker(self):
        interp = self.serve(MEETS, threads=4)
        before = self.tasks()
        names = {interp.get().body for _ in range(50)}
        self.assertLessEqual(self.tasks() - before, len(names) - 1)

    def test_who_is_not_needed_ends_and_another_comes_when_it_is(self):
        interp = self.serve(MEETS, threads=4, worker_idle=0.05)
        before = self.tasks()
        for _ in range(3):
            self.assertEqual(len(self.meet(interp)), 4)
            self.wait_for_tasks(before)
        self.assertEqual(interp.get().status, 200)

    def test_an_interpreter_ends_while_its_workers_do(self):
        for _ in range(5):
            interp = self.serve(MEETS, threads=4, worker_idle=0.001)
            self.assertEqual(len(self.meet(interp)), 4)
            self.doCleanups()  # ends it


if __name__ == "__main__":
    unittest.main()
