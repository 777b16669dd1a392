"""Whatever shows source lines shows those that run, also when the file has changed since."""

import unittest

import case

# Line 2 is what tracebacks must show. The disk has another text there by then.
BROKEN = "def fail():\n    raise ValueError('x')  # the old line\ndef keep(): return 1  # kept\n"
CHANGED = "VALUE = 1\nVALUE = 2  # the new line\nVALUE = 3\n"


class Sources(case.HostCase):
    def changed(self):
        self.tree.write({"part.py": BROKEN})
        interp = self.serve("import part\n" + case.textwrap.dedent(self.RUNS))
        self.tree.write({"part.py": CHANGED})
        return interp

    def test_tracebacks_of_the_modules_that_show_them(self):
        result = self.run_in(self.changed(), """
            import io, logging, part, sys, traceback
            stream = io.StringIO()
            handler = logging.StreamHandler(stream)
            logging.getLogger('test').addHandler(handler)
            result = []
            try:
                part.fail()
            except ValueError as error:
                result.append(traceback.format_exc())
                logging.getLogger('test').exception('it failed')
                result.append(stream.getvalue())
                result.append(''.join(traceback.format_list(traceback.extract_tb(error.__traceback__))))
            """)
        for text in result:
            self.assertIn("# the old line", text)

    def test_what_python_itself_prints(self):
        interp = self.changed()
        self.run_in(interp, """
            import part, sys, threading
            def hook():
                try:
                    part.fail()
                except ValueError:
                    sys.excepthook(*sys.exc_info())
            class Unraisable:
                def __del__(self):
                    part.fail()
            for target in (part.fail, hook):
                thread = threading.Thread(target=target)
                thread.start()
                thread.join()
            Unraisable()
            print('all shown', file=sys.stderr)
            result = None
            """)
        interp.log.wait_for("all shown")
        text = interp.log.text()
        self.assertEqual(text.count("# the old line"), 3, text)
        self.assertNotIn("# the new line", text)

    def test_inspect_and_linecache(self):
        result = self.run_in(self.changed(), """
            import inspect, linecache, part
            linecache.checkcache()
            linecache.clearcache()
            result = [inspect.getsource(part.keep), linecache.getline(part.__file__, 3)]
            result += [inspect.getsource(part), part.__loader__.get_source('part')]
            result += [inspect.getsourcefile(part), inspect.getsourcelines(part.fail)[1]]
            """)
        line = "def keep(): return 1  # kept\n"
        self.assertEqual(result, [line, line, BROKEN, BROKEN, self.tree / "part.py", 1])

    def test_sources_of_files_that_are_gone(self):
        interp = self.changed()
        case.os.unlink(self.tree / "part.py")
        result = self.run_in(interp, "import inspect, part\nresult = inspect.getsource(part.keep)")
        self.assertEqual(result, "def keep(): return 1  # kept\n")

    def test_warnings_show_the_line_that_warns(self):
        source = "import warnings\ndef warn():\n    warnings.warn('careful')  # the old line\n"
        self.tree.write({"part.py": source})
        interp = self.serve("import part\n" + case.textwrap.dedent(self.RUNS))
        self.tree.write({"part.py": "\n\n# the new line\n"})
        self.run_in(interp, "import part\npart.warn()\nresult = None")
        interp.log.wait_for("careful")
        self.assertIn("# the old line", interp.log.wait_for("# the")[1])

    def test_errors_of_syntax_name_file_and_line(self):
        self.tree.write({"part.py": "x = 1\ny = = 2\n"})
        interp = self.serve(self.RUNS)
        result = self.run_in(interp, """
            try:
                import part
            except SyntaxError as error:
                result = error.filename, error.lineno, error.text
            """)
        self.assertEqual(result, (self.tree / "part.py", 2, "y = = 2\n"))


if __name__ == "__main__":
    unittest.main()
