"""Imports come from the generation's snapshot, whatever happens on the disk."""

import copy
import os
import subprocess
import unittest

import case
from host_driver import VERSION


class Snapshots(case.HostCase):
    LATE = """
        import importlib
        def application(env, start):
            try:
                module = importlib.import_module(env['PATH_INFO'][1:])
                text = repr((module.VALUE, module.__file__))
            except ImportError as error:
                text = repr((type(error).__name__, str(error)))
            start('200 OK', []); return [text.encode()]
        """

    def late(self, interp, name):
        response = interp.get("/" + name)
        self.assertIsNone(response.failed)
        return eval(response.body)

    def test_a_late_import_gets_the_snapshots_source_not_the_disks(self):
        self.tree.write({"late.py": "VALUE = 'old'\n", "pkg/__init__.py": "VALUE = 'old package'\n", "pkg/part.py": "VALUE = 'old part'\n"})
        interp = self.serve(self.LATE)
        self.tree.write({"late.py": "VALUE = 'new'\n", "pkg/__init__.py": "1 / 0\n"})
        os.unlink(self.tree / "pkg/part.py")
        self.assertEqual(self.late(interp, "late"), ("old", self.tree / "late.py"))
        self.assertEqual(self.late(interp, "pkg"), ("old package", self.tree / "pkg/__init__.py"))
        self.assertEqual(self.late(interp, "pkg.part"), ("old part", self.tree / "pkg/part.py"))

    def test_a_source_that_only_the_disk_has_is_not_found(self):
        interp = self.serve(self.LATE)
        self.tree.write({"newer.py": "VALUE = 1\n", "newpkg/__init__.py": "", "newpkg/sub.py": "VALUE = 2\n"})
        self.assertEqual(self.late(interp, "newer")[0], "ModuleNotFoundError")
        self.assertEqual(self.late(interp, "newpkg.sub")[0], "ModuleNotFoundError")

    def test_namespace_packages_are_implied_by_names(self):
        self.tree.write({"space/inner/leaf.py": "VALUE = 3\n"})
        interp = self.serve(self.LATE)
        self.assertEqual(self.late(interp, "space.inner.leaf")[0], 3)

    def test_no_bytecode_is_written_or_read(self):
        self.tree.write({"late.py": "VALUE = 'source'\n"})
        interp = self.serve(self.LATE)
        self.late(interp, "late")
        self.assertFalse(os.path.exists(self.tree / "__pycache__"))
        self.tree.write({"other.py": "VALUE = 'compiled'\n"})
        subprocess.check_call([case.host_driver.PYTHON, "-c", "import py_compile; py_compile.compile('other.py')"], cwd=self.tree.path)
        self.tree.write({"other.py": "VALUE = 'compiled'\n"})
        self.assertEqual(self.late(self.serve(self.LATE), "other")[0], "compiled")

    COLLECTOR = """
        import gc
        MADE = [[] for _ in range(2000)]
        def application(env, start):
            young = {id(o) for generation in (0, 1) for o in gc.get_objects(generation)}
            text = repr((sum(id(o) in young for o in MADE), gc.get_freeze_count(), gc.get_threshold()))
            start('200 OK', []); return [text.encode()]
        """

    def test_what_was_imported_counts_as_old_for_the_collector(self):
        usual = subprocess.check_output([case.host_driver.PYTHON, "-c", "import gc; print(gc.get_threshold())"], text=True)
        self.assertEqual(eval(self.serve(self.COLLECTOR).get().body), (0, 0, eval(usual)))

    def test_what_an_app_froze_stays_frozen(self):
        frozen = self.serve(self.COLLECTOR.replace("import gc\n", "import gc; gc.freeze()\n"))
        self.assertGreater(eval(frozen.get().body)[1], 1000)

    def test_modules_that_are_bytecode_only_come_from_the_disk(self):
        self.tree.write({"packed.py": "VALUE = 'packed'\n"})
        subprocess.check_call([case.host_driver.PYTHON, "-c", "import py_compile; py_compile.compile('packed.py', 'packed.pyc')"], cwd=self.tree.path)
        os.unlink(self.tree / "packed.py")
        self.assertEqual(self.late(self.serve(self.LATE), "packed")[0], "packed")

    def test_tracebacks_show_the_generations_source(self):
        interp = self.serve("def application(env, start):\n    raise ValueError('x')  # the old line\n")
        self.tree.write({"app.py": "def application(env, start):\n    something = 'else'\n"})
        self.assertIn("# the old line", interp.get().failed)
        import_lines = "import inspect, sys\ndef f(): return 1  # kept\ndef application(env, start):\n    start('200 OK', []); return [inspect.getsource(f).encode()]\n"
        other = self.serve(import_lines, name="other.py")
        self.tree.write({"other.py": "gone\n"})
        self.assertEqual(other.get().body, b"def f(): return 1  # kept\n")

    def test_installed_packages_inside_the_tree_are_ordinary(self):
        self.tree.write({"env/lib/site-packages/installed.py": "VALUE = 'from disk'\n"})
        interp = self.serve(self.LATE, path=[self.tree / "env/lib/site-packages"])
        self.assertEqual(self.late(interp, "installed")[0], "from disk")

    def test_package_data_and_resources(self):
        self.tree.write({"pkg/__init__.py": "", "pkg/data.txt": "some data"})
        interp = self.serve("""
            import pkgutil, importlib.resources
            def application(env, start):
                import pkg
                start('200 OK', [])
                return [pkgutil.get_data('pkg', 'data.txt'), importlib.resources.files('pkg').joinpath('data.txt').read_bytes(), pkgutil.get_data('pkg', '__init__.py')]
            """)
        self.assertEqual(interp.get().body, b"some datasome data")

    def test_pkgutil_lists_the_snapshots_modules(self):
        self.tree.write({"pkg/__init__.py": "", "pkg/one.py": "", "pkg/sub/__init__.py": "", "pkg/plain/data.py": ""})
        interp = self.serve("""
            import pkgutil
            import pkg
            def application(env, start):
                start('200 OK', []); return [repr([(m.name, m.ispkg) for m in pkgutil.iter_modules(pkg.__path__, 'pkg.')]).encode()]
            """)
        self.tree.write({"pkg/two.py": ""})
        self.assertEqual(eval(interp.get().body), [("pkg.one", False), ("pkg.sub", True)])

    def test_a_source_that_goes_back_and_forth_is_never_mistaken(self):
        for value in (1, 2, 1, 1, 3, 2):
            self.tree.write({"part.py": f"VALUE = {value}\n"})
            interp = self.serve("import part\ndef application(env, start):\n    start('200 OK', []); return [str(part.VALUE).encode()]\n")
            self.assertEqual(interp.get().body, str(value).encode())

    def test_source_encodings(self):
        source = "# -*- coding: latin-1 -*-\nVALUE = '\xe9'\n".encode("latin-1")
        self.tree.write({"late.py": source})
        self.assertEqual(self.late(self.serve(self.LATE), "late")[0], "\xe9")

    def test_two_generations_of_one_tree_live_side_by_side(self):
        source = "import part\ndef application(env, start):\n    import late\n    start('200 OK', []); return [f'{part.VALUE}{late.VALUE}'.encode()]\n"
        self.tree.write({"part.py": "VALUE = 1\n", "late.py": "VALUE = 1\n"})
        old = self.serve(source)
        self.tree.write({"part.py": "VALUE = 2\n", "late.py": "VALUE = 2\n"})
        new = self.serve(source)
        self.assertEqual((old.get().body, new.get().body), (b"11", b"22"))

    def test_the_callers_snapshot_is_the_truth_even_when_the_tree_is_gone(self):
        source = "import helper\ndef application(env, start):\n    import late\n    start('200 OK', []); return [late.VALUE]\n"
        self.tree.write({"app.py": source, "helper.py": "", "late.py": "VALUE = b'kept'\n"})
        files = self.tree.sources()
        for name in ("app.py", "helper.py", "late.py"):
            os.unlink(self.tree / name)
        interp = self.host.make(self.tree, self.tree / "app.py", snapshot=files)
        self.assertEqual(interp.get().body, b"kept")
        self.retire(interp)


