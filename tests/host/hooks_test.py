"""Hooks as one host sees them: what `made` says, what is logged, and retire hooks. The calls that the
daemon makes of the others are in tests/integration/hooks_test.cpp."""

import time
import unittest

import case
from host_driver import Host

HELLO = "def application(env, start):\n    start('200 OK', []); return [b'hello']\n"


class Defining(case.HostCase):
    def test_made_names_the_kinds_of_hooks(self):
        interp = self.serve("""
            import moult
            @moult.ready
            def one(): pass
            @moult.ready
            def two(): pass
            @moult.adopt
            def take(state, generation): pass
            """ + "def application(env, start): pass\n", host=None)
        self.assertEqual(interp.made["hooks"], ["ready", "adopt"])
        self.assertEqual(self.serve(HELLO).made["hooks"], [])

    def test_decorators_return_the_function(self):
        interp = self.serve("""
            import moult
            def f(*args): return 'same'
            same = all(d(f) is f for d in (moult.ready, moult.handoff, moult.adopt, moult.retire))
            def application(env, start):
                start('200 OK', []); return [repr(same).encode()]
            """)
        self.assertEqual(interp.get().body, b"True")

    def test_what_cannot_be_a_hook_is_refused_where_it_is_defined(self):
        for definition, message in (
            ("@moult.ready()\ndef f(): pass", "missing 1 required positional argument"),
            ("@moult.handoff\nasync def f(): pass", "a handoff hook runs to its end: f is a generator or async"),
            ("@moult.retire\ndef f():\n    yield", "a retire hook runs to its end: f is a generator or async"),
            ("moult.adopt('name')", "@moult.adopt is used without arguments, over a function; got str"),
        ):
            self.tree.write({"app.py": f"import moult\n{definition}\n{HELLO}"})
            event = self.host.reject(self.tree, self.tree / "app.py")
            self.assertIn(message, event["error"])
            self.assertEqual((event["stage"], event["file"]), ("import", self.tree / "app.py"))
            self.host.wait("retired", interp=event["interp"])

    def notice(self, interp, part):
        """The notice about this interpreter with that text, which may have come already."""
        while True:
            for event in self.host.seen("notice"):
                if event["interp"] == interp.number and part in event["text"]:
                    return event
            self.host.receive()

    def test_a_second_handoff_or_adopt_takes_the_place_of_the_first_with_a_warning(self):
        for kind in ("handoff", "adopt"):
            interp = self.serve(f"import moult\n@moult.{kind}\ndef first(*a): pass\n"
                                f"@moult.{kind}\ndef second(*a): pass\n" + HELLO)
            event = self.notice(interp, "takes the place of")
            self.assertEqual(event["text"], f"@moult.{kind}: second takes the place of first; an app has one")
            self.assertEqual((event["level"], event["file"], event["line"]), ("warning", self.tree / "app.py", 4))

    def test_a_hook_that_comes_too_late_is_said_to_be_useless_but_retire_is_never_late(self):
        interp = self.serve("""
            import moult
            def application(env, start):
                moult.ready(print)
                moult.retire(lambda: print('released late'))
                start('200 OK', []); return [b'ok']
            """, host=self.host)
        self.assertEqual(interp.get().body, b"ok")
        self.assertIn("@moult.ready came after the app was loaded", self.notice(interp, "came after")["text"])
        self.assertEqual(interp.retire()["event"], "retired")
        interp.log.wait_for("released late")


class Retiring(case.HostCase):
    def test_hooks_run_in_reverse_order_before_atexit_and_before_pools_are_joined(self):
        interp = self.serve("""
            import atexit, concurrent.futures, moult, threading
            atexit.register(print, 'step atexit')
            stop = threading.Event()
            pool = concurrent.futures.ThreadPoolExecutor(1)
            pool.submit(stop.wait).add_done_callback(lambda f: print('step pool'))
            @moult.retire
            def first(): print('step first'); stop.set()
            @moult.retire
            def second(): print('step second')
            """ + "def application(env, start): pass\n", host=self.host)
        event = interp.retire()
        self.assertEqual(event["event"], "retired")
        self.assertLess(event["seconds"], 3)
        interp.log.wait_for("step atexit")
        steps = [line for _, line in interp.log.lines if line.startswith("step")]
        self.assertEqual(steps, ["step second", "step first", "step pool", "step atexit"])

    def test_a_call_in_flight_ends_first(self):
        interp = self.serve("""
            import moult, time
            @moult.retire
            def release(): print('released')
            def application(env, start):
                time.sleep(0.2); print('served')
                start('200 OK', []); return []
            """, host=self.host)
        interp.lane.send_request()
        self.assertEqual(interp.retire()["event"], "retired")
        interp.log.wait_for("released")
        self.assertLess(interp.log.text().index("served"), interp.log.text().index("released"))

    def test_one_that_fails_is_logged_and_does_not_stop_the_others(self):
        interp = self.serve(HELLO + "import moult, sys\n"
                            "moult.retire(lambda: print('the last one ran'))\n"
                            "@moult.retire\ndef broken(): 1 / 0\n"
                            "@moult.retire\ndef leaves(): sys.exit(3)\n", host=self.host)
        self.assertEqual(interp.retire()["event"], "retired")
        interp.log.wait_for("the retire hook broken failed")
        interp.log.wait_for("ZeroDivisionError")
        interp.log.wait_for("the retire hook leaves failed")
        interp.log.wait_for("the last one ran")

    def test_one_that_takes_too_long_is_given_up_and_the_rest_is_said_not_to_have_run(self):
        interp = self.serve(HELLO + "import moult, time\n"
                            "@moult.retire\ndef never_reached(): print('should not run')\n"
                            "@moult.retire\ndef slow():\n    while True: time.sleep(0.01)\n", host=self.host)
        began = time.monotonic()
        self.assertEqual(interp.retire(timeout=0.3)["event"], "retired")
        self.assertLess(time.monotonic() - began, 5)
        interp.log.wait_for("retire_timeout was over before the retire hook never_reached")
        self.assertNotIn("should not run", interp.log.text())

    def test_what_was_rejected_is_released_too(self):
        self.tree.write({"app.py": "import moult\nmoult.retire(lambda: open('released', 'w').close())\n1 / 0\n"})
        event = self.host.reject(self.tree, self.tree / "app.py")
        self.assertEqual(event["stage"], "import")
        self.host.wait("retired", interp=event["interp"])
        self.tree.wait_for("released")


class Abandoning(unittest.TestCase):
    def test_a_hook_that_never_ends_and_cannot_be_interrupted(self):
        host = Host()
        self.addCleanup(host.close)
        tree = case.Tree()
        self.addCleanup(tree.remove)
        tree.write({"app.py": HELLO + "import moult, threading\nlock = threading.Lock()\nlock.acquire()\nmoult.retire(lock.acquire)\n"})
        event = host.make(tree, tree / "app.py").retire(timeout=0.3)
        self.assertEqual((event["event"], event["threads"]), ("abandoned", ["moult-shutdown"]))


if __name__ == "__main__":
    unittest.main()
