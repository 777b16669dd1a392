"""The end of an interpreter: hooks, pools, threads, atexit functions and daemon threads, in the order of python3."""

import case
from host_driver import Host

HELLO = "\ndef application(env, start):\n    start('200 OK', []); return [b'hello']\n"


class Ending(case.HostCase):
    MODE = {}

    def setUp(self):
        super().setUp()
        self.host = Host()
        self.addCleanup(self.host.close)

    def end(self, source, timeout=5.0):
        """What the app wrote until its interpreter had ended."""
        interp = self.serve(case.textwrap.dedent(source) + HELLO, host=self.host, **self.MODE)
        self.assertEqual(interp.get().body, b"hello")
        event = interp.retire(timeout)
        self.assertEqual(event["event"], "retired", event)
        self.seconds = event["seconds"]
        interp.log.join(20)
        return [text for _, text in interp.log.lines]

    def test_the_order(self):
        lines = self.end("""
            import atexit, concurrent.futures, moult, threading, time
            moult.retire(lambda: print('hook'))
            pool = concurrent.futures.ThreadPoolExecutor(1)
            pool.submit(lambda: (time.sleep(0.1), print('pool')))
            def late():
                while not time.sleep(0.01):
                    if not pool._threads or not any(t.is_alive() for t in pool._threads): break
                print('thread')
            threading.Thread(target=late).start()
            stop = threading.Event()
            def serve():
                stop.wait(); print('stopped')
            daemon = threading.Thread(target=serve, daemon=True)
            daemon.start()
            def at_exit():
                print('atexit', threading.current_thread() is main)
                stop.set(); daemon.join()
                print('joined')
            main = threading.current_thread()
            atexit.register(at_exit)
            """)
        self.assertEqual(lines, ["hook", "pool", "thread", "atexit True", "stopped", "joined"])

    def test_a_queue_listener_that_an_atexit_function_stops(self):
        lines = self.end("""
            import atexit, logging, logging.handlers, queue, sys
            records = queue.Queue(-1)
            handler = logging.StreamHandler(sys.stdout)
            listener = logging.handlers.QueueListener(records, handler)
            listener.start()
            atexit.register(listener.stop)
            logging.basicConfig(level=logging.INFO, handlers=[logging.handlers.QueueHandler(records)])
            atexit.register(logging.info, 'the last words')
            """)
        self.assertEqual(lines, ["INFO:root:the last words"])

    def test_a_worker_that_sends_what_is_left_at_exit(self):
        """As clients of error trackers do."""
        lines = self.end("""
            import atexit, queue, threading
            todo = queue.Queue(10)
            def work():
                while (item := todo.get()) is not None:
                    print('sent', item); todo.task_done()
            worker = threading.Thread(target=work, daemon=True); worker.start()
            def flush():
                todo.put('the rest'); todo.join()
                todo.put(None); worker.join(2)
                print('flushed', worker.is_alive())
            atexit.register(flush)
            """)
        self.assertEqual(lines, ["sent the rest", "flushed False"])

    def test_a_scheduler_that_wakes_up_now_and_then(self):
        lines = self.end("""
            import atexit, threading
            class Scheduler:
                def __init__(self):
                    self.event = threading.Event(); self.running = True
                    self.thread = threading.Thread(target=self.loop, daemon=True); self.thread.start()
                def loop(self):
                    while self.running: self.event.wait(3600); self.event.clear()
                    print('loop over')
                def shutdown(self):
                    self.running = False; self.event.set(); self.thread.join()
            atexit.register(Scheduler().shutdown)
            """)
        self.assertEqual(lines, ["loop over"])

    def test_daemon_threads_that_nobody_ends(self):
        """They are in the way of nothing in python3."""
        self.assertEqual(self.end("""
            import atexit, queue, threading, time
            def start(*what): threading.Thread(target=what[0], args=what[1:], daemon=True).start()
            start(threading.Event().wait)
            start(threading.Event().wait, 3600)
            start(queue.Queue().get)
            start(threading.Semaphore(0).acquire)
            start(threading.Barrier(2).wait)
            def often():
                while True: time.sleep(0.01)
            start(often)
            start(time.sleep, 3600)
            blocked = threading.Thread(target=threading.Event().wait, daemon=True); blocked.start()
            start(blocked.join)
            atexit.register(print, 'bye')
            """), ["bye"])
        self.assertEqual([event["text"] for event in self.host.seen("notice") if "left running" in event["text"]], [])

    def test_what_belongs_to_the_thread_that_imported_the_app_can_be_closed(self):
        lines = self.end("""
            import atexit, contextvars, sqlite3, threading
            database = sqlite3.connect(':memory:')
            local = threading.local(); local.value = 1
            variable = contextvars.ContextVar('variable'); variable.set(2)
            atexit.register(lambda: (database.close(), print('closed', local.value, variable.get())))
            """)
        self.assertEqual(lines, ["closed 1 2"])

    def test_an_atexit_function_that_takes_too_long_is_interrupted(self):
        lines = self.end("""
            import atexit, time
            atexit.register(print, 'the next one')
            def slow():
                print('begins')
                while True: time.sleep(0.001)
            atexit.register(slow)
            """, timeout=0.3)
        self.assertEqual((lines[0], lines[-1]), ("begins", "the next one"))
        self.assertIn("Interrupted", "".join(lines))
        self.assertLess(self.seconds, 5)

    def test_an_error_in_an_atexit_function_does_not_stop_the_others(self):
        lines = self.end("""
            import atexit
            atexit.register(print, 'the next one')
            atexit.register(lambda: 1 / 0)
            atexit.register(exit, 3)
            """)
        self.assertEqual(lines[-1], "the next one")
        self.assertIn("ZeroDivisionError", "".join(lines))

    def test_a_trace_function_that_is_left_on(self):
        self.assertEqual(self.end("""
            import atexit, queue, sys, threading
            threading.settrace(lambda *args: None); sys.settrace(lambda *args: None)
            threading.Thread(target=queue.Queue().get, daemon=True).start()
            atexit.register(print, 'bye')
            """), ["bye"])


class EndingInAProcess(Ending):
    MODE = {"mode": "main"}

    def test_an_atexit_function_that_blocks_does_not_hold_the_process(self):
        self.end("import atexit, threading\natexit.register(threading.Event().wait)\n", timeout=0.3)
        self.assertIn("an atexit function did not end", str(self.host.seen("notice")))
        self.assertEqual(self.host.process.wait(10), 0)


if __name__ == "__main__":
    case.unittest.main()
