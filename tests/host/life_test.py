"""Making, rejecting, interrupting, retiring and abandoning interpreters."""

import os
import time
import unittest

import case
from host_driver import Host, VERSION

HELLO = "def application(env, start):\n    start('200 OK', []); return [b'hello']\n"


class Rejections(case.HostCase):
    def reject(self, source, entry=None, **options):
        self.tree.write({"app.py": source})
        event = self.host.reject(self.tree, entry or self.tree / "app.py", **options)
        self.assertEqual(self.host.wait("retired", "abandoned", interp=event["interp"])["event"], "retired")
        return event

    def test_a_syntax_error_names_file_and_line(self):
        event = self.reject("x = 1\ny = = 2\n")
        self.assertEqual((event["stage"], event["file"], event["line"]), ("import", self.tree / "app.py", 2))
        self.assertEqual(event["error"], "SyntaxError: invalid syntax")
        self.assertIn("y = = 2", event["traceback"])
        self.assertNotIn("<moult", event["traceback"])

    def test_an_exception_while_importing_names_the_innermost_place_in_the_tree(self):
        self.tree.write({"pkg/__init__.py": "import json\n\njson.loads('nope')\n"})
        event = self.reject("import pkg\n")
        self.assertEqual((event["file"], event["line"]), (self.tree / "pkg/__init__.py", 3))
        self.assertIn("JSONDecodeError", event["error"])
        self.assertIn('app.py", line 1', event["traceback"])
        self.assertNotIn("importlib", event["traceback"])

    def test_causes_are_told(self):
        event = self.reject("try:\n    1 / 0\nexcept ZeroDivisionError as e:\n    raise ValueError('second') from e\n")
        self.assertIn("ZeroDivisionError", event["traceback"])
        self.assertIn("ValueError: second", event["error"])

    def test_exits_while_importing_are_rejections(self):
        for what in ("raise SystemExit(2)", "import sys; sys.exit('bye')", "raise KeyboardInterrupt"):
            self.assertEqual(self.reject(what + "\n")["stage"], "import")

    def test_a_huge_traceback_is_cut_in_the_middle(self):
        event = self.reject("raise ValueError('\u2603' * 200000)\n")
        self.assertLess(len(event["traceback"].encode()), 70000)
        self.assertIn("left out", event["traceback"])

    def test_no_callable_says_what_there_is(self):
        event = self.reject("def aplication(env, start): pass\nclass Other: pass\n")
        self.assertEqual(event["stage"], "callable")
        for part in ("application, app, create_app()", "did you mean 'aplication'", "Other"):
            self.assertIn(part, event["error"])

    def test_a_missing_named_callable(self):
        entry = {"kind": "file", "path": self.tree / "app.py", "callable": "serve"}
        event = self.reject("def server(env, start): pass\n", entry)
        self.assertIn("no 'serve' in app", event["error"])
        self.assertIn("'server'", event["error"])

    def test_what_is_not_callable(self):
        self.assertIn("is not callable, it is int", self.reject("application = 3\n")["error"])

    def test_asgi_is_not_served_yet(self):
        for source in (
            "async def application(scope, receive, send): pass\n",
            "class A:\n    async def __call__(self, scope, receive, send): pass\napp = A()\n",
            "class A:\n    def __init__(self, scope): pass\n    async def __call__(self, receive, send): pass\napp = A\n",
            "import functools\nasync def f(extra, scope, receive, send): pass\napp = functools.partial(f, 1)\n",
        ):
            event = self.reject(source)
            self.assertEqual(event["stage"], "callable")
            self.assertIn("is an ASGI application; ASGI is not served yet", event["error"])

    def test_a_failing_factory_is_an_import_error(self):
        event = self.reject("def create_app():\n    raise RuntimeError('no database')\n")
        self.assertEqual((event["stage"], event["line"]), ("import", 2))
        self.assertIn("no database", event["error"])

    def test_a_missing_module(self):
        event = self.reject("", {"kind": "module", "module": "not_here:app"})
        self.assertEqual(event["stage"], "import")
        self.assertIn("No module named 'not_here'", event["error"])

    def test_the_host_serves_others_after_rejections(self):
        self.reject("1 / 0\n")
        self.assertEqual(self.serve(HELLO, name="good.py").get().body, b"hello")


