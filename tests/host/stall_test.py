"""A thread that keeps the GIL from everybody else: the host tells of it, who it is, and when it is over."""

import time
import unittest

import case
import host_driver
from host_driver import Tree

# ctypes.PyDLL keeps the GIL during a call.
HOLDS = """
    import ctypes, threading, moult
    def hold(seconds): ctypes.PyDLL(None).usleep(int(seconds * 1e6))
    def hold_in_a_thread(seconds): threading.Thread(target=hold, args=(seconds,)).start()
    @moult.export
    def held(seconds): hold(seconds)
    def application(environ, start):
        source = environ['wsgi.input'].read().decode()
        start('200 OK', [])
        return [repr(eval(source, globals())).encode()]
"""


@unittest.skipUnless(host_driver.MODE in ("shared", "strict"), "own GILs keep nobody waiting")
class Stall(case.HostCase):
    def setUp(self):
        super().setUp()
        self.holder = self.serve(HOLDS, name="holder.py", app="holder")
        self.other = self.serve(HOLDS, name="other.py", app="other")

    def stalled(self):
        return self.host.wait("stalled")

    def test_a_call_that_holds_the_gil_is_named_and_so_is_its_end(self):
        lane = self.holder.lanes[0]
        lane.send_request(method="POST", body=b"hold(3.5)")
        stalled = self.stalled()
        self.assertEqual((stalled["interp"], stalled["what"], stalled["worker"]), (self.holder.number, "call", 0))
        self.assertGreaterEqual(stalled["seconds"], 2)
        self.assertLess(stalled["seconds"], 3)
        self.assertGreater(self.host.wait("revived")["seconds"], 2.5)
        self.assertEqual(lane.finish().body, b"None")

    def test_a_thread_of_the_app_is_told_from_a_call(self):
        self.holder.get(method="POST", body=b"hold_in_a_thread(3)")
        lane = self.other.lanes[0]
        lane.send_request(method="POST", body=b"1 + 1")
        stalled = self.stalled()
        self.assertEqual((stalled["interp"], stalled["what"]), (self.holder.number, "thread"))
        self.assertEqual(lane.finish().body, b"2")
        self.host.wait("revived")

    def test_a_call_that_entered_another_interpreter_is_that_ones(self):
        self.host.route("holder", self.holder)
        lane = self.other.lanes[0]
        lane.send_request(method="POST", body=b"moult.app('holder').held(3)")
        stalled = self.stalled()
        self.assertEqual(
            (stalled["interp"], stalled["what"], stalled["text"]), (self.holder.number, "function", "held")
        )
        self.assertEqual(lane.finish().body, b"None")
        self.host.wait("revived")

    def test_an_import_is_named(self):
        source = "import ctypes\nctypes.PyDLL(None).usleep(3_000_000)\napplication = lambda environ, start: []\n"
        tree = Tree({"slow.py": source})
        self.addCleanup(tree.remove)
        interp = self.host.begin(tree, tree / "slow.py")
        self.addCleanup(self.retire, interp)
        stalled = self.stalled()
        self.assertEqual((stalled["interp"], stalled["what"]), (interp.number, "import"))
        told = {self.host.wait("revived", "made")["event"] for _ in range(2)}
        self.assertEqual(told, {"revived", "made"})

    def test_a_call_that_has_not_begun_is_given_back_and_not_run(self):
        holding = self.holder.lanes[0]
        holding.send_request(method="POST", body=b"hold(3)")
        self.host.wait("stalled")
        waiting = self.other.lanes[0]
        waiting.send_request(method="POST", body=b"print('ran', flush=True)")
        self.host.send({"do": "give_back"})
        began = time.monotonic()
        self.assertEqual(waiting.finish().frames[-1][:2], (host_driver.RETURNED, 0))
        self.assertLess(time.monotonic() - began, 1)
        self.host.wait("revived")
        self.assertEqual(holding.finish().body, b"None")
        self.assertEqual(waiting.get(method="POST", body=b"1 + 1").body, b"2")
        self.assertNotIn("ran", self.other.log.text())

    def test_a_python_loop_is_no_stall(self):
        before = len(self.host.seen("stalled"))
        lane = self.holder.lanes[0]
        lane.send_request(method="POST", body=b"sum(1 for at in range(50_000_000)) and 1")
        self.assertEqual(lane.finish().body, b"1")
        self.assertEqual(self.other.get(method="POST", body=b"1 + 1").body, b"2")
        self.assertEqual(len(self.host.seen("stalled")), before)


@unittest.skipUnless(host_driver.MODE == "own", "the GIL is shared")
class OwnStall(case.HostCase):
    def test_who_keeps_a_gil_of_its_own_is_named_when_a_call_waits_for_it(self):
        holder = self.serve(HOLDS, name="holder.py", app="holder", threads=2)
        other = self.serve(HOLDS, name="other.py", app="other")
        first, second = holder.lanes
        first.send_request(method="POST", body=b"print('holds', flush=True) or hold(3.5)")
        holder.log.wait_for("holds")
        second.send_request(method="POST", body=b"1 + 1")
        stalled = self.host.wait("stalled")
        self.assertEqual((stalled["interp"], stalled["what"], stalled["worker"]), (holder.number, "call", 0))
        self.assertTrue(stalled["alone"])
        self.host.send({"do": "give_back", "interp": other.number})
        self.host.send({"do": "give_back", "interp": holder.number})
        self.assertEqual(second.finish().frames[-1][:2], (host_driver.RETURNED, 0))
        self.assertEqual(other.get(method="POST", body=b"1 + 1").body, b"2")
        revived = self.host.wait("revived")
        self.assertEqual(revived["interp"], holder.number)
        self.assertGreater(revived["seconds"], 2.8)  # not when the call was given back
        self.assertEqual(second.get(method="POST", body=b"1 + 1").body, b"2")
        self.assertEqual(first.finish().body, b"None")


if __name__ == "__main__":
    unittest.main()
