"""Imports, and the modules that inspect them, find an app's packages as without Moult."""

import os
import subprocess
import unittest
import zipfile

import case
from case import Tree
from host_driver import PYTHON


class Packages(case.HostCase):
    def serving(self, files, **options):
        """An interpreter that runs what it is sent, beside these files."""
        self.tree.write(files)
        return self.serve(self.RUNS, **options)

    def other_tree(self, files):
        tree = Tree(files)
        self.addCleanup(tree.remove)
        return tree

    def test_modules_say_of_themselves_what_they_always_say(self):
        interp = self.serving({"pkg/__init__.py": "", "pkg/part.py": ""})
        result = self.run_in(interp, """
            import importlib.util, pkg.part
            result = []
            for module in (pkg, pkg.part):
                spec = module.__spec__
                result.append((spec.name, spec.parent, spec.origin, spec.has_location, spec.cached,
                               spec.submodule_search_locations, module.__file__,
                               getattr(module, '__package__', spec.parent),  # not from 3.15 on
                               getattr(module, '__loader__', spec.loader) is spec.loader,
                               spec.loader.is_package(spec.name),
                               spec.loader.get_filename(spec.name), getattr(module, '__path__', None)))
            """)
        expected = []
        for name, parent, file in (("pkg", "pkg", "pkg/__init__.py"), ("pkg.part", "pkg", "pkg/part.py")):
            path = self.tree / file
            code = f"import importlib.util as util; print(util.cache_from_source({path!r}), end='')"
            cached = subprocess.check_output([PYTHON, "-c", code], text=True)
            where = [self.tree / "pkg"] if name == "pkg" else None
            expected.append(
                (name, parent, path, True, cached, where, path, parent, True, name == "pkg", path, where)
            )
        self.assertEqual(result, expected)
        self.assertFalse(os.path.exists(self.tree / "pkg/__pycache__"))

    def test_relative_and_cyclic_imports(self):
        interp = self.serving({
            "pkg/__init__.py": "from . import a\nfrom .sub import deep\n",
            "pkg/a.py": "from . import b\nVALUE = 1\ndef get(): return b.VALUE\n",
            "pkg/b.py": "from . import a\nVALUE = 2\ndef get(): return a.VALUE\n",
            "pkg/sub/__init__.py": "",
            "pkg/sub/deep.py": "from ..a import VALUE as ONE\nfrom .. import b\n",
        })
        result = self.run_in(interp, """
            import pkg
            result = pkg.a.get(), pkg.b.get(), pkg.deep.ONE, pkg.deep.b is pkg.b
            """)
        self.assertEqual(result, (2, 1, 1, True))

    def test_namespace_packages_over_several_roots(self):
        other = self.other_tree({"space/two.py": "VALUE = 2\n", "space/deep/four.py": "VALUE = 4\n"})
        outside = self.other_tree({"site-packages/space/three.py": "VALUE = 3\n"})
        snapshot = {**other.sources()}
        self.tree.write({"app.py": self.RUNS})
        self.tree.write({"space/one.py": "VALUE = 1\n", "space/deep/five.py": "VALUE = 5\n"})
        snapshot.update(self.tree.sources())
        interp = self.host.make(
            self.tree, self.tree / "app.py", snapshot=snapshot, roots=[self.tree.path, other.path],
            path=[other.path, outside / "site-packages"],
        )
        self.addCleanup(self.retire, interp)
        result = self.run_in(interp, """
            import space.one, space.two, space.three, space.deep.four, space.deep.five
            import importlib.resources
            files = importlib.resources.files('space').iterdir()
            result = (space.one.VALUE, space.two.VALUE, space.three.VALUE, space.deep.four.VALUE,
                      space.deep.five.VALUE, len(space.__path__), getattr(space, '__file__', None),
                      sorted(file.name for file in files if file.name.endswith('.py')))
            """)
        self.assertEqual(result, (1, 2, 3, 4, 5, 3, None, ["one.py", "three.py", "two.py"]))

    def test_a_folder_with_data_alone_is_a_namespace_package(self):
        interp = self.serving({"pkg/__init__.py": "", "pkg/data/text.txt": "some text"})
        result = self.run_in(interp, """
            import importlib.resources
            result = importlib.resources.files('pkg.data').joinpath('text.txt').read_text()
            """)
        self.assertEqual(result, "some text")

    def test_resources_by_both_interfaces(self):
        interp = self.serving({
            "pkg/__init__.py": "", "pkg/text.txt": "some text", "pkg/sub/deep.txt": "deep",
        })
        result = self.run_in(interp, """
            import importlib.resources as resources, pkgutil, warnings
            warnings.simplefilter('ignore')
            with resources.as_file(resources.files('pkg') / 'text.txt') as path:
                result = [path.read_text(), pkgutil.get_data('pkg', 'sub/deep.txt').decode()]
            result.append((resources.files('pkg') / 'sub' / 'deep.txt').read_text())
            if hasattr(resources, 'read_text'):
                result += [resources.read_text('pkg', 'text.txt'), resources.is_resource('pkg', 'text.txt')]
                result.append(not hasattr(resources, 'contents') or 'text.txt' in resources.contents('pkg'))
            """)
        self.assertEqual(result[:3], ["some text", "deep", "deep"])
        self.assertIn(result[3:], ([], ["some text", True, True]))

    def test_pkgutil_walks_lists_and_extends(self):
        interp = self.serving({
            "pkg/__init__.py": "", "pkg/a.py": "", "pkg/sub/__init__.py": "", "pkg/sub/b.py": "",
            "pkg/data/x.txt": "", "pkg/not.a.module.py": "", "pkg/space/c.py": "",
            "one/multi/__init__.py": "import pkgutil\n__path__ = pkgutil.extend_path(__path__, __name__)\n",
            "one/multi/first.py": "", "two/multi/__init__.py": "", "two/multi/second.py": "VALUE = 2\n",
        })
        result = self.run_in(interp, f"""
            import pkgutil, sys
            import pkg
            result = [[(m.name, m.ispkg) for m in pkgutil.iter_modules(pkg.__path__)]]
            result.append([m.name for m in pkgutil.walk_packages(pkg.__path__, 'pkg.')])
            sys.path += [{self.tree / 'one'!r}, {self.tree / 'two'!r}]
            import multi.second
            result.append(multi.second.VALUE)
            """)
        self.assertEqual(result, [[("a", False), ("sub", True)], ["pkg.a", "pkg.sub", "pkg.sub.b"], 2])

    def test_packages_that_are_bytecode_only(self):
        self.tree.write({"packed/__init__.py": "VALUE = 1\n", "packed/part.py": "VALUE = 2\n"})
        subprocess.check_call([PYTHON, "-m", "compileall", "-q", "-b", "packed"], cwd=self.tree.path)
        os.unlink(self.tree / "packed/__init__.py")
        os.unlink(self.tree / "packed/part.py")
        result = self.run_in(self.serving({}), """
            import packed.part, pkgutil
            result = packed.VALUE, packed.part.VALUE, [m.name for m in pkgutil.iter_modules(packed.__path__)],
            result += 'packed' in [m.name for m in pkgutil.iter_modules() if m.ispkg],
            """)
        self.assertEqual(result, (1, 2, ["part"], True))

    def test_runpy_runs_modules_packages_and_files_of_the_snapshot(self):
        interp = self.serving({
            "pkg/__init__.py": "", "pkg/__main__.py": "VALUE = __name__, __package__\n",
            "tool.py": "VALUE = __name__, 'old'\n", "folder/__main__.py": "VALUE = 'of a folder'\n",
        })
        self.tree.write({"tool.py": "VALUE = 'new'\n", "pkg/__main__.py": "VALUE = 'new'\n"})
        result = self.run_in(interp, f"""
            import runpy
            result = [runpy.run_module('pkg', run_name='__main__'), runpy.run_module('tool'),
                      runpy.run_path({self.tree / 'tool.py'!r}), runpy.run_path({self.tree / 'folder'!r})]
            result = [scope['VALUE'] for scope in result]
            """)
        self.assertEqual(result, [("__main__", "pkg"), ("tool", "old"), ("<run_path>", "old"), "of a folder"])

    def test_zip_files_on_the_path(self):
        with zipfile.ZipFile(self.tree / "lib.zip", "w") as archive:
            archive.writestr("zipped.py", "VALUE = 1\n")
            archive.writestr("inner/inside.py", "VALUE = 2\n")
            archive.writestr("__main__.py", "VALUE = 3\n")
        result = self.run_in(self.serving({}), f"""
            import runpy, sys
            sys.path[:0] = [{self.tree / 'lib.zip'!r}, {self.tree / 'lib.zip/inner'!r}]
            import zipped, inside
            result = zipped.VALUE, inside.VALUE, runpy.run_path({self.tree / 'lib.zip'!r})['VALUE']
            """)
        self.assertEqual(result, (1, 2, 3))

    def test_a_loader_that_is_made_for_a_path_gives_the_generations_source(self):
        interp = self.serving({"plugins/one.py": "VALUE = 'old'\n"})
        self.tree.write({"plugins/one.py": "VALUE = 'new'\n", "plugins/two.py": "VALUE = 'later'\n"})
        result = self.run_in(interp, f"""
            import importlib.util, pathlib
            from importlib.machinery import SourceFileLoader
            result = []
            for name in ('one', 'two'):
                path = {self.tree / 'plugins'!r} + f'/{{name}}.py'
                spec = importlib.util.spec_from_file_location(name, path)
                module = importlib.util.module_from_spec(spec)
                spec.loader.exec_module(module)
                result.append(module.VALUE)
                result.append(SourceFileLoader(name, path).get_source(name))
                names = {{}}
                exec(SourceFileLoader(name, pathlib.Path(path)).get_code(name), names)
                result.append(names['VALUE'])
            """)
        self.assertEqual(result, ["old", "VALUE = 'old'\n", "old", "later", "VALUE = 'later'\n", "later"])
        self.assertFalse(os.path.exists(self.tree / "plugins/__pycache__"))

    def test_reload_in_an_app_runs_the_same_source_again(self):
        interp = self.serving({"part.py": "import builtins\nVALUE = 'old'\n"})
        self.tree.write({"part.py": "VALUE = 'new'\n"})
        result = self.run_in(interp, """
            import importlib, part
            part.VALUE, part.EXTRA = 'changed', 1
            again = importlib.reload(part)
            result = again is part, part.VALUE, part.EXTRA
            """)
        self.assertEqual(result, (True, "old", 1))

    def test_classes_of_the_entry_file_can_be_pickled_and_copied(self):
        source = self.RUNS + "class Item:\n            x = 1\n"
        self.tree.write({"pkg/__init__.py": "class Thing:\n    y = 2\n"})
        interp = self.serve(source)
        result = self.run_in(interp, """
            import copy, pickle, app, pkg
            items = pickle.loads(pickle.dumps([app.Item(), pkg.Thing]))
            result = type(items[0]) is app.Item, items[1] is pkg.Thing
            result += type(copy.deepcopy(app.Item())) is app.Item,
            """)
        self.assertEqual(result, (True, True, True))

    def test_children_of_multiprocessing_import_the_app(self):
        self.tree.write({"work.py": "def double(value):\n    return value * 2\n"})
        interp = self.serve(self.RUNS, mode="main", host=self.own_host())
        result = self.run_in(interp, """
            import multiprocessing, work
            with multiprocessing.get_context('spawn').Pool(1) as pool:
                result = pool.map(work.double, [1, 2])
            """)
        self.assertEqual(result, [2, 4])

    def own_host(self):
        host = case.Host()
        self.addCleanup(host.close)
        return host

    def test_encodings_and_byte_order_marks(self):
        interp = self.serving({
            "bom.py": b"\xef\xbb\xbfVALUE = '\xc3\xa9'\n",
            "latin.py": "# vim: set fileencoding=latin-1 :\nVALUE = '\xe9'\n".encode("latin-1"),
            "crlf.py": b"VALUE = '''a\r\nb'''\r\n",
            "cp1251.py": "#!/usr/bin/python\n# -*- coding: cp1251 -*-\nVALUE = '\u0434'\n".encode("cp1251"),
            "bad.py": b"VALUE = '\xe9'\n",
            "worse.py": b"# coding: no-such-codec\n",
            "nul.py": b"VALUE = 1\0\n",
        })
        result = self.run_in(interp, """
            import inspect, bom, latin, crlf, cp1251
            result = [bom.VALUE, latin.VALUE, crlf.VALUE, cp1251.VALUE]
            result += [inspect.getsource(latin), inspect.getsource(bom)]
            for name in ('bad', 'worse', 'nul'):
                try:
                    __import__(name)
                except (SyntaxError, ValueError) as error:
                    result.append(type(error).__name__)
            """)
        self.assertEqual(result[:4], ["\xe9", "\xe9", "a\nb", "\u0434"])
        line = "VALUE = '\xe9'\n"
        self.assertEqual(result[4:6], ["# vim: set fileencoding=latin-1 :\n" + line, line])
        self.assertEqual(result[6:8], ["SyntaxError", "SyntaxError"])
        self.assertIn(result[8], ("ValueError", "SyntaxError"))


if __name__ == "__main__":
    unittest.main()
