"""Spares: interpreters that are made before there is code for them."""

import json
import os
import shutil
import unittest

import case

APP = """
    import json, sys, csv, sched, queue, moult
    from _moult import shelf
    early = sorted(name for name in ("csv", "sched") if name in shelf.taken)
    def application(environ, start):
        start("200 OK", [])
        facts = moult.current()
        return [json.dumps([facts.generation, facts.cause, early, queue.__name__, queue.__file__]).encode()]
"""


class Spares(case.HostCase):
    def prepare(self, modules, **options):
        spare = self.host.begin(self.tree, self.tree / "app.py", modules=modules, **options)
        self.addCleanup(self.retire, spare)
        return spare, self.host.wait("spare", interp=spare.number)["names"]

    def test_a_spare_has_its_modules_and_takes_its_code_later(self):
        spare, names = self.prepare(["csv", "no_such_module", "sched"])
        self.assertLessEqual({"csv", "sched"}, set(names))
        self.assertNotIn("_moult.spare", names)
        self.tree.write({"app.py": APP})  # after the spare was made
        event = self.host.load(spare, self.tree, 17)
        self.assertEqual((event["event"], event["callable"]), ("made", "app:application"))
        body = spare.get().body.decode()
        self.assertIn('[17, "change", ["csv", "sched"], "queue"', body)
        self.assertNotIn(self.tree.path, body)

    def test_code_that_fails_in_a_spare_is_rejected_like_any_other(self):
        self.tree.write({"app.py": "import json\n1 / 0\n"})
        spare = self.host.begin(self.tree, self.tree / "app.py", modules=["json"])
        self.host.wait("spare", interp=spare.number)
        event = self.host.load(spare, self.tree, 3)
        self.assertEqual((event["stage"], event["line"]), ("import", 2))
        self.assertIn("ZeroDivisionError", event["error"])
        self.assertEqual(self.host.wait("retired", "abandoned", interp=spare.number)["event"], "retired")

    def test_a_spare_that_is_not_needed_ends(self):
        spare = self.host.begin(self.tree, self.tree / "app.py", modules=["json"])
        self.host.wait("spare", interp=spare.number)
        self.assertEqual(spare.retire()["event"], "retired")

    def test_a_spare_ends_also_while_it_imports(self):
        names = ["json", "csv", "email", "http.client", "unittest", "xmlrpc.client", "sqlite3"]
        spare = self.host.begin(self.tree, self.tree / "app.py", modules=names)
        self.assertEqual(spare.retire()["event"], "retired")

    def test_no_source_of_the_app_runs_in_a_spare(self):
        self.tree.write({"app.py": APP, "csv.py": "open('ran', 'w')", "queue.py": "open('ran', 'w')"})
        _, names = self.prepare(["csv", "queue"])
        self.assertIn("queue", names)
        self.assertFalse(os.path.exists(self.tree / "ran"))

    def test_a_generation_names_what_a_spare_should_import(self):
        interp = self.serve("import csv, json.decoder\ndef application(e, s): pass\n")
        names, sources, why = self.loaded(interp)
        for name in ("csv", "json", "json.decoder", "re"):
            self.assertIn(name, names)
        for name in ("app", "_moult", "moult", "sys", "__main__"):
            self.assertNotIn(name, names)
        self.assertEqual(sources[sources.index(self.tree / "") + 1], "app.py")
        self.assertEqual(why, "")

    def test_monkey_patches_are_seen(self):
        interp = self.serve(
            """
            import queue, socket
            class Mine(socket.socket): pass
            socket.socket = Mine
            def application(e, s): pass
            """
        )
        self.assertEqual(self.loaded(interp)[2], "the app replaces socket.socket by app")

    def loaded(self, interp, packages=False):
        self.host.asks += 1
        self.host.send({"do": "loaded", "ask": self.host.asks, "interp": interp.number, "packages": packages})
        event = self.host.wait("loaded")
        self.assertEqual(event["ask"], self.host.asks)
        return event["names"], event["sources"], event["why"]

    # An app that tells which of the sources were compiled when it began, and what its modules say.
    TELLS = """
        from _moult import importer
        ahead = sorted(importer.ready)
        import part
        from lib import other
        import json
        def application(environ, start):
            start("200 OK", [])
            return [json.dumps([ahead, len(importer.ready), part.VALUE, other.VALUE]).encode()]
    """

    def prepare_compiled(self, path):
        """A generation has run; the spare that follows it."""
        interp = self.serve(self.TELLS, path=[path])
        names, sources, _ = self.loaded(interp)
        self.assertEqual(json.loads(interp.get().body)[0], [])
        return self.prepare([], compiled=sources, path=[path])[0]

    def test_the_code_of_other_modules_is_at_hand_and_is_used_while_they_are_the_same(self):
        installed = case.Tree()
        self.addCleanup(installed.remove)
        packages = installed / "site-packages"
        for part, other in (("same", "same"), ("new", "same"), ("same", "new")):
            with self.subTest(part=part, other=other):
                self.tree.write({"part.py": "VALUE = 'same'\n"})
                installed.write({"site-packages/lib/other.py": "VALUE = 'same'\n"})
                spare = self.prepare_compiled(packages)
                before = os.stat(packages + "/lib/other.py")
                if part == "new":
                    self.tree.write({"part.py": "VALUE = 'news'\n"})
                if other == "new":
                    # Of the same size and time, as byte code on the disk would not notice.
                    installed.write({"site-packages/lib/other.py": "VALUE = 'news'\n"})
                    shutil.rmtree(packages + "/lib/__pycache__")
                    os.utime(packages + "/lib/other.py", ns=(before.st_atime_ns, before.st_mtime_ns))
                self.host.load(spare, self.tree, 5)
                ahead, left, *values = json.loads(spare.get().body)
                self.assertEqual(ahead, sorted([self.tree / "part.py", packages + "/lib/other.py"]))
                self.assertEqual(left, 0)
                self.assertEqual([value[:3] for value in values], [part[:3], other[:3]])

    def told(self, modules, source, installed=None, **options):
        """What an app says that was given to a spare with these modules; `tell` of it."""
        places = case.Tree(installed or {})
        self.addCleanup(places.remove)
        packages = [places / "site-packages"] if installed else []
        spare, _ = self.prepare(modules, path=packages, **options)
        self.tree.write({"app.py": case.textwrap.dedent(source) + case.textwrap.dedent("""
            import json
            def application(environ, start):
                start("200 OK", [])
                return [json.dumps(tell).encode()]
            """)})
        event = self.host.load(spare, self.tree, 5)
        self.assertEqual(event["event"], "made", event)
        return json.loads(spare.get().body)

    def test_a_path_that_the_app_inserts_comes_first(self):
        self.tree.write({"vendor/queue.py": "class Queue: pass\nclass SimpleQueue: pass\nEmpty = Full = Exception\n"})
        told = self.told(["queue", "concurrent.futures.thread", "csv"], """
            import os, sys
            sys.path.insert(0, os.path.dirname(__file__) + "/vendor")
            import concurrent.futures.thread, csv, queue
            from _moult import shelf
            tell = [queue.__file__, concurrent.futures.thread.queue is queue, sorted(shelf.taken)]
            """)
        self.assertEqual(told[:2], [self.tree / "vendor/queue.py", True])
        self.assertIn("csv", told[2])
        self.assertNotIn("concurrent.futures.thread", told[2])

    def test_another_version_on_a_path_that_the_app_inserts_comes_first(self):
        self.tree.write({"site-packages/libx/__init__.py": "V = 'new'"})
        told = self.told(["libx", "usesx"], """
            import os, sys
            sys.path.insert(0, os.path.dirname(__file__) + "/site-packages")
            import libx, usesx
            tell = [libx.V, usesx.V]
            """, {"site-packages/libx/__init__.py": "V = 'old'", "site-packages/usesx.py": "from libx import V"})
        self.assertEqual(told, ["new", "new"])

    def test_only_what_the_app_imports_is_there(self):
        told = self.told(["xml.etree.ElementTree", "importlib.metadata", "logging.config"], """
            import importlib, xml, sys
            tell = [hasattr(xml, "etree"), hasattr(importlib, "metadata"), "logging" in sys.modules]
            import logging.config
            tell += [hasattr(logging, "handlers"), hasattr(xml, "etree")]
            import xml.etree.ElementTree as tree
            from _moult import shelf
            tell += [xml.etree.ElementTree is tree, "xml.etree.ElementTree" in shelf.taken]
            tell += [tree.__spec__.name, type(tree.__spec__.loader).__name__]
            """)
        expected = [False, False, False, True, False, True, True, "xml.etree.ElementTree", "SourceFileLoader"]
        self.assertEqual(told, expected)

    def test_a_spare_that_cannot_put_its_modules_aside_ends(self):
        places = case.Tree({"site-packages/rigid/part.py": "", "site-packages/rigid/__init__.py": """
            import sys
            class Rigid(type(sys)):
                def __delattr__(self, name): raise TypeError("never")
            sys.modules[__name__].__class__ = Rigid
            from rigid import part
            """})
        self.addCleanup(places.remove)
        path = [places / "site-packages"]
        spare = self.host.begin(self.tree, self.tree / "app.py", modules=["rigid"], path=path)
        event = self.host.wait("rejected", interp=spare.number)
        self.assertEqual((event["stage"], event["error"]), ("boot", "TypeError: never"))
        self.assertEqual(self.host.wait("retired", "abandoned", interp=spare.number)["event"], "retired")

    def test_a_question_for_a_module_imports_nothing(self):
        told = self.told(["sqlite3"], """
            import importlib.util, sys
            spec = importlib.util.find_spec("sqlite3")
            tell = [spec.has_location, type(spec.loader).__name__, "sqlite3.dbapi2" in sys.modules]
            import sqlite3
            tell += [sqlite3.__spec__.origin == spec.origin, sqlite3.dbapi2.__name__]
            """)
        self.assertEqual(told, [True, "SourceFileLoader", False, True, "sqlite3.dbapi2"])

    def test_modules_that_went_by_the_environment_are_imported_anew_when_it_has_changed(self):
        source = """
            import os
            from _moult import shelf
            os.environ["MODE"] = "the app's"
            import reads, user, calm
            tell = [reads.MODE, user.MODE, sorted({"reads", "user", "calm"} & set(shelf.taken))]
            """
        installed = {
            "site-packages/reads.py": "import os\nMODE = os.environ.get('MODE')\nHAS = 'OTHER' in os.environ",
            "site-packages/user.py": "from reads import MODE",
            "site-packages/calm.py": "import os\nHAS = 'OTHER' in os.environ",
        }
        self.assertEqual(self.told(["reads", "user", "calm"], source, installed), ["the app's"] * 2 + [["calm"]])
        same = source.replace("the app's", "x")
        told = self.told(["reads", "user", "calm"], same, installed, env={"MODE": "x"})
        self.assertEqual(told, ["x", "x", ["calm", "reads", "user"]])

    def test_a_module_that_warns_when_it_is_imported_warns_the_app(self):
        told = self.told(["old", "quiet"], """
            import warnings
            from _moult import shelf
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                import old, quiet
            tell = [[str(one.message) for one in caught], sorted({"old", "quiet"} & set(shelf.taken))]
            tell += [("always", None, Warning, None, 0) in warnings.filters]
            """, {"site-packages/old.py": "import warnings\nwarnings.warn('gone soon', DeprecationWarning)",
                  "site-packages/quiet.py": ""})
        self.assertEqual(told, [["gone soon"], ["quiet"], False])

    def test_a_module_that_prints_when_it_is_imported_does_so_for_the_app(self):
        spare, _ = self.prepare(["this"])
        self.tree.write({"app.py": "print('first')\nimport this\ndef application(e, s): pass"})
        self.host.load(spare, self.tree, 5)
        spare.log.wait_for("it may be a good idea")
        text = spare.log.text()
        self.assertLess(text.index("first"), text.index("Beautiful"))
        self.assertEqual(text.count("Beautiful"), 1)

    def test_a_module_that_looked_for_another_in_vain_is_imported_anew_when_the_app_has_that(self):
        self.tree.write({"settings_local.py": "V = 1"})
        optional = "try:\n    import {0}\nexcept ImportError:\n    {0} = None\n"
        told = self.told(["pkg", "other"], """
            import pkg, other
            from _moult import shelf
            tell = [pkg.settings_local.V, other.nowhere, "other" in shelf.taken]
            """, {"site-packages/pkg.py": optional.format("settings_local"),
                  "site-packages/other.py": optional.format("nowhere")})
        self.assertEqual(told, [1, None, True])

    def test_an_editable_install_does_not_run_in_a_spare(self):
        """Its finder would find it without any folder on the path."""
        self.tree.write({"lib/mine.py": "V = 7\nopen('ran', 'a').write('x')"})
        finder = """
            import importlib.util, sys
            class Finder:
                @staticmethod
                def find_spec(name, path=None, target=None):
                    if name == 'mine':
                        return importlib.util.spec_from_file_location(name, FILE)
            sys.meta_path.append(Finder)
            """.replace("FILE", repr(self.tree / "lib/mine.py"))
        told = self.told(["user"], "import os, user\ntell = [user.V, open('ran').read()]", {
            "site-packages/finder.py": finder,
            "site-packages/user.py": "import finder\ntry:\n    from mine import V\nexcept ImportError:\n    V = None\n",
        })
        self.assertEqual(told, [7, "x"])

    # Imports one after the other, and tells what is there after each. Names that begin with _ are left out: modules
    # keep in them what they have looked for at the first use.
    STEPS = """
        import sys, importlib
        def state():
            found = {}
            for name, module in sys.modules.items():
                spec = getattr(module, "__spec__", None)
                if name.startswith("_") or not getattr(spec, "has_location", False):
                    continue
                found[name] = sorted(key for key, value in vars(module).items() if is_module(value) and key[0] != "_")
            return found
        def is_module(value):
            return isinstance(value, type(sys)) or type(value).__name__ == "lazy_import"  # PEP 810
        seen, tell = {}, []
        for name in MODULES:
            try:
                importlib.import_module(name)
            except ImportError as error:
                tell.append(str(error))
            now = state()
            tell.append([name, sorted((key, now[key]) for key in now if seen.get(key) != now[key])])
            seen = now
    """
    MODULES = (
        "json", "email.message", "logging.config", "concurrent.futures", "xml", "xml.dom.minidom", "asyncio",
        "concurrent.futures.thread", "http.server", "importlib.metadata", "importlib.resources", "decimal", "uuid",
        "multiprocessing.pool", "unittest.mock", "sqlite3", "ctypes.util", "ssl", "zoneinfo", "zipfile", "typing",
        "urllib.request", "wsgiref.simple_server", "tempfile", "inspect", "dataclasses", "statistics", "pydoc",
        "curses.ascii", "no_such_module", "encodings.idna", "collections.abc", "difflib",
    )

    def test_the_standard_library_is_in_a_spare_as_it_is_without_one(self):
        source = case.textwrap.dedent(self.STEPS).replace("MODULES", repr(self.MODULES))
        with_spare = self.told(self.MODULES, source + "from _moult import shelf\ntell.append(len(shelf.taken))\n")
        self.assertGreater(with_spare.pop(), 100)
        with open(self.tree / "app.py") as file:
            lines = [line for line in file if "shelf" not in line]
        fresh = self.serve("".join(lines))
        self.maxDiff = None
        self.assertEqual(with_spare, json.loads(fresh.get().body))

    def test_odd_things_in_sys_modules_are_no_reason_against_a_spare(self):
        interp = self.serve("""
            import sys
            class Odd:
                __spec__ = 3
                def __getattr__(self, name): raise RuntimeError(name)
            sys.modules[7] = sys.modules["odd"] = Odd()
            def application(e, s): pass
            """)
        self.assertEqual(self.loaded(interp)[2], "")

    def test_a_spare_imports_what_the_settings_preload_up_to_the_apps_own(self):
        installed = case.Tree({"site-packages/one.py": "", "site-packages/two.py": ""})
        self.addCleanup(installed.remove)
        self.tree.write({"app.py": APP, "own.py": "open('ran', 'a').write('x')"})
        preload = ["one", "own", "two"]
        spare, names = self.prepare([], path=[installed / "site-packages"], preload=preload)
        self.assertEqual({"one", "own", "two"} & set(names), {"one"})
        self.assertFalse(os.path.exists(self.tree / "ran"))
        self.host.load(spare, self.tree, 9)
        self.assertEqual(spare.get().status, 200)
        self.assertTrue(os.path.exists(self.tree / "ran"))

    def test_nothing_runs_when_it_is_compiled(self):
        installed = case.Tree({"site-packages/pkg.py": "open('ran', 'a').write('x')\n"})
        self.addCleanup(installed.remove)
        sources = [installed / "site-packages/", "pkg.py", "gone.py", self.tree / "", "app.py"]
        self.tree.write({"app.py": "open('ran', 'a').write('x')\n"})
        self.prepare([], compiled=sources)
        self.assertFalse(os.path.exists(self.tree / "ran"))


if __name__ == "__main__":
    unittest.main()
