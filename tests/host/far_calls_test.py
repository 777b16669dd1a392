"""Calls that an app makes by way of the daemon, whose part the test plays: threads that wait for an
answer, and threads that use the same stream."""

import unittest

import case
from caller_lane import CalledHost

CALLER = """
    import moult, sys, threading
    streams, seen = [], []

    def begin(): streams.append(moult.call('far', 'items'))

    def read():
        try:
            for item in streams[0]: seen.append(item)
            seen.append('end')
        except BaseException as error:
            seen.append(f'{type(error).__name__}: {error}')

    def in_thread(function, *args):
        thread = threading.Thread(target=function, args=args, daemon=True)
        thread.start()
        return thread

    def function_of(thread):
        frame = sys._current_frames().get(thread.ident)
        return frame and frame.f_code.co_name

    def call_and_forget():
        try: list(moult.call('far', 'never'))
        except BaseException as error: seen.append(type(error).__name__)
""" + case.EVALUATES


class FarCalls(case.HostCase):
    @classmethod
    def setUpClass(cls):
        cls.host = CalledHost()
        cls.addClassCleanup(cls.host.close)

    def make(self, source=CALLER, **options):
        self.tree.write({"app.py": source})
        return self.host.make(self.tree, self.tree / "app.py", **options)

    def ask(self, interp, source, lane=0):
        response = interp.lanes[lane].get(method="POST", body=source.encode())
        self.assertIsNone(response.failed)
        return response.body.decode()

    def begin_stream(self, interp):
        interp.lane.send_request(method="POST", body=b"begin()")
        lane = self.host.take_caller()
        lane.take_request()
        lane.begin_stream()
        interp.lane.finish()
        return lane

    def read_in_thread(self, interp):
        """Begins a reader of the stream; it waits for an item when this returns."""
        self.ask(interp, "globals().update(reader=in_thread(read))")
        while self.ask(interp, "function_of(reader)") != "'__next__'":
            self.assertEqual(self.ask(interp, "reader.is_alive()"), "True")

    def test_a_stream_is_closed_while_another_thread_waits_for_its_next_item(self):
        interp = self.make()
        lane = self.begin_stream(interp)
        self.read_in_thread(interp)
        self.ask(interp, "streams[0].close()")
        self.assertEqual(self.ask(interp, "reader.join(10), seen"), "(None, ['end'])")
        lane.take_abort()
        self.assertEqual(self.ask(interp, "list(streams[0])"), "[]")
        self.retire(interp)

    def test_a_stream_is_read_by_one_thread_at_a_time(self):
        interp = self.make()
        lane = self.begin_stream(interp)
        self.read_in_thread(interp)
        self.assertEqual(self.ask(interp, "next(streams[0])"), "ValueError: this stream is being read already")
        lane.end_stream()
        self.assertEqual(self.ask(interp, "reader.join(10), seen"), "(None, ['end'])")
        self.retire(interp)

    def test_a_thread_that_waits_for_an_item_does_not_hold_up_the_end_of_its_app(self):
        interp = self.make()
        self.begin_stream(interp)
        self.ask(interp, "in_thread(read) and None")
        self.retire(interp)

    def test_an_import_that_waits_for_a_call_can_be_ended(self):
        self.tree.write({"app.py": "import moult\nmoult.call('far', 'never')\n"})
        interp = self.host.begin(self.tree, self.tree / "app.py")
        self.host.take_caller().take_request()
        self.retire(interp)

    def test_who_waits_for_a_lane_can_be_interrupted(self):
        interp = self.make(CALLER + """
    def fill():
        for _ in range(64): in_thread(call_and_forget)
""", threads=2)
        known = len(self.host.callers)
        self.ask(interp, "fill()")
        while len(self.host.callers) < known + 64:
            self.host.take_caller()
        call = interp.lane.send_request(method="POST", body=b"seen.append('waits') or moult.call('far', 'never')")
        while "waits" not in self.ask(interp, "seen", lane=1):
            pass
        interp.interrupt(call)
        self.assertEqual(interp.lane.finish().body, b"Interrupted: ")
        self.retire(interp)

    def test_most_lanes_of_a_burst_are_closed_again(self):
        interp = self.make(CALLER + """
    def burst():
        threads = [in_thread(call_and_forget) for _ in range(20)]
        for thread in threads: thread.join(20)
""")
        known = len(self.host.callers)
        interp.lane.send_request(method="POST", body=b"burst()")
        while len(self.host.callers) < known + 20:
            self.host.take_caller()
        lanes = self.host.callers[known:]
        for lane in lanes:
            lane.take_request()
        for lane in lanes:
            lane.begin_stream()
            lane.end_stream()
        interp.lane.finish()
        self.assertEqual(sum(lane.is_closed() for lane in lanes), 12)
        self.retire(interp)

    def test_the_timeout_of_a_submitted_call_counts_from_then_on(self):
        interp = self.make(CALLER + """
    import time
    def submit_many():
        began = time.monotonic()
        futures = [moult.submit('far', 'never', timeout=1.0) for _ in range(33)]  # one more than threads
        raised = {type(future.exception()).__name__ for future in futures}
        return raised, time.monotonic() - began < 1.5
""")
        interp.lane.send_request(method="POST", body=b"submit_many()")
        self.assertEqual(interp.lane.finish().body, b"({'CallTimeout'}, True)")
        self.retire(interp)

    def test_a_child_process_has_lanes_of_its_own(self):
        self.tree.write({"app.py": CALLER + """
    import os
    def call(function):
        try: moult.call('far', function)
        except moult.NotExported: pass
    def fork():
        call('first')
        child = os.fork()
        if child == 0:
            call('of the child')
            os._exit(0)
        os.waitpid(child, 0)
        call('second')
"""})
        host = CalledHost()
        self.addCleanup(host.close)
        interp = host.make(self.tree, self.tree / "app.py", mode="main")
        interp.lane.send_request(method="POST", body=b"fork()")
        lane = host.take_caller()
        for number, function in enumerate(["first", "of the child", "second"]):
            used = host.take_caller() if number == 1 else lane
            self.assertEqual(used.take_request()[0], function)
            used.refuse()
        self.assertEqual(interp.lane.finish().body, b"None")
        interp.close_lanes()


if __name__ == "__main__":
    unittest.main()
