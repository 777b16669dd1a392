"""Compiled code is kept on the disk by the content of its source, in a private folder."""

import os
import shutil
import stat
import tempfile
import time
import unittest
from pathlib import Path

import case  # noqa: F401 (finds host_driver)
from host_driver import DEADLINE, Host, Tree

# Answers with part.VALUE and how often each file of the tree was compiled since the app began.
COUNTS = """
    import os, sys
    compiled = []
    def hook(event, args):
        if event == 'compile' and str(args[1]).startswith(os.path.dirname(__file__)):
            compiled.append(os.path.basename(args[1]))
    sys.addaudithook(hook)
    import part
    def application(env, start):
        start('200 OK', []); return [repr((part.VALUE, compiled)).encode()]
    """


IMPORTS = """
    from importlib import import_module
    VALUE = sum(import_module(f"part{{i}}").VALUE for i in range({}))
    """


def files_in(folder):
    try:
        return sorted(name for name in os.listdir(os.path.join(folder, "code")) if not name.startswith("."))
    except FileNotFoundError:
        return []


def size_of(folder):
    size = 0
    for name in files_in(folder):
        try:
            size += os.path.getsize(os.path.join(folder, "code", name))
        except FileNotFoundError:  # swept away meanwhile
            pass
    return size


class Bytecode(unittest.TestCase):
    def setUp(self):
        self.cache = os.path.join(tempfile.mkdtemp(prefix="moult-cache-"), "moult")
        self.addCleanup(shutil.rmtree, os.path.dirname(self.cache), True)
        self.tree = Tree({"app.py": COUNTS, "part.py": "VALUE = 1\n"})
        self.addCleanup(self.tree.remove)

    def start(self, **options):
        host = Host(cache=self.cache, **options)
        self.addCleanup(host.close)
        return host

    def load(self, host, **options):
        """(part.VALUE, the files that were compiled) of one more interpreter."""
        interp = host.make(self.tree, self.tree / "app.py", **options)
        answer = eval(interp.get().body)
        self.assertEqual(interp.retire()["event"], "retired")
        return answer

    def wait_for_files(self, count):
        """The writer does not hold an import up; it comes after."""
        end = time.monotonic() + DEADLINE
        while len(files_in(self.cache)) != count:
            self.assertLess(time.monotonic(), end, files_in(self.cache))
            time.sleep(0.005)

    def notice(self, host):
        """The text of the first thing that the host says of itself."""
        while not (told := [event for event in host.seen("notice") if not event["interp"]]):
            host.receive()
        return told[0]["text"]

    def test_what_one_host_has_compiled_another_one_loads(self):
        self.assertEqual(self.load(self.start()), (1, ["part.py"]))
        self.wait_for_files(2)
        second = self.start()
        self.assertEqual(self.load(second), (1, []))
        self.assertEqual(self.load(second), (1, []))

    def test_two_edits_of_one_size_and_time_are_two_sources(self):
        host = self.start()
        for value in (1, 2, 3):
            self.tree.write({"part.py": f"VALUE = {value}\n"})
            os.utime(self.tree / "part.py", (1_700_000_000, 1_700_000_000))
            self.assertEqual(self.load(host), (value, ["part.py"]))
        self.wait_for_files(4)
        other = self.start()
        for value in (2, 1, 3):
            self.tree.write({"part.py": f"VALUE = {value}\n"})
            os.utime(self.tree / "part.py", (1_700_000_000, 1_700_000_000))
            self.assertEqual(self.load(other), (value, []))

    def test_one_content_under_two_paths_is_code_of_two(self):
        self.tree.write({"part.py": "VALUE = (lambda: 0).__code__.co_filename\n"})
        self.assertEqual(self.load(self.start())[0], self.tree / "part.py")
        self.wait_for_files(2)
        moved = Tree({"app.py": COUNTS, "part.py": "VALUE = (lambda: 0).__code__.co_filename\n"})
        self.addCleanup(moved.remove)
        self.tree = moved
        self.assertEqual(self.load(self.start())[0], moved / "part.py")

    def test_damaged_files_are_compiled_anew_and_mended(self):
        self.load(self.start())
        self.wait_for_files(2)
        paths = [Path(self.cache, "code", name) for name in files_in(self.cache)]
        before = [path.read_bytes() for path in paths]
        for damage in (
            lambda data: data[:-1] + bytes([data[-1] ^ 1]),
            lambda data: data[: len(data) // 2],
            lambda data: b"",
        ):
            for path, data in zip(paths, before):
                path.write_bytes(damage(data))
            self.assertEqual(self.load(self.start()), (1, ["part.py"]))
            end = time.monotonic() + DEADLINE
            while [path.read_bytes() for path in paths] != before:
                self.assertLess(time.monotonic(), end, "not mended")
                time.sleep(0.005)

    def test_files_that_others_may_write_to_are_not_believed(self):
        self.load(self.start())
        self.wait_for_files(2)
        for name in files_in(self.cache):
            os.chmod(os.path.join(self.cache, "code", name), 0o666)
        self.assertEqual(self.load(self.start()), (1, ["part.py"]))

    def test_a_folder_that_others_may_write_to_is_left_alone_and_told_of_once(self):
        os.makedirs(self.cache, 0o700)
        os.chmod(self.cache, 0o777)
        host = self.start()
        self.assertEqual(self.load(host), (1, ["part.py"]))
        self.assertIn("others may write", self.notice(host))
        self.tree.write({"part.py": "VALUE = 2\n"})
        self.assertEqual(self.load(host), (2, ["part.py"]))
        self.assertEqual(files_in(self.cache), [])

    def test_a_full_disk_or_a_file_in_the_way_is_no_error(self):
        with open(self.cache, "w"):
            pass
        host = self.start()
        self.assertEqual(self.load(host), (1, ["part.py"]))
        self.assertIn("bytecode cache", self.notice(host))
        self.assertEqual(self.load(host), (1, []))  # from memory

    def test_other_optimisation_is_other_code(self):
        self.tree.write({"part.py": """
            VALUE = 'kept'
            try:
                assert False
            except AssertionError:
                VALUE = 'checked'
            """})
        for flags, value in (((), "checked"), (("-O",), "kept"), ((), "checked"), (("-O",), "kept")):
            self.assertEqual(self.load(self.start(flags=flags))[0], value)
        self.wait_for_files(4)

    def test_two_hosts_at_once_share_a_folder(self):
        self.tree.write({f"part{i}.py": f"VALUE = {i}\n" * 50 for i in range(40)})
        self.tree.write({"part.py": IMPORTS.format(40)})
        hosts = [self.start(), self.start()]
        begun = [host.begin(self.tree, self.tree / "app.py") for host in hosts]
        for host, interp in zip(hosts, begun):
            host.wait("made", interp=interp.number)
            self.assertEqual(eval(interp.get().body)[0], 780)
            self.assertEqual(interp.retire()["event"], "retired")
        self.wait_for_files(42)
        self.assertEqual(self.load(self.start()), (780, []))

    def test_the_bound_is_kept(self):
        host = self.start(cache_bytes=1 << 20)
        for edit in range(12):
            text = f"TEXT = '{'x' * 20_000}'\n"
            self.tree.write({f"part{i}.py": f"VALUE = {edit * 100 + i}\n{text}" for i in range(10)})
            self.tree.write({"part.py": IMPORTS.format(10)})
            self.assertEqual(self.load(host)[0], edit * 1000 + 45)
            self.assertLessEqual(size_of(self.cache), 1 << 20)

    def test_nothing_is_written_into_the_tree_and_the_cache_is_private(self):
        before = sorted(os.listdir(self.tree.path))
        self.load(self.start())
        self.wait_for_files(2)
        self.assertEqual(sorted(os.listdir(self.tree.path)), before)
        for folder, _, names in os.walk(self.cache):
            self.assertEqual(stat.S_IMODE(os.stat(folder).st_mode), 0o700)
            for name in names:
                self.assertEqual(stat.S_IMODE(os.stat(os.path.join(folder, name)).st_mode), 0o600)

    def test_a_cache_that_is_deleted_meanwhile_is_made_again(self):
        host = self.start()
        self.load(host)
        self.wait_for_files(2)
        shutil.rmtree(self.cache)
        self.tree.write({"part.py": "VALUE = 2\n"})
        self.assertEqual(self.load(host), (2, ["part.py"]))
        self.wait_for_files(1)

    def test_a_child_that_the_app_forks_imports_too(self):
        self.tree.write({"late.py": "VALUE = 7\n", "part.py": """
            import os
            def VALUE_of_child():
                read, write = os.pipe()
                child = os.fork()
                if child == 0:
                    import late
                    os.write(write, str(late.VALUE).encode())
                    os._exit(0)
                os.waitpid(child, 0)
                return os.read(read, 10)
            VALUE = VALUE_of_child()
            """})
        interp = self.start().make(self.tree, self.tree / "app.py", mode="main")
        self.addCleanup(interp.close_lanes)
        self.assertEqual(eval(interp.get().body)[0], b"7")

    def test_without_a_folder_nothing_is_kept(self):
        host = Host()
        self.addCleanup(host.close)
        self.assertEqual(self.load(host), (1, ["part.py"]))
        self.assertEqual(files_in(self.cache), [])


if __name__ == "__main__":
    unittest.main()
