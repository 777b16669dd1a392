"""Spares: interpreters that are made before there is code for them."""

import json
import os
import shutil
import unittest

import case

APP = """
    import json, sys, queue, moult
    early = sorted(name for name in ("csv", "sched") if name in sys.modules)
    def application(environ, start):
        start("200 OK", [])
        facts = moult.current()
        origin = getattr(queue, "__file__", "")
        return [json.dumps([facts.generation, facts.cause, early, queue.__name__, origin]).encode()]
"""


class Spares(case.HostCase):
    def prepare(self, modules, **options):
        spare = self.host.begin(self.tree, self.tree / "app.py", modules=modules, **options)
        self.addCleanup(self.retire, spare)
        return spare, self.host.wait("spare", interp=spare.number)["names"]

    def test_a_spare_has_its_modules_and_takes_its_code_later(self):
        spare, names = self.prepare(["csv", "no_such_module", "sched"])
        self.assertLessEqual({"csv", "sched"}, set(names))
        self.assertNotIn("_moult", names)
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
        self.assertEqual(self.loaded(interp)[2], "socket.socket by app")

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

    def test_what_a_module_looked_for_in_vain_is_named(self):
        installed = case.Tree({"site-packages/pkg.py": """
            try:
                import settings_local
            except ImportError:
                settings_local = None
            """})
        self.addCleanup(installed.remove)
        self.tree.write({"app.py": APP, "settings_local.py": "open('ran', 'w')"})
        _, names = self.prepare(["csv", "pkg"], path=[installed / "site-packages"])
        self.assertLessEqual({"csv", "pkg", "settings_local"}, set(names))
        self.assertFalse(os.path.exists(self.tree / "ran"))

    def test_an_editable_install_does_not_run_in_a_spare(self):
        """Its finder would find it without any folder on the path."""
        installed = case.Tree({
            "site-packages/finder.py": """
                import importlib.util, sys
                class Finder:
                    @staticmethod
                    def find_spec(name, path=None, target=None):
                        if name == 'mine':
                            return importlib.util.spec_from_file_location(name, FILE)
                sys.meta_path.append(Finder)
                """.replace("FILE", repr(self.tree / "mine.py")),
            "site-packages/user.py": "import finder\ntry: import mine\nexcept ImportError: pass\n",
        })
        self.addCleanup(installed.remove)
        self.tree.write({"app.py": APP, "mine.py": "open('ran', 'w')"})
        _, names = self.prepare(["user"], path=[installed / "site-packages"])
        self.assertLessEqual({"finder", "user", "mine"}, set(names))
        self.assertFalse(os.path.exists(self.tree / "ran"))

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
