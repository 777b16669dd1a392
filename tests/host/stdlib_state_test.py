"""What C modules of the standard library keep does not go from one interpreter to another, nor with its end."""

import unittest

import case
from host_driver import Host, VERSION


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


if __name__ == "__main__":
    unittest.main()