class Reports(case.HostCase):
    def test_imported_files_are_told_also_late_ones(self):
        outside = case.Tree({"first.py": "", "second.py": ""})
        self.addCleanup(outside.remove)
        interp = self.serve("import first\ndef application(env, start):\n    import second\n    start('200 OK', []); return []\n", path=[outside.path])
        self.assertEqual(interp.made["files"], [outside / "first.py", self.tree / "app.py"])
        interp.get()
        self.assertEqual(self.host.wait("opened")["files"], [outside / "second.py"])

    def test_data_files_that_the_app_reads_are_told_once(self):
        self.tree.write({"page.html": "<p>", "rel.txt": "r", "out.txt": ""})
        interp = self.serve("""
            import os
            HERE = os.path.dirname(__file__)
            def application(env, start):
                open(HERE + '/page.html').close(); open('rel.txt', 'rb').close(); open(HERE + '/out.txt', 'w').close()
                open('/etc/hostname').close(); open(__file__).close()
                start('200 OK', []); return []
            """)
        interp.get()
        interp.get()
        self.host.send({"do": "stack", "interp": interp.number})
        self.host.wait("stack")
        # In any order and number of events: the home's thread may still be telling what the load has opened.
        own = [event for event in self.host.seen("opened") if event["interp"] == interp.number]
        told = sorted(file for event in own for file in event["files"])
        self.assertEqual(told, [self.tree / "page.html", self.tree / "rel.txt"])
        self.assertEqual([file for event in own for file in event.get("written", [])], [self.tree / "out.txt"])

    def test_what_an_import_hook_makes_of_a_source_is_its_own_business(self):
        """As typeguard, beartype and pytest do: their loaders compile something else of the same source."""
        self.tree.write({"part.py": "VALUE = 'plain'\n"})
        usual = "import part\n" + case.textwrap.dedent(self.RUNS)
        hooked = """
            import importlib.machinery as m, sys
            class Loader(m.SourceFileLoader):
                def source_to_code(self, data, path, **options):
                    return super().source_to_code(data.replace(b'plain', b'hooked'), path, **options)
            class Finder:
                @staticmethod
                def find_spec(name, path=None, target=None):
                    spec = m.PathFinder.find_spec(name, path, target)
                    if name == 'part':
                        spec.loader = Loader(name, spec.origin)
                    return spec
            sys.meta_path.insert(0, Finder)
            """
        hooked = case.textwrap.dedent(hooked) + usual
        for source, value in ((hooked, "hooked"), (usual, "plain"), (hooked, "hooked"), (usual, "plain")):
            interp = self.serve(source)
            self.assertEqual(self.run_in(interp, "import part; result = part.VALUE"), value)

    def test_a_lazy_module_stays_unloaded_until_the_app_asks_for_it(self):
        self.tree.write({"late.py": "print('late is loaded')\n"})
        interp = self.serve(case.textwrap.dedent("""
            import importlib.util, sys
            spec = importlib.util.find_spec('late')
            spec.loader = importlib.util.LazyLoader(spec.loader)
            late = sys.modules['late'] = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(late)
            print('ready')
            """) + case.textwrap.dedent(self.RUNS))
        for question in ("loaded", "imports"):
            self.host.send({"do": question, "ask": 1, "interp": interp.number})
            self.host.wait(question)
        interp.log.wait_for("ready")
        self.assertNotIn("late is loaded", interp.log.text())
        self.run_in(interp, "import late; late.x = 1; result = None")
        interp.log.wait_for("late is loaded")

    def test_modules_that_the_settings_preload_come_before_the_entry_and_once(self):
        self.tree.write({
            "one.py": "import sys\nsys.order = ['one']\n",
            "pkg/__init__.py": "",
            "pkg/two.py": "import sys\nsys.order.append('two')\n",
        })
        source = "import sys, one\nfrom pkg import two\nsys.order.append('app')\n"
        interp = self.serve(source + case.textwrap.dedent(self.RUNS), preload=["one", "pkg.two", "app"])
        self.assertEqual(self.run_in(interp, "import sys; result = sys.order"), ["one", "two", "app"])

    def test_a_module_that_cannot_be_preloaded_is_named(self):
        self.tree.write({"app.py": "", "broken.py": "\n1 / 0\n"})
        for name, error, line in (("no_such", "ModuleNotFoundError: No module named 'no_such'", 0),
                                  ("broken", "ZeroDivisionError: division by zero", 2)):
            event = self.host.reject(self.tree, self.tree / "app.py", preload=[name])
            self.host.wait("retired", interp=event["interp"])
            self.assertEqual((event["stage"], event["error"], event["line"]), ("import", error, line))
            self.assertIn(f"{name} is imported first, since the setting `preload` names it", event["traceback"])

    def test_an_error_is_told_in_one_line_without_its_notes(self):
        self.tree.write({"app.py": "e = ValueError('first\\n   second')\ne.add_note('a note')\nraise e\n"})
        event = self.host.reject(self.tree, self.tree / "app.py")
        self.host.wait("retired", interp=event["interp"])
        self.assertEqual(event["error"], "ValueError: first second")
        self.assertIn("a note", event["traceback"])

    def test_a_tree_in_or_beside_a_folder_of_packages_is_the_apps_own(self):
        for place in ("site-packages-demo/tree", "lib/site-packages/mysite"):
            with self.subTest(place=place):
                outer = case.Tree()
                self.addCleanup(outer.remove)
                tree = copy.copy(outer)
                tree.path += "/" + place
                files = {"app.py": case.textwrap.dedent(self.RUNS), "late.py": "V = 1\n"}
                files["vendor/site-packages/own.py"] = "V = 1\n"
                tree.write(files)
                interp = self.host.make(
                    tree, tree / "app.py", path=[tree / "vendor/site-packages"],
                    snapshot={tree / name: text.encode() for name, text in files.items()},
                )
                self.addCleanup(self.retire, interp)
                tree.write({"late.py": "V = 2\n", "new.py": "V = 2\n", "vendor/site-packages/own.py": "V = 2\n"})
                result = self.run_in(interp, """
                    import importlib.util, late, own
                    result = late.V, own.V, importlib.util.find_spec('new')
                    """)
                self.assertEqual(result, (1, 1, None))

    def test_a_folder_that_is_newer_than_the_snapshot_is_no_namespace(self):
        self.tree.write({"app.py": self.RUNS, "data/readme.txt": "x"})
        interp = self.host.make(self.tree, self.tree / "app.py")
        self.addCleanup(self.retire, interp)
        self.tree.write({"plug/__init__.py": "V = 1\n", "deep/in/mod.py": "V = 1\n", "more/page.html": ""})
        result = self.run_in(interp, """
            import importlib.util
            names = ('data', 'plug', 'deep', 'more')
            result = [name for name in names if importlib.util.find_spec(name)]
            """)
        self.assertEqual(result, ["data", "more"])