class Entries(case.HostCase):
    def test_the_usual_names(self):
        for name, source in (
            ("application", HELLO),
            ("app", HELLO.replace("application", "app")),
            ("create_app()", "def create_app():\n    from good import application\n    return application\n"),
        ):
            self.tree.write({"good.py": HELLO, "main.py": source})
            interp = self.host.make(self.tree, self.tree / "main.py")
            self.assertEqual(interp.made["callable"], f"main:{name}")
            self.assertEqual(interp.get().body, b"hello")
            self.retire(interp)

    def test_modules_attributes_and_factories(self):
        self.tree.write({"pkg/__init__.py": "", "pkg/web.py": HELLO + "class box:\n    inner = application\ndef make(): return application\n"})
        for target, name in (("pkg.web", ""), ("pkg.web:box.inner", ""), ("pkg.web", "make()"), ("pkg.web:make()", "")):
            interp = self.host.make(self.tree, {"kind": "module", "module": target, "callable": name})
            self.assertEqual(interp.get().body, b"hello")
            self.retire(interp)

    def test_a_file_is_the_module_of_its_name(self):
        interp = self.serve("""
            import app as again
            VALUE = 1
            def application(env, start):
                import app
                start('200 OK', []); return [repr((app is again, app.VALUE, __name__, app.__file__ == __file__)).encode()]
            """)
        self.assertEqual(interp.get().body, b"(True, 1, 'app', True)")

    def test_a_file_whose_name_is_no_identifier_or_shadows_a_module(self):
        for name in ("my-app.py", "wsgi.file.py", "json.py"):
            self.tree.write({name: HELLO})
            interp = self.host.make(self.tree, self.tree / name)
            self.assertEqual(interp.get().body, b"hello")
            self.retire(interp)

    @unittest.skipUnless(case.has_package("django"), "no Django")
    def test_django_is_found_by_its_manage_py(self):
        self.tree.write({
            "manage.py": "import os\nif __name__ == '__main__':\n    os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'site1.settings')\n",
            "site1/__init__.py": "",
            "site1/settings.py": "SECRET_KEY = 'x'\nROOT_URLCONF = 'site1.urls'\nALLOWED_HOSTS = ['*']\n",
            "site1/urls.py": "from django.http import HttpResponse\nfrom django.urls import path\nurlpatterns = [path('', lambda request: HttpResponse('django'))]\n",
        })
        interp = self.host.make(self.tree, {"kind": "django", "path": self.tree / "manage.py"})
        response = interp.get("/", headers=[("host", "localhost")])
        self.assertEqual((response.status, response.body, response.failed), (200, b"django", None))
        self.retire(interp)

    @unittest.skipUnless(case.has_package("django"), "no Django")
    def test_broken_views_of_django_are_found_before_the_first_request(self):
        settings = "SECRET_KEY = 'x'\nROOT_URLCONF = 'site2.urls'\n"
        self.tree.write({
            "wsgi.py": """
                import os
                os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'site2.settings')
                from django.core.wsgi import get_wsgi_application
                application = get_wsgi_application()
                """,
            "manage.py": "import os\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'site2.settings')\n",
            "site2/__init__.py": "",
            "site2/settings.py": settings,
            "site2/urls.py": "from django.urls import path\nfrom . import views\nurlpatterns = [path('', views.index)]\n",
            "site2/views.py": "import nosuch\n",
        })
        for target in ({"kind": "django", "path": self.tree / "manage.py"}, {"kind": "file", "path": self.tree / "wsgi.py"}):
            event = self.host.reject(self.tree, target)
            self.assertEqual(event["error"], "ModuleNotFoundError: No module named 'nosuch'")
            self.assertEqual((event["file"], event["line"]), (str(self.tree / "site2/views.py"), 1))


