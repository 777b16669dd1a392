"""Small things in which an interpreter of a host could be told from plain Python, and is not."""

import pickle
import subprocess

import case
import host_driver


class Likeness(case.HostCase):
    def setUp(self):
        super().setUp()
        self.first = self.serve(self.RUNS)
        self.second = self.serve(self.RUNS, name="second.py")

    def test_numbers_in_text_have_a_limit(self):
        for interp in (self.first, self.second):
            self.assertEqual(self.run_in(interp, "import sys; result = sys.get_int_max_str_digits()"), 4300)
        limited = self.serve(self.RUNS, name="limited.py", env={"PYTHONINTMAXSTRDIGITS": "1000"})
        self.assertEqual(self.run_in(limited, "import sys; result = sys.get_int_max_str_digits()"), 1000)
        with self.subTest("of each interpreter its own"):
            self.assertEqual(self.run_in(self.first, "import sys; result = sys.get_int_max_str_digits()"), 4300)

    def test_a_token_knows_what_is_missing(self):
        source = (
            "import contextvars; result = contextvars.ContextVar('a').set(1).old_value is contextvars.Token.MISSING"
        )
        for interp in (self.first, self.second):
            self.assertTrue(self.run_in(interp, source))

    def test_arrays_are_pickled_by_each(self):
        source = """
            import array, copyreg, pickle
            class Own(array.array): pass
            globals()['Own'] = Own
            kinds = [array.array('i', [1, 2]), array.array('d')]
            result = [pickle.loads(pickle.dumps(one, protocol)) == one for one in kinds for protocol in range(6)]
            result.append(Own('b', [3]).__reduce_ex__(4)[0] is array._array_reconstructor)
            """
        for interp in (self.first, self.second):
            self.assertEqual(self.run_in(interp, source), [True] * 13)

    def test_names_of_characters_outlive_who_asked_first(self):
        source = "result = ('é☃'.encode('ascii', 'namereplace'), '\\N{SNOWMAN}', __import__('unicodedata').name('é'))"
        third = self.host.make(self.tree, self.tree / "app.py")
        expected = (b"\\N{LATIN SMALL LETTER E WITH ACUTE}\\N{SNOWMAN}", "☃", "LATIN SMALL LETTER E WITH ACUTE")
        self.assertEqual(self.run_in(third, source), expected)
        self.retire(third)
        # What it held is free now: other objects take the place.
        self.assertEqual(self.run_in(self.first, "kept = [bytes(n % 200) for n in range(100000)]\n" + source), expected)
        self.assertEqual(self.run_in(self.second, source), expected)

    def test_decimal_runs_without_its_c_part(self):
        source = """
            import importlib, sys
            sys.modules["_decimal"] = None
            sys.modules.pop("decimal", None)
            import decimal
            result = decimal.Decimal.__module__, str(decimal.Decimal(1) / 3)[:5], decimal.DefaultContext.prec
            del sys.modules["_decimal"], sys.modules["decimal"]
            """
        self.assertEqual(self.run_in(self.first, source), ("decimal", "0.333", 28))

    def test_putenv_is_for_children(self):
        source = """
            import os, subprocess
            def child():
                return subprocess.check_output(["sh", "-c", "echo $PUT"]).decode().strip()
            def what(function, *values):
                try:
                    return function(*values)
                except (OSError, ValueError) as error:
                    return type(error).__name__
            os.putenv("PUT", "one")
            found = [child(), os.environ.get("PUT"), os.system("test $PUT = one")]
            os.environ["PUT"] = "two"
            found.append(child())
            os.unsetenv("PUT")
            found += [child(), os.environ.pop("PUT")]
            result = found + [what(os.putenv, "a=b", "c"), what(os.putenv, "", "c"), what(os.unsetenv, "a\\0b")]
            """
        expected = ["one", None, 0, "two", "", "two", "ValueError", "OSError", "ValueError"]
        self.assertEqual(self.run_in(self.first, source), expected)
        self.assertEqual(self.run_in(self.second, "import os; result = os.popen('echo $PUT').read()"), "\n")

    def test_functions_that_stand_in_for_others_are_pickled(self):
        source = """
            import os, pickle, signal, time
            functions = (os.system, os.putenv, os.unsetenv, os.posix_spawn, time.tzset, signal.signal)
            result = [pickle.dumps(function) for function in functions]
            """
        names = [pickle.loads(one).__name__ for one in self.run_in(self.first, source)]
        self.assertEqual(names, ["system", "putenv", "unsetenv", "posix_spawn", "tzset", "signal"])

    def test_flags_are_those_of_the_app(self):
        source = """
            import asyncio.coroutines, subprocess, sys
            names = ("isolated", "no_site", "ignore_environment", "no_user_site", "safe_path")
            result = [bool(getattr(sys.flags, name)) for name in names], type(sys.flags).__name__, asyncio.coroutines._is_debug_mode(), subprocess._args_from_interpreter_flags()
            """
        self.assertEqual(self.run_in(self.first, source), ([False] * 5, "flags", False, ["-X", "utf8"]))
        environment = {"PYTHONASYNCIODEBUG": "1", "PYTHONSAFEPATH": "1"}
        other = self.serve(self.RUNS, name="other.py", env=environment, python_flags=["-s"])
        expected = ([False, False, False, True, True], "flags", True, ["-s", "-P", "-X", "utf8"])
        self.assertEqual(self.run_in(other, source), expected)

    def test_the_certificates_that_the_environment_names_are_taken(self):
        source = "import ssl; context = ssl.create_default_context(); result = len(context.get_ca_certs())"
        self.tree.write({"empty.pem": ""})
        nowhere = {"SSL_CERT_FILE": self.tree / "empty.pem", "SSL_CERT_DIR": self.tree.path}
        plain = {**nowhere, "PATH": "/usr/bin:/bin"}
        expected = subprocess.check_output([host_driver.PYTHON, "-c", source + "; print(result)"], env=plain)
        other = self.serve(self.RUNS, name="other.py", env=nowhere)
        self.assertEqual(self.run_in(other, source), int(expected))

    def test_a_locale_that_does_not_exist_is_refused(self):
        source = """
            import locale
            try:
                result = locale.setlocale(locale.LC_TIME, 'xx_NOWHERE')
            except locale.Error as error:
                result = str(error)
            """
        self.assertEqual(self.run_in(self.first, source), "unsupported locale setting")
        self.assertEqual(self.host.seen("process_wide"), [])

    def test_the_streams_are_copied_as_plain_ones(self):
        source = """
            import copy, pickle, sys
            def what(function, value):
                try:
                    return function(value) == value
                except TypeError as error:
                    return str(error)
            result = [what(pickle.dumps, sys.stdout), what(copy.copy, sys.stderr), what(copy.deepcopy, sys.stdout.write)]
            """
        refused = "cannot pickle '_io.TextIOWrapper' object"
        self.assertEqual(self.run_in(self.first, source), [refused, refused, True])


if __name__ == "__main__":
    case.unittest.main()