NUMPY = """
    import numpy
    def application(env, start):
        start('200 OK', []); return [str(numpy.arange(4).sum()).encode()]
    """
CRYPTOGRAPHY = """
    from cryptography.fernet import Fernet
    def application(env, start):
        box = Fernet(Fernet.generate_key())
        start('200 OK', []); return [box.decrypt(box.encrypt(b'secret'))]
    """


class Extensions(case.HostCase):
    def refused(self, source):
        self.tree.write({"app.py": source})
        event = self.host.reject(self.tree, self.tree / "app.py")
        self.host.wait("retired", interp=event["interp"])
        return {item["module"]: item["error"] for item in event["refused"]}

    @unittest.skipUnless(case.has_package("numpy"), "no NumPy")
    def test_numpy_is_refused_each_time(self):
        for _ in range(2):
            refused = self.refused(NUMPY)
            self.assertIn("core._multiarray_umath", str(refused))

    @unittest.skipUnless(case.has_package("cryptography.fernet"), "no cryptography")
    def test_cryptography_is_refused_each_time(self):
        for _ in range(2):
            self.assertTrue(self.refused(CRYPTOGRAPHY))

    @unittest.skipUnless(case.has_package("flask"), "no Flask")
    def test_markupsafe_is_loaded_and_of_one_kind(self):
        interp = self.serve("""
            import markupsafe, flask
            def application(env, start):
                start('200 OK', [])
                ok = markupsafe.escape('<') + '&' == '&lt;&amp;' and hasattr(markupsafe.escape('<'), '__html__')
                return [repr((ok, str(markupsafe.Markup('%s') % '<'), flask.escape('>') if hasattr(flask, 'escape') else '')).encode()]
            """)
        self.assertIn(b"True, '&lt;'", interp.get().body)
        if VERSION[:2] == (3, 11):
            self.assertEqual([item["module"] for item in interp.made["extensions"]], ["markupsafe._speedups"])


if __name__ == "__main__":
    unittest.main()
