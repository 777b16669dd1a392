"""Process isolation: the main interpreter runs the app, in the main thread."""

import unittest

import case
import import_test
from host_driver import Host


class MainMode(unittest.TestCase):
    def setUp(self):
        self.host = Host()
        self.addCleanup(self.host.close)
        self.tree = case.Tree()
        self.addCleanup(self.tree.remove)

    def serve(self, source, **options):
        self.tree.write({"app.py": source})
        return self.host.make(self.tree, self.tree / "app.py", mode="main", **options)

    def end(self, interp, timeout=5.0):
        event = interp.retire(timeout)
        self.assertEqual(event["event"], "retired")
        self.assertEqual(self.host.process.wait(10), 0)
        return event

    def test_the_environment_stays_where_the_kernel_has_put_it(self):
        """What is the same in the app's is not written anew: by it programs find their command line (setproctitle)."""
        interp = self.serve("""
            import ctypes
            def application(env, start):
                start('200 OK', [])
                with open('/proc/self/stat') as file: fields = file.read().rpartition(')')[2].split()
                first, last = int(fields[47]), int(fields[48])  # env_start and env_end of proc(5)
                environ = ctypes.POINTER(ctypes.c_void_p).in_dll(ctypes.CDLL(None), 'environ')
                texts = {}
                while (at := environ[len(texts)]) is not None: texts[ctypes.string_at(at)] = first <= at < last
                return [repr(texts).encode()]
            """, env={"PATH": "/usr/bin:/bin", "NEW": "value"})
        texts = eval(interp.get().body)
        self.assertEqual(texts, {b"PATH=/usr/bin:/bin": True, b"NEW=value": False})
        self.end(interp)

    def test_an_app_lives_and_dies_with_its_process(self):
        interp = self.serve("""
            import atexit, os, sys, threading
            atexit.register(print, 'bye')
            MAIN = threading.current_thread() is threading.main_thread()
            def application(env, start):
                start('200 OK', [])
                print('served')
                return [repr((MAIN, os.environ.get('A'), os.getcwd(), sys.path[0], sys.argv, __name__)).encode()]
            """, env={"A": "b", "PATH": "/usr/bin:/bin"}, threads=2)
        for lane in interp.lanes:
            self.assertEqual(eval(lane.get().body), (True, "b", self.tree.path, self.tree.path, [self.tree.path], "app"))
        self.end(interp)
        interp.log.wait_for("served")
        interp.log.wait_for("bye")

    def test_the_environment_is_the_process_own(self):
        interp = self.serve("""
            import ctypes, os, time
            os.environ['TZ'] = 'Asia/Tokyo'; time.tzset()
            getenv = ctypes.CDLL(None).getenv; getenv.restype = ctypes.c_char_p
            def application(env, start):
                start('200 OK', []); return [repr((getenv(b'A'), getenv(b'LANG'), time.strftime('%z'))).encode()]
            """, env={"A": "b"})
        self.assertEqual(eval(interp.get().body), (b"b", None, "+0900"))
        self.end(interp)

    def test_threads_that_stay_do_not_hold_the_process(self):
        interp = self.serve("import threading\nthreading.Thread(target=threading.Event().wait, name='stuck').start()\ndef application(env, start): pass\n")
        self.end(interp, 0.3)
        self.assertIn("stuck", str(self.host.seen("notice")))

    def test_a_call_that_stays_does_not_hold_the_process(self):
        interp = self.serve("import threading\ndef application(env, start): open('begun', 'w').close(); threading.Event().wait()\n")
        interp.lane.send_request()
        self.tree.wait_for("begun")
        self.end(interp, 0.3)

    def test_a_rejected_app_ends_the_process(self):
        self.tree.write({"app.py": "1 / 0\n"})
        event = self.host.reject(self.tree, self.tree / "app.py", mode="main")
        self.assertIn("ZeroDivisionError", event["error"])
        self.host.wait("retired")
        self.assertEqual(self.host.process.wait(10), 0)

    def test_signal_handlers_but_for_the_hosts(self):
        interp = self.serve("""
            import os, signal, time
            hits = []
            signal.signal(signal.SIGUSR1, lambda *a: hits.append(1))
            signal.signal(signal.SIGTERM, lambda *a: hits.append(2))
            def application(env, start):
                os.kill(os.getpid(), signal.SIGUSR1); os.kill(os.getpid(), signal.SIGTERM)
                end = time.monotonic() + 2
                while not hits and time.monotonic() < end: time.sleep(0.01)
                start('200 OK', []); return [repr(hits).encode()]
            """)
        self.assertIn("SIGTERM", str(self.host.seen("notice")))
        self.assertEqual(interp.get().body, b"[1]")
        self.end(interp)

    def test_a_call_is_interrupted(self):
        interp = self.serve("def application(env, start):\n    open('begun', 'w').close()\n    while True: pass\n")
        call = interp.lane.send_request()
        self.tree.wait_for("begun")
        interp.interrupt(call)
        self.assertIn("Interrupted", interp.lane.finish().failed)
        self.end(interp)

    @unittest.skipUnless(case.has_package("numpy"), "no NumPy")
    def test_numpy_is_served(self):
        interp = self.serve(import_test.NUMPY)
        self.assertEqual(interp.get().body, b"6")
        self.assertEqual(interp.made["refused"], [])
        self.end(interp)

    @unittest.skipUnless(case.has_package("cryptography.fernet"), "no cryptography")
    def test_cryptography_is_served(self):
        interp = self.serve(import_test.CRYPTOGRAPHY)
        self.assertEqual(interp.get().body, b"secret")
        self.end(interp)


if __name__ == "__main__":
    unittest.main()
