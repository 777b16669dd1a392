"""A generation made from a spare behaves as one made without: what is patched, what is found, what finders see."""

import json
import subprocess
import unittest

import case
from host_driver import PYTHON, Host

# Opens a browser, draws, prints, or belongs to another system or to CPython's own tests.
LEFT_OUT = {"antigravity", "this", "idlelib", "turtledemo", "turtle", "tkinter", "test", "lib2to3", "msilib", "winreg",
            "_winapi", "msvcrt", "winsound", "nt", "ntpath", "curses", "readline", "rlcompleter", "_tkinter", "_curses",
            "_curses_panel"}
INSTALLED = ("flask", "django", "jinja2", "markupsafe", "werkzeug", "requests", "bs4", "redis", "click", "six",
             "pkg_resources", "setuptools", "idna", "urllib3", "attr", "chardet", "simplejson")

# What a module is made of: of each name what it is, and where a function or class is from.
LOOKS = """
    import importlib, json, sys
    def kind_of(value):
        names = []
        for name in ("__module__", "__qualname__") if callable(value) else ():
            try:
                names.append(str(getattr(value, name, "")))
            except RuntimeError:  # Flask's proxies, outside of a request
                names.append("")
        # Whether a lazy import of 3.15 has been used says who came first.
        return [type(value).__name__.replace("lazy_import", "module"), *names]
    def state(name):
        try:
            module = importlib.import_module(name)
        except Exception as error:
            return type(error).__name__
        # Names with _ first hold what was looked for at the first use, and tests of the spare have filled them.
        return {key: kind_of(value) for key, value in list(vars(module).items()) if key[0] != "_"}
    def application(environ, start):
        names = environ["wsgi.input"].read().decode().split()
        start("200 OK", [])
        return [json.dumps({name: state(name) for name in names}).encode()]
"""


def ask(interp, names):
    response = interp.get(method="POST", body=" ".join(names).encode())
    assert response.failed is None, response.failed
    return json.loads(response.body)


class SpareState(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.host = Host()
        self.addCleanup(self.host.close)
        self.tree = case.Tree({"app.py": LOOKS})
        self.addCleanup(self.tree.remove)

    def from_spare(self, modules, source=None, **options):
        spare = self.host.begin(self.tree, self.tree / "app.py", modules=modules, **options)
        event = self.host.wait("spare", "rejected", interp=spare.number)
        self.assertEqual(event["event"], "spare", event)
        if source:
            self.tree.write({"app.py": source})
        event = self.host.load(spare, self.tree, 2)
        self.assertEqual(event["event"], "made", event)
        return spare

    def compare(self, names):
        for at in range(0, len(names), 20):
            some = names[at : at + 20]
            plain = self.host.make(self.tree, self.tree / "app.py")
            spare = self.from_spare(some)
            expected, found = ask(plain, some), ask(spare, some)
            for name in some:
                with self.subTest(module=name):
                    self.assertEqual(found[name], expected[name])
            for interp in (plain, spare):
                interp.retire()

    def test_each_module_of_the_standard_library_is_as_without_a_spare(self):
        names = json.loads(subprocess.check_output(
            [PYTHON, "-c", "import json, sys; print(json.dumps(sorted(sys.stdlib_module_names)))"]))
        self.compare([name for name in names if name not in LEFT_OUT and not name.startswith("_test")])

    def test_installed_packages_are_as_without_a_spare(self):
        names = [name for name in INSTALLED if case.has_package(name)]
        if not names:
            self.skipTest("none is installed")
        self.compare(names)

    def test_a_pool_works_in_an_interpreter_that_was_a_spare(self):
        names = ["multiprocessing", "multiprocessing.pool", "concurrent.futures", "concurrent.futures.process"]
        self.tree.write({"work.py": "def double(x): return 2 * x\n"})
        spare = self.from_spare(names, """
            import concurrent.futures, multiprocessing, work
            def application(environ, start):
                with multiprocessing.Pool(1) as pool: one = pool.map(work.double, [1])
                with concurrent.futures.ProcessPoolExecutor(1) as pool: two = list(pool.map(work.double, [2]))
                start("200 OK", [])
                return [repr((one, two)).encode()]
            """)
        response = spare.get()
        self.assertIsNone(response.failed)
        self.assertEqual(response.body, b"([2], [4])")
        spare.retire()

    def test_pkgutil_lists_the_snapshot_in_an_interpreter_that_was_a_spare(self):
        self.tree.write({"own/__init__.py": "", "own/part.py": ""})
        spare = self.from_spare(["pkgutil"], """
            import own, os, pkgutil
            os.unlink(os.path.dirname(own.__file__) + "/part.py")
            def application(environ, start):
                start("200 OK", [])
                return [repr([one.name for one in pkgutil.iter_modules(own.__path__)]).encode()]
            """)
        self.assertEqual(spare.get().body, b"['part']")
        spare.retire()

    # As Mercurial's demandimport: all finders are wrapped, and what they find is loaded when it is used.
    LAZY = """
        import importlib.util, sys
        seen = []
        class Lazy:
            def __init__(self, finder): self.finder = finder
            def __getattr__(self, name): return getattr(self.finder, name)
            def find_spec(self, name, path=None, target=None):
                spec = self.finder.find_spec(name, path, target)
                if spec is not None and hasattr(spec.loader, "exec_module"):
                    seen.append(name)
                    spec.loader = importlib.util.LazyLoader(spec.loader)
                return spec
        sys.meta_path[:] = [Lazy(finder) for finder in sys.meta_path]
        import csv, pkgutil, wsgiref.simple_server
        early = "_csv" in sys.modules
        def application(environ, start):
            listing = pkgutil.iter_importer_modules.registry
            answer = early, csv.reader(["a,b"]).__next__(), len(listing), "socketserver" in seen
            wsgiref.simple_server.WSGIServer.__name__
            start("200 OK", [])
            return [repr((answer, sorted(seen))).encode()]
    """

    def test_finders_that_the_app_wraps_see_each_import(self):
        names = ["csv", "pkgutil", "wsgiref.simple_server"]
        spare = self.from_spare(names, self.LAZY)
        plain = self.host.make(self.tree, self.tree / "app.py")
        answers = [interp.get() for interp in (spare, plain)]
        self.assertEqual([answer.failed for answer in answers], [None, None])
        self.assertEqual(*[answer.body for answer in answers])
        self.assertIn(b"(False, ['a', 'b'], ", answers[0].body)
        for interp in (spare, plain):
            interp.retire()

    def test_an_import_function_of_the_app_sees_each_import(self):
        spare = self.from_spare(["csv"], """
            import builtins
            seen, real = [], builtins.__import__
            def __import__(name, *more):
                seen.append(name)
                return real(name, *more)
            builtins.__import__ = __import__
            import csv
            def application(environ, start):
                start("200 OK", [])
                return [repr("_csv" in seen).encode()]
            """)
        self.assertEqual(spare.get().body, b"True")
        spare.retire()


if __name__ == "__main__":
    unittest.main()
