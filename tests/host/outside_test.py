"""Modules from outside the tree: each generation has what the disk holds, and the daemon knows of them."""

import os
import unittest

import case

CASES = {
    "a folder on the path": "import sys; sys.path.insert(0, {folder!r})\nimport common\n",
    "a folder on the path, by way of the tree": "import os, sys\nsys.path.insert(0, os.path.join("
    "os.path.dirname(__file__), '..', os.path.basename({folder!r})))\nimport common\n",
    "a .pth file": "import site; site.addsitedir({folder!r} + '/site')\nimport common\n",
    "a file by its path": "import importlib.util as u\n"
    "s = u.spec_from_file_location('anything', {folder!r} + '/common.py')\ncommon = u.module_from_spec(s)\n"
    "s.loader.exec_module(common)\n",
    "runpy": "import runpy, types\ncommon = types.SimpleNamespace(**runpy.run_path({folder!r} + '/common.py'))\n",
}
APPLICATION = """
def application(environ, start_response):
    start_response('200 OK', []); return [str(common.VALUE).encode()]
"""


class Outside(case.HostCase):
    def setUp(self):
        super().setUp()
        self.other = case.Tree()
        self.addCleanup(self.other.remove)
        self.file = self.other / "common.py"

    def write(self, value):
        self.other.write({"common.py": f"VALUE = {value}\n", "site/x.pth": self.other.path + "\n"})

    def test_a_change_of_the_same_size_and_second_is_imported(self):
        for name, source in CASES.items():
            with self.subTest(name):
                for value in (1, 2, 3):
                    self.write(value)
                    os.utime(self.file, (1_700_000_000, 1_700_000_000))  # as byte code sees it: no change
                    interp = self.serve(source.format(folder=self.other.path) + APPLICATION)
                    self.assertEqual(interp.get().body, str(value).encode())

    def test_the_daemon_is_told_of_them_by_their_real_path(self):
        self.write(1)
        for name, source in CASES.items():
            with self.subTest(name):
                interp = self.serve(source.format(folder=self.other.path) + APPLICATION)
                self.assertIn(self.file, interp.made["files"])

    def test_late_ones_are_told_too(self):
        self.write(1)
        for name, source in CASES.items():
            with self.subTest(name):
                late = "".join(f"    {line}\n" for line in source.format(folder=self.other.path).splitlines())
                interp = self.serve(
                    f"def application(environ, start_response):\n{late}"
                    "    start_response('200 OK', []); return [str(common.VALUE).encode()]\n"
                )
                self.assertNotIn(self.file, interp.made["files"])
                self.assertEqual(interp.get().body, b"1")
                while self.file not in self.host.wait("opened", interp=interp.number)["files"]:
                    pass

    def test_one_that_is_in_the_snapshot_comes_from_there(self):
        for name, source in CASES.items():
            with self.subTest(name):
                self.write(1)
                text = source.format(folder=self.other.path) + APPLICATION
                self.tree.write({"app.py": text})
                files = {**self.tree.sources(), **self.other.sources()}
                self.write(2)
                interp = self.host.make(self.tree, self.tree / "app.py", snapshot=files)
                self.assertEqual(interp.get().body, b"1")
                self.assertIn(self.file, interp.made["files"])
                self.retire(interp)


class Written(case.HostCase):
    """Files that the app writes are told before it does."""

    def written(self, source):
        """What the app tells of while it runs this."""
        interp = self.serve(self.RUNS)
        self.run_in(interp, f"import os\nos.chdir({self.tree.path!r})\n{case.textwrap.dedent(source)}\nresult = 1")
        self.run_in(interp, "open('last-of-all', 'w').close()\nresult = 1")
        told = []
        while self.tree / "last-of-all" not in told:
            told += self.host.wait("opened", interp=interp.number).get("written", [])
        return [os.path.relpath(path, self.tree.path) for path in told[:-1]]

    def test_each_way_to_write_is_seen_once(self):
        self.tree.write({"data.json": "{}", "other.json": "{}"})
        for source in (
            "for mode in ('w', 'a', 'r+', 'rb+', 'wb'): open('data.json', mode).close()",
            "os.close(os.open('data.json', os.O_WRONLY))",
            "os.close(os.open(b'data.json', os.O_RDWR | os.O_CREAT))",
            "import pathlib; pathlib.Path('..', os.path.basename(os.getcwd()), 'data.json').write_text('1')",
            "os.truncate('data.json', 0)",
            "os.remove('data.json'); open('data.json', 'x').close()",
            "import sqlite3; sqlite3.connect('data.json').close()",
            "import sqlite3; sqlite3.connect('file:data.json?mode=rwc', uri=True).close()",
        ):
            with self.subTest(source):
                self.assertEqual(self.written(source), ["data.json"])

    def test_a_file_that_takes_the_place_of_another(self):
        self.tree.write({"data.json": "{}"})
        for call in ("os.rename", "os.replace", "import shutil; shutil.move"):
            with self.subTest(call):
                self.assertEqual(
                    self.written(f"open('data.tmp', 'w').close()\n{call}('data.tmp', 'data.json')"),
                    ["data.tmp", "data.json"],
                )

    def test_what_is_read_or_code_or_elsewhere_is_not_written(self):
        self.tree.write({"data.json": "{}"})
        self.assertEqual(self.written("""
            import sqlite3, tempfile
            open('data.json').close()
            os.close(os.open('data.json', os.O_RDONLY))
            sqlite3.connect('file:data.json?mode=ro', uri=True).close()
            open('made.py', 'w').close()
            tempfile.TemporaryFile().close()
            os.listdir('.')
            os.close(os.open('.', os.O_RDONLY | os.O_DIRECTORY))
            """), [])

    def test_a_forked_child_tells_nothing_and_hangs_nowhere(self):
        host = case.Host()
        self.addCleanup(host.close)
        interp = self.serve(self.RUNS, host=host, mode="main")
        result = self.run_in(interp, f"""
            import os
            os.chdir({self.tree.path!r})
            child = os.fork()
            if child == 0:
                open('of-child', 'w').close()
                os._exit(7)
            result = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            """)
        self.assertEqual(result, 7)


if __name__ == "__main__":
    unittest.main()