class Retiring(case.HostCase):
    def test_threads_and_atexit(self):
        interp = self.serve("""
            import atexit, threading, time, concurrent.futures
            def forever():
                while True: time.sleep(0.01)
            threading.Thread(target=forever, daemon=True).start()
            def short():
                time.sleep(0.2); print('thread done')
            threading.Thread(target=short).start()
            pool = concurrent.futures.ThreadPoolExecutor(2)
            pool.submit(time.sleep, 0)
            import _thread; _thread.start_new_thread(forever, ())
            atexit.register(print, 'bye')
            def application(env, start): start('200 OK', []); return []
            """, host=self.host)
        event = interp.retire()
        self.assertEqual(event["event"], "retired")
        self.assertLess(event["seconds"], 3)
        interp.log.wait_for("thread done")
        interp.log.wait_for("bye")

    def test_threads_of_the_app_are_no_daemons_unless_asked(self):
        interp = self.serve("""
            import threading
            result = []
            def application(env, start):
                start('200 OK', []); return [repr(threading.Thread().daemon).encode()]
            result.append(threading.Thread().daemon)
            """)
        self.assertEqual(interp.get().body, b"False")

    def test_a_call_in_flight_ends_before_the_interpreter(self):
        interp = self.serve("""
            import time
            def application(env, start):
                time.sleep(0.3)
                print('served')
                start('200 OK', []); return [b'late']
            """, host=self.host)
        interp.lane.send_request()
        event = interp.retire()
        self.assertEqual(event["event"], "retired")
        interp.log.wait_for("served")

    def test_a_failing_atexit_function_is_logged(self):
        interp = self.serve(HELLO + "import atexit\natexit.register(lambda: 1 / 0)\n", host=self.host)
        self.assertEqual(interp.retire()["event"], "retired")
        interp.log.wait_for("ZeroDivisionError")

    def test_a_half_line_is_logged_at_the_end(self):
        interp = self.serve(HELLO + "print('no newline', end='')\n", host=self.host)
        self.assertEqual(interp.retire()["event"], "retired")
        interp.log.wait_for("no newline")


class Interrupting(case.HostCase):
    LOOP = """
        import time
        def application(env, start):
            start('200 OK', [])
            if env['PATH_INFO'] == '/loop':
                while True: pass
            if env['PATH_INFO'] == '/sleep':
                for i in range(2000): time.sleep(0.01)
            if env['PATH_INFO'] == '/long': time.sleep(3600)
            if env['PATH_INFO'] == '/stubborn':
                while True:
                    try:
                        while True: time.sleep(0.001)
                    except Exception: pass
            return [b'done']
        """

    def interrupt(self, interp, call):
        interp.interrupt(call)

    def test_calls_that_do_not_end(self):
        interp = self.serve(self.LOOP)
        for path in ("/loop", "/sleep", "/stubborn", "/long"):
            call = interp.lane.send_request(path)
            self.interrupt(interp, call)
            self.assertIn("moult.Interrupted", interp.lane.finish().failed)
            self.assertEqual(interp.get("/").body, b"done")

    def test_a_call_that_is_over_is_not_interrupted_and_neither_is_the_next(self):
        interp = self.serve(self.LOOP)
        interp.get("/")
        for _ in range(20):
            self.interrupt(interp, interp.lane.calls)
            self.assertEqual(interp.get("/").body, b"done")

    def test_an_interrupt_of_a_call_that_nobody_has_begun_hits_no_other(self):
        interp = self.serve(self.LOOP)
        self.host.send({"do": "interrupt", "interp": interp.number, "call": interp.lane.calls + 2})
        self.assertEqual(interp.get("/").body, b"done")
        self.assertEqual(interp.get("/").body, b"done")

    def test_an_interrupt_may_hit_the_code_that_describes_what_failed(self):
        interp = self.serve("""
            import os
            class Noted(Exception):
                @property
                def __notes__(self):  # read for the traceback
                    if os.path.exists('begun'): return []
                    open('begun', 'w').close()
                    while True: pass
            def application(env, start): raise Noted('the cause')
            """)
        call = interp.lane.send_request()
        self.tree.wait_for("begun")
        self.interrupt(interp, call)
        self.assertIn("Noted: the cause", interp.lane.finish().failed)

    def test_the_stack_of_a_running_call(self):
        interp = self.serve(self.LOOP)
        call = interp.lane.send_request("/sleep")
        for _ in range(100):
            self.host.send({"do": "stack", "interp": interp.number})
            text = self.host.wait("stack")["text"]
            if "in application" in text:
                break
        self.assertIn("moult-worker-0", text)
        self.assertIn("app.py", text)
        self.interrupt(interp, call)
        interp.lane.finish()

    def test_the_app_can_name_the_exception(self):
        interp = self.serve("""
            import moult, time
            def application(env, start):
                try:
                    while True: time.sleep(0.001)
                except moult.Interrupted:
                    start('503 Late', []); return [b'late']
            """)
        self.interrupt(interp, interp.lane.send_request())
        response = interp.lane.finish()
        if response.failed is None:  # it was inside the try already
            self.assertEqual(response.body, b"late")


