"""Interpreters of one host while a thread of one of them computes and never waits. On 3.11 it does not
see by itself that others want the GIL."""

import unittest

import case

BUSY = """
    import moult, threading
    def compute():
        while True: pass
    def begin(): threading.Thread(target=compute, daemon=True).start()
    def scratch():
        with moult.Interpreter('def double(n): return 2 * n') as i: return i.call('double', 4)
    def application(environ, start):
        source = environ['wsgi.input'].read().decode()
        start('200 OK', [])
        return [repr(eval(source, globals())).encode()]
"""


class BusyThread(case.HostCase):
    def test_others_are_made_serve_and_end_meanwhile(self):
        busy = self.serve(BUSY, name="busy.py", scratch_interpreters=1)
        self.assertEqual(busy.get(method="POST", body=b"begin()").body, b"None")
        other = self.serve(BUSY, name="other.py")
        self.assertEqual(other.get(method="POST", body=b"1 + 1").body, b"2")
        self.assertEqual(busy.get(method="POST", body=b"scratch()").body, b"8")


if __name__ == "__main__":
    unittest.main()
