"""A host that a signal ends: its last word is whose code it was."""

import unittest

import case
import host_driver
from host_driver import Host, Tree

CRASHES = """
    import ctypes, os, sys, threading
    def crash(): ctypes.string_at(0)
    def recurse():
        sys.setrecursionlimit(10**9)
        data = []
        for at in range(10**6): data = [data]
        repr(data)
    def application(environ, start):
        source = environ['wsgi.input'].read().decode()
        start('200 OK', [])
        return [repr(eval(source, globals())).encode()]
"""


class Crash(case.HostCase):
    @classmethod
    def setUpClass(cls):
        pass

    def setUp(self):
        super().setUp()
        self.host = Host()
        self.addCleanup(self.host.close)
        self.other = self.serve(CRASHES, name="other.py", host=self.host)
        self.crasher = self.serve(CRASHES, name="crasher.py", host=self.host)

    def check_word(self, number):
        self.assertEqual(self.host.wait("crashed")["interp"], number)
        with self.assertRaises(EOFError):
            self.host.wait("nothing")
        self.assertLess(self.host.process.wait(10), 0)

    def test_a_fault_in_a_call(self):
        self.crasher.lanes[0].send_request(method="POST", body=b"crash()")
        self.check_word(self.crasher.number)

    def test_a_fault_in_a_thread_of_the_app(self):
        self.crasher.lanes[0].send_request(method="POST", body=b"threading.Thread(target=crash).start()")
        self.check_word(self.crasher.number)

    def test_abort(self):
        self.other.lanes[0].send_request(method="POST", body=b"os.abort()")
        self.check_word(self.other.number)

    @unittest.skipIf(host_driver.VERSION >= (3, 12), "Python has a limit for that itself")
    def test_a_stack_that_has_run_out(self):
        self.crasher.lanes[0].send_request(method="POST", body=b"recurse()")
        self.check_word(self.crasher.number)

    def test_an_import(self):
        tree = Tree({"bad.py": "import ctypes\nctypes.string_at(0)\n"})
        self.addCleanup(tree.remove)
        interp = self.host.begin(tree, tree / "bad.py")
        self.check_word(interp.number)

    def test_a_call_that_entered_another_interpreter_is_that_ones(self):
        source = """
            import ctypes, moult
            @moult.export
            def crash(): ctypes.string_at(0)
            application = lambda environ, start: []
        """
        exporter = self.serve(source, name="exporter.py", host=self.host, app="exporter")
        self.host.route("exporter", exporter)
        self.other.lanes[0].send_request(
            method="POST", body=b"__import__('moult').app('exporter').crash()"
        )
        self.check_word(exporter.number)


if __name__ == "__main__":
    unittest.main()
