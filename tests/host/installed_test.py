"""Packages of a virtual environment, installed and in editable mode, beside an app's own sources."""

import os
import subprocess
import unittest

import case
from case import Tree
from host_driver import PYTHON, VERSION

METADATA = "Metadata-Version: 2.1\nName: {0}\nVersion: {1}\n"

# What setuptools writes for an editable install whose packages do not lie in one folder of their own
# (its template, shortened to what matters).
FINDER = """
    import sys
    from importlib.machinery import PathFinder
    from importlib.util import spec_from_file_location
    from pathlib import Path
    MAPPING = {mapping!r}
    class _EditableFinder:
        @classmethod
        def find_spec(cls, fullname, path=None, target=None):
            if fullname in MAPPING:
                place = Path(MAPPING[fullname])
                for candidate in (place / '__init__.py', place.with_suffix('.py')):
                    if candidate.exists():
                        return spec_from_file_location(fullname, candidate)
            parent, _, child = fullname.rpartition('.')
            if parent in MAPPING:
                return PathFinder.find_spec(fullname, path=[MAPPING[parent]])
            return None
    def install():
        sys.meta_path.append(_EditableFinder)
    """


class Installed(case.HostCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.venv = Tree()
        cls.addClassCleanup(cls.venv.remove)
        subprocess.check_call([PYTHON, "-m", "venv", "--without-pip", cls.venv.path])

    def setUp(self):
        super().setUp()
        self.packages = f"lib/python{VERSION[0]}.{VERSION[1]}/site-packages"

    def install(self, files):
        names = {f"{self.packages}/{name}": text for name, text in files.items()}
        self.venv.write(names)
        for name in names:
            self.addCleanup(os.unlink, self.venv / name)

    def project(self, files):
        """(the project's tree, the snapshot of it and of the app)"""
        project = Tree(files)
        self.addCleanup(project.remove)
        self.tree.write({"app.py": self.RUNS})
        return project, {**project.sources(), **self.tree.sources()}

    def make(self, snapshot=None, roots=()):
        self.tree.write({"app.py": self.RUNS})
        interp = self.host.make(
            self.tree, self.tree / "app.py", snapshot=snapshot, venv=self.venv.path,
            roots=[self.tree.path, *roots],
        )
        self.addCleanup(self.retire, interp)
        return interp

    def test_installed_packages_and_their_metadata(self):
        self.install({
            "tool/__init__.py": "VALUE = 1\n",
            "tool-1.5.dist-info/METADATA": METADATA.format("tool", "1.5"),
            "tool-1.5.dist-info/entry_points.txt": "[group]\nname = tool:VALUE\n",
            "tool-1.5.dist-info/RECORD": "tool/__init__.py,,\n",
        })
        result = self.run_in(self.make(), """
            import importlib.metadata as metadata, tool
            point, = metadata.entry_points(group='group')
            result = tool.VALUE, metadata.version('tool'), point.load(), str(metadata.files('tool')[0])
            """)
        self.assertEqual(result, (1, "1.5", 1, "tool/__init__.py"))

    def test_metadata_of_the_apps_own_tree(self):
        self.tree.write({"own.egg-info/PKG-INFO": METADATA.format("own", "0.3"), "own/__init__.py": ""})
        result = self.run_in(self.make(), "import importlib.metadata as m\nresult = m.version('own')")
        self.assertEqual(result, "0.3")

    @unittest.skipUnless(case.has_package("pkg_resources"), "no pkg_resources")
    def test_pkg_resources_sees_the_apps_own_tree(self):
        self.tree.write({
            "own.egg-info/PKG-INFO": METADATA.format("own", "0.3"),
            "own/__init__.py": "", "own/data.txt": "data",
        })
        result = self.run_in(self.make(), f"""
            import sys, warnings
            warnings.simplefilter('ignore')
            sys.path.append({os.path.dirname(self.packages_of_pkg_resources())!r})
            import pkg_resources
            result = pkg_resources.get_distribution("own").version,
            result += pkg_resources.resource_string("own", "data.txt"),
            """)
        self.assertEqual(result, ("0.3", b"data"))

    def packages_of_pkg_resources(self):
        code = "import pkg_resources, os; print(os.path.dirname(pkg_resources.__file__), end='')"
        return subprocess.check_output([PYTHON, "-W", "ignore", "-c", code], text=True)

    def test_pth_files_add_folders_and_run_their_imports(self):
        elsewhere, snapshot = self.project({"added.py": "VALUE = 'added'\n"})
        lines = "# a comment", elsewhere.path, "/nowhere", "import sys; sys.by_pth = True"
        self.install({"more.pth": "\n".join(lines)})
        interp = self.make(snapshot, [elsewhere.path])
        elsewhere.write({"added.py": "VALUE = 'changed'\n"})
        result = self.run_in(interp, "import added, sys\nresult = added.VALUE, sys.by_pth")
        self.assertEqual(result, ("added", True))

    def test_an_editable_install_by_path_is_of_the_snapshot(self):
        project, snapshot = self.project({
            "src/pkg/__init__.py": "VALUE = 'old'\n", "src/pkg/part.py": "VALUE = 'old part'\n",
        })
        self.install({
            "__editable__.pkg-2.0.pth": project / "src",
            "pkg-2.0.dist-info/METADATA": METADATA.format("pkg", "2.0"),
        })
        interp = self.make(snapshot, [project / "src"])
        project.write({"src/pkg/__init__.py": "VALUE = 'new'\n", "src/pkg/part.py": "VALUE = 'new part'\n"})
        result = self.run_in(interp, """
            import importlib.metadata, pkg.part
            result = pkg.VALUE, pkg.part.VALUE, importlib.metadata.version('pkg')
            """)
        self.assertEqual(result, ("old", "old part", "2.0"))

    def test_an_editable_install_by_finder_is_of_the_snapshot(self):
        project, snapshot = self.project({
            "pkg/__init__.py": "from . import part\nVALUE = 'old'\n", "pkg/part.py": "VALUE = 'old part'\n",
            "single.py": "VALUE = 'old single'\n",
        })
        mapping = {"pkg": project / "pkg", "single": project / "single"}
        finder = case.textwrap.dedent(FINDER).replace("{mapping!r}", repr(mapping))
        self.install({
            "__editable___pkg_finder.py": finder,
            "__editable__.pkg-2.0.pth": "import __editable___pkg_finder; __editable___pkg_finder.install()",
        })
        interp = self.make(snapshot, [project.path])
        project.write({"pkg/__init__.py": "1 / 0\n", "pkg/part.py": "1 / 0\n", "single.py": "1 / 0\n"})
        result = self.run_in(interp, """
            import inspect, pkg, single
            result = pkg.VALUE, pkg.part.VALUE, inspect.getsource(single), pkg.__file__
            """)
        file = project / "pkg/__init__.py"
        self.assertEqual(result, ("old", "old part", "VALUE = 'old single'\n", file))
        self.assertFalse(os.path.exists(project / "pkg/__pycache__"))
        self.assertFalse(os.path.exists(project / "__pycache__"))


if __name__ == "__main__":
    unittest.main()