class Abandoning(unittest.TestCase):
    """Each spoils its host, so each has one of its own."""

    def setUp(self):
        self.host = Host()
        self.addCleanup(self.host.close)
        self.tree = case.Tree()
        self.addCleanup(self.tree.remove)

    def make(self, source):
        self.tree.write({"app.py": source})
        return self.host.make(self.tree, self.tree / "app.py")

    def assert_serves_others(self):
        self.tree.write({"good.py": HELLO})
        other = self.host.make(self.tree, self.tree / "good.py")
        self.assertEqual(other.get().body, b"hello")
        self.assertEqual(other.retire()["event"], "retired")

    def test_a_thread_that_never_ends(self):
        interp = self.make(HELLO + """
import threading
lock = threading.Lock(); lock.acquire()
threading.Thread(target=lock.acquire, name='stuck-one').start()
""")
        event = interp.retire(timeout=0.3)
        self.assertEqual(event["event"], "abandoned")
        self.assertIn("stuck-one", event["threads"])
        self.assert_serves_others()

    def test_a_worker_that_never_ends(self):
        interp = self.make("""
import threading
def application(env, start): open('begun', 'w').close(); threading.Event().wait()
""")
        interp.lane.send_request()
        self.tree.wait_for("begun")
        event = interp.retire(timeout=0.3)
        self.assertEqual((event["event"], event["threads"]), ("abandoned", ["moult-worker-0"]))
        self.assert_serves_others()

    def test_an_atexit_function_that_never_ends(self):
        interp = self.make(HELLO + "import atexit, threading\natexit.register(threading.Event().wait)\n")
        event = interp.retire(timeout=0.3)
        self.assertEqual(event["event"], "abandoned")
        self.assert_serves_others()

    def test_an_import_that_never_ends_is_interrupted(self):
        self.tree.write({"app.py": "import time\nopen('begun', 'w').close()\nwhile True: time.sleep(0.01)\n"})
        interp = self.host.begin(self.tree, self.tree / "app.py")
        self.tree.wait_for("begun")
        interp.ask_retire(5)
        event = self.host.wait("rejected", "made")
        self.assertIn("Interrupted", event["error"])
        self.assertEqual(self.host.wait("retired", "abandoned")["event"], "retired")
        self.assert_serves_others()

    def test_a_make_that_is_called_off_at_once_goes_quickly(self):
        self.tree.write({"app.py": "import time\nwhile True: time.sleep(0.01)\n"})
        for _ in range(5):
            interp = self.host.begin(self.tree, self.tree / "app.py")
            interp.ask_retire(5)
            event = self.host.wait("retired", "abandoned", interp=interp.number)
            self.assertEqual(event["event"], "retired")
            self.assertLess(event["seconds"], 3)
        self.assert_serves_others()

    def test_the_host_leaves_when_the_daemon_does(self):
        interp = self.make("import time\ndef application(env, start):\n    while True: pass\n")
        interp.lane.send_request()
        self.assertEqual(self.host.close(), 0)

    def test_the_host_leaves_when_told(self):
        self.host.send({"do": "exit"})
        self.assertEqual(self.host.process.wait(10), 0)


class Memory(case.HostCase):
    @classmethod
    def setUpClass(cls):
        # Each new thread may begin with another heap of malloc(3), so memory would also tell how busy the machine is.
        cls.host = case.Host(env={"MALLOC_ARENA_MAX": "1"})
        cls.addClassCleanup(cls.host.close)

    @unittest.skipIf("PYTHONMALLOC" in os.environ, "a sanitizer keeps freed memory")
    @unittest.skipUnless(case.has_package("flask"), "no Flask")
    def test_200_generations_of_a_flask_app_leave_nothing_behind(self):
        self.tree.write({"app.py": """
            from flask import Flask
            app = Flask(__name__)
            @app.route('/')
            def hello(): return 'hello'
            """})

        def generation():
            interp = self.host.make(self.tree, self.tree / "app.py")
            self.assertEqual(interp.get().body, b"hello")
            self.assertEqual(interp.retire()["event"], "retired")

        for _ in range(20):
            generation()
        before = self.host.memory()
        for _ in range(180):
            generation()
        growth = self.host.memory() - before
        limit = 8 << 20 if VERSION[:2] != (3, 12) else 400 << 20  # 3.12 is known to leak
        self.assertLess(growth, limit, f"{growth / 180 / 1024:.0f} KiB a generation")


if __name__ == "__main__":
    unittest.main()
