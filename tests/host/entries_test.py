"""What an entry names, what serves then, and what an entry that cannot serve is told."""

import types
import unittest

import case

HELLO = "def application(environ, start_response):\n    start_response('200 OK', []); return [b'hello']\n"


class Callables(case.HostCase):
    """One source per row, and the name under which it serves."""

    def serves(self, source, named="", told=""):
        self.tree.write({"web.py": source})
        interp = self.host.make(self.tree, {"kind": "file", "path": self.tree / "web.py", "callable": named})
        try:
            self.assertEqual(interp.get().body, b"hello", source)
            if told:
                self.assertEqual(interp.made["callable"], f"web:{told}")
        finally:
            self.retire(interp)

    def refuses(self, source, *parts, named="", stage="callable"):
        self.tree.write({"web.py": source})
        event = self.host.reject(self.tree, {"kind": "file", "path": self.tree / "web.py", "callable": named})
        self.assertEqual(self.host.wait("retired", "abandoned", interp=event["interp"])["event"], "retired")
        self.assertEqual(event["stage"], stage, event)
        for part in parts:
            self.assertIn(part, event["error"])

    def test_what_a_wsgi_callable_may_be(self):
        body = "start_response('200 OK', []); return [b'hello']"
        for source in (
            HELLO,
            f"class App:\n    def __call__(self, environ, start_response):\n        {body}\napp = App()\n",
            # PEP 3333: a class that is called with them.
            "class application:\n"
            "    def __init__(self, environ, start_response): self.start = start_response\n"
            "    def __iter__(self):\n        self.start('200 OK', [])\n        yield b'hello'\n",
            "def application(environ, start_response):\n    start_response('200 OK', [])\n    yield b'hello'\n",
            f"import functools\ndef f(extra, environ, start_response):\n    {body}\napp = functools.partial(f, 1)\n",
            f"class A:\n    def wsgi(self, environ, start_response):\n        {body}\napp = A().wsgi\n",
            f"class A:\n    @staticmethod\n    def wsgi(environ, start_response):\n        {body}\napp = A.wsgi\n",
            f"def app(*args):\n    environ, start_response = args\n    {body}\n",
            f"def app(environ=None, start_response=None):\n    {body}\n",
            f"def app(environ, start_response, extra=1, *, more=2):\n    {body}\n",
            # A decorator that says what it passes on, which are not its own arguments.
            "import functools\ndef view(f):\n    @functools.wraps(f)\n    def wrapper(*args):\n"
            f"        environ, start_response = args\n        {body}\n    return wrapper\n"
            "@view\ndef app(request): pass\n",
            f"import types as app\ndef application(environ, start_response):\n    {body}\n",
            f"import types as app\ndef create_app():\n    def inner(environ, start_response):\n        {body}\n"
            "    return inner\n",
        ):
            with self.subTest(source):
                self.serves(source)

    def test_a_function_without_arguments_makes_the_application(self):
        for maker in (
            "def {name}(): return application\n",
            "def {name}(config=None): return application\n",
            "def {name}(config=None, testing=False): return application\n",
            "def {name}(**options): return application\n",
            "def {name}(*args, **options): return application\n",
            "import functools\n{name} = functools.partial(lambda config: application, 1)\n",
        ):
            for named, told in (("create_site", "create_site()"), ("create_site()", "create_site()")):
                with self.subTest(maker, named=named):
                    self.serves(HELLO + maker.format(name="create_site"), named, told)
        hidden = HELLO.replace("application", "site")
        for name in ("create_app", "make_app"):
            with self.subTest(name):
                self.serves(hidden + f"def {name}(): return site\n", "", f"{name}()")
        self.serves("class App:\n    def __call__(self, environ, start_response):\n"
                    "        start_response('200 OK', []); return [b'hello']\n", "App", "App()")

    def test_a_factory_with_arguments(self):
        source = HELLO + (
            "def create(config, *, debug=False):\n    assert (config, debug) == ({'a:b': (1, None)}, True)\n"
            "    return application\n"
        )
        self.serves(source, "create({'a:b': (1, None)}, debug=True)")
        wrong = "def create_app(config, *, other=1): return 1\n"
        shown = """moultd run "web.py:create_app('CONFIG')", or callable = "create_app('CONFIG')\""""
        self.refuses(wrong, "missing a required argument: 'config'", shown)
        self.refuses(wrong, "takes config; a WSGI callable takes environ and start_response", shown, named="create_app")
        self.refuses(wrong, "too many positional arguments", named="create_app(1, 2, 3)")
        for named in ("create_app(x)", "create_app(1)(2)", "create_app(open('x'))", "create_app(,)"):
            self.refuses(wrong, "arguments are literals", named=named)
        self.refuses("def create_app(): pass\n", "create_app() is not callable, it is NoneType")
        self.refuses("def create_app(x): raise TypeError('own')\n", "own", named="create_app(1)", stage="import")

    def test_what_cannot_be_one_is_told_by_its_arguments(self):
        for source, part in (
            ("def app(request): pass\n", "web:app takes request; a WSGI callable takes environ and start_response"),
            ("def app(a, b, c): pass\n", "web:app takes a, b, c;"),
            ("class A:\n    def __call__(self): pass\napp = A()\n", "web:app takes no arguments;"),
            ("class app: pass\n", "web:app takes no arguments;"),
            ("def app(environ, start_response, *, must): pass\n", "must"),
            ("application = 3\n", "web:application is not callable, it is int"),
            ("async def app(): pass\n", "web:app is an async function"),
            ("async def create_app(): pass\n", "web:create_app is an async function"),
        ):
            with self.subTest(source):
                self.refuses(source, part)

    def test_other_kinds_of_applications_are_told_by_name(self):
        known = ("aiohttp.web_app", "Application"), ("tornado.web", "Application"), ("sanic.app", "Sanic")
        for module, name in known:
            source = f"class {name}:\n    __module__ = {module!r}\n    def __call__(self, request=None): return self\n"
            with self.subTest(module):
                self.refuses(f"{source}app = {name}()\n", "needs a server of its own; Moult serves WSGI applications")
                self.refuses(f"{source}class Mine({name}): pass\ndef create_app(): return Mine()\n", "of its own")
        self.refuses("class Asgi:\n    async def __call__(self, scope, receive, send): pass\napp = Asgi()\n",
                     "is an ASGI application; ASGI is not served yet", "a2wsgi.ASGIMiddleware(app)")
        self.refuses("def app(scope, receive, send): pass\n", "is an ASGI application")
        self.refuses(HELLO.replace("application", "wsgi") +
                     "class Dash: pass\nDash.server = staticmethod(wsgi)\napp = Dash()\n",
                     "it is Dash; its attribute 'server'", "moultd run web.py:app.server")

    def test_no_callable_ends_with_what_to_write(self):
        for source, name, line in (
            ("def aplication(environ, start): pass\nclass Other: pass\n", "web.py:aplication", "aplication"),
            ("from collections import OrderedDict\nclass A:\n    def __call__(self, e, s): pass\nsite = A()\n",
             "web.py:site", "site"),
            ("import json\nfrom os.path import join\ndef wsgi(e, s): pass\n", "web.py:wsgi", "wsgi"),
            ("def make_site(): pass\n", "web.py:make_site", "make_site()"),
            ("def make_site(name): pass\n", """"web.py:make_site('NAME')\"""", "make_site('NAME')"),
            ("def helper(x): pass\n", "web.py:NAME", "NAME"),
        ):
            with self.subTest(source):
                self.refuses(source, f'; write moultd run {name}, or callable = "{line}" in its configuration')


