"""What an interpreter has imported, as the daemon asks for it."""

import unittest

import case
from host_driver import VERSION

EVALUATES = case.EVALUATES
LAZY = """
    import importlib.util, sys
    spec = importlib.util.find_spec('lazy')
    spec.loader = importlib.util.LazyLoader(spec.loader)
    sys.modules['lazy'] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules['lazy'])
    class Strange:
        def __getattr__(self, name): raise SystemExit(name)
    sys.modules['strange'] = Strange()
    sys.modules['missing'] = None
    """


class Imports(case.HostCase):
    def ask(self, interp):
        """All rows, by module."""
        self.host.asks += 1
        self.host.send({"do": "imports", "ask": self.host.asks, "interp": interp.number})
        rows = []
        self.packets = 0
        while True:
            event = self.host.wait("imports")
            self.assertEqual(event["ask"], self.host.asks)
            self.assertEqual(event["error"], "")
            rows += event["modules"]
            self.packets += 1
            if not event["more"]:
                self.assertEqual(event["left_out"], 0)
                return {row["module"]: row for row in rows}

    def evaluate(self, interp, source):
        return interp.lane.post_streamed("/", [source.encode()], length=len(source)).body.decode()

    def test_each_module_has_its_file_hash_and_times(self):
        self.tree.write({
            "pkg/__init__.py": "",
            "pkg/slow.py": "import time\nimport pkg.inner\ntime.sleep(0.02)\n",
            "pkg/inner.py": "import time\ntime.sleep(0.05)\n",
            "space/leaf.py": "",
        })
        interp = self.serve("import pkg.slow, space.leaf\ndef application(env, start):\n    start('200 OK', []); return [b'x']\n")
        rows = self.ask(interp)
        slow, inner = rows["pkg.slow"], rows["pkg.inner"]
        self.assertEqual(inner["file"], self.tree / "pkg/inner.py")
        self.assertEqual(inner["kind"], "source")
        self.assertEqual(len(inner["hash"]), 64)
        self.assertEqual(inner["code"], "compiled")
        self.assertGreaterEqual(inner["own_seconds"], 0.05)
        self.assertGreaterEqual(slow["seconds"], inner["seconds"] + 0.02)
        self.assertAlmostEqual(slow["own_seconds"] + inner["seconds"], slow["seconds"], delta=slow["seconds"] / 2)
        self.assertEqual(rows["space"]["kind"], "namespace")
        self.assertEqual(rows["sys"]["kind"], "built-in")
        self.assertLess(rows["sys"]["seconds"], 0)  # it was there before any import
        self.assertEqual([name for name in rows if name.startswith("_moult")], [])
        order = [name for name in rows if name.startswith("pkg")]
        self.assertEqual(order, ["pkg", "pkg.inner", "pkg.slow"])  # as they were done

    def test_late_imports_are_listed_and_failed_ones_are_not(self):
        self.tree.write({"late.py": "VALUE = 1\n", "broken.py": "1 / 0\n"})
        interp = self.serve(EVALUATES)
        self.assertNotIn("late", self.ask(interp))
        self.assertEqual(self.evaluate(interp, "__import__('late').VALUE"), "1")
        self.assertIn("ZeroDivisionError", self.evaluate(interp, "__import__('broken')"))
        rows = self.ask(interp)
        self.assertGreaterEqual(rows["late"]["seconds"], 0)
        self.assertNotIn("broken", rows)

    def test_a_source_that_has_not_changed_is_not_compiled_again(self):
        source = "import same, other\ndef application(env, start):\n    start('200 OK', []); return [b'x']\n"
        self.tree.write({"same.py": "", "other.py": "A = 1\n"})
        self.serve(source)
        self.tree.write({"other.py": "A = 2\n"})
        rows = self.ask(self.serve(source))
        self.assertEqual((rows["same"]["code"], rows["other"]["code"]), ("cached", "compiled"))

    def test_extension_modules_say_how_many_interpreters_they_can_be_in(self):
        interp = self.serve("import mmap\ndef application(env, start):\n    start('200 OK', []); return [b'x']\n")
        row = self.ask(interp)["mmap"]
        self.assertEqual(row["kind"], "extension")
        self.assertEqual(row["phase"], "multi-phase")
        self.assertEqual(row["interpreters"], "own-gil" if VERSION >= (3, 12) else "shared-gil")
        self.assertEqual(row["hash"], "")
        if VERSION < (3, 13):  # later it is no single-phase module any more
            interp = self.serve("import decimal\ndef application(env, start):\n    start('200 OK', []); return [b'x']\n")
            row = self.ask(interp)["_decimal"]
            self.assertEqual((row["phase"], row["interpreters"]), ("single-phase", "one"))

    def test_very_many_modules_come_in_several_packets(self):
        self.tree.write({f"part_{number}_{'x' * 80}.py": "" for number in range(600)})
        imports = f"for number in range(600): __import__(f'part_{{number}}_{'x' * 80}')\n"
        interp = self.serve(imports + "def application(env, start):\n    start('200 OK', []); return [b'x']\n")
        rows = self.ask(interp)
        self.assertEqual(sum(name.startswith("part_") for name in rows), 600)
        self.assertGreater(self.packets, 1)

    def test_asking_loads_nothing_that_waits_to_be_loaded(self):
        self.tree.write({"lazy.py": "1 / 0\n"})
        interp = self.serve(LAZY + EVALUATES)
        rows = self.ask(interp)
        self.assertEqual(rows["lazy"]["file"], self.tree / "lazy.py")
        self.assertEqual(rows["strange"]["kind"], "other")
        self.assertNotIn("missing", rows)

    def test_tracebacks_of_imports_have_no_frames_of_ours_or_of_importlib(self):
        self.tree.write({"outer.py": "import broken\n", "broken.py": "1 / 0\n"})
        interp = self.serve("""
            import traceback
            def application(env, start):
                start('200 OK', [])
                try:
                    import outer
                except ZeroDivisionError as error:
                    return [repr([frame.name for frame in traceback.extract_tb(error.__traceback__)]).encode()]
            """)
        self.assertEqual(eval(interp.get().body), ["application", "<module>", "<module>"])

    def test_an_interpreter_that_is_not_there_has_no_modules(self):
        self.host.asks += 1
        self.host.send({"do": "imports", "ask": self.host.asks, "interp": 4711})
        event = self.host.wait("imports")
        self.assertEqual((event["modules"], event["error"]), ([], "there is no such interpreter"))


if __name__ == "__main__":
    unittest.main()