class Names(case.HostCase):
    def reject(self, entry, tree=None):
        event = self.host.reject(tree or self.tree, entry)
        self.assertEqual(self.host.wait("retired", "abandoned", interp=event["interp"])["event"], "retired")
        return event

    def reject_in(self, folder, file):
        """As with a `tree` that is a folder of the package itself."""
        inner = types.SimpleNamespace(path=self.tree / folder, sources=self.tree.sources)
        return self.reject(self.tree / file, inner)

    def test_a_relative_import_says_how_to_name_the_module(self):
        self.tree.write({"shop/__init__.py": "", "shop/parts.py": "", "shop/wsgi.py": "from . import parts\n" + HELLO})
        event = self.reject_in("shop", "shop/wsgi.py")
        self.assertIn("attempted relative import with no known parent package", event["error"])
        where = self.tree.path
        self.assertIn(f"write moultd run shop.wsgi in {where}, or tree =", event["error"])
        self.assertIn(f'tree = "{where}" and entry = "shop.wsgi"', event["error"])
        self.assertIn("shop.wsgi", event["traceback"])
        self.assertEqual(event["line"], 1)
        interp = self.host.make(self.tree, {"kind": "module", "module": "shop.wsgi"})
        self.assertEqual(interp.get().body, b"hello")
        self.retire(interp)

    def test_a_package_that_cannot_be_found_from_inside_is_told_so(self):
        self.tree.write({"proj/__init__.py": "", "proj/wsgi.py": "import proj.settings\n" + HELLO})
        event = self.reject_in("proj", "proj/wsgi.py")
        self.assertIn("No module named 'proj'", event["error"])
        self.assertIn("moultd run proj.wsgi", event["error"])

    def test_other_import_errors_are_left_alone(self):
        self.tree.write({"shop/__init__.py": "", "app.py": "import not_here\n"})
        self.assertEqual(self.reject(self.tree / "app.py")["error"], "ModuleNotFoundError: No module named 'not_here'")

    def test_a_module_that_is_not_there(self):
        event = self.reject({"kind": "module", "module": "proj.wsgi"})
        self.assertIn("No module named 'proj': there is neither a file proj.wsgi in", event["error"])
        self.tree.write({"proj/__init__.py": ""})
        self.assertIn("neither a file proj.wsgi", self.reject({"kind": "module", "module": "proj.wsgi"})["error"])

    def test_a_script_imports_the_package_of_its_name(self):
        self.tree.write({"shop/__init__.py": HELLO, "shop.wsgi": "from shop import application\n"})
        files = {**self.tree.sources(), self.tree / "shop.wsgi": b"from shop import application\n"}
        interp = self.host.make(self.tree, self.tree / "shop.wsgi", snapshot=files)
        self.assertEqual(interp.get().body, b"hello")
        self.assertEqual(interp.made["callable"], "shop_wsgi:application")
        self.retire(interp)

    def test_an_entry_takes_no_name_from_a_module_that_python_has(self):
        self.tree.write({"types.py": "import types\nassert types.ModuleType\n" + HELLO})
        interp = self.host.make(self.tree, self.tree / "types.py")
        self.assertEqual(interp.get().body, b"hello")
        self.retire(interp)


if __name__ == "__main__":
    unittest.main()
