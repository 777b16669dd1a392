"""What the tests of one host process share."""

import importlib.util
import os
import subprocess
import sys
import textwrap
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "support"))

import host_driver  # noqa: E402
from host_driver import Host, Tree  # noqa: E402

# An app that evaluates what it is sent, in its own module.
EVALUATES = """
    def application(environ, start):
        source = environ['wsgi.input'].read().decode()
        start('200 OK', [])
        try:
            return [repr(eval(source, globals())).encode()]
        except BaseException as error:
            return [f'{type(error).__name__}: {error}'.encode()]
"""


def has_package(name):
    """Can the Python under test import it?"""
    return subprocess.run([host_driver.PYTHON, "-c", f"import {name}"], capture_output=True).returncode == 0


class HostCase(unittest.TestCase):
    """One host per test class, a private tree per test."""

    @classmethod
    def setUpClass(cls):
        cls.host = Host()
        cls.addClassCleanup(cls.host.close)

    def setUp(self):
        self.tree = Tree()
        self.addCleanup(self.tree.remove)

    def serve(self, source, name="app.py", host=None, **options):
        """An interpreter that serves this source; retired at the end of the test."""
        self.tree.write({name: source})
        interp = (host or self.host).make(self.tree, self.tree / name, **options)
        if host is None:
            self.addCleanup(self.retire, interp)
        return interp

    def retire(self, interp):
        event = interp.retire()
        self.assertEqual(event["event"], "retired", event)

    # An app that runs what it is sent; `result` of it is the answer.
    RUNS = """
        import traceback
        def application(environ, start):
            source = environ['wsgi.input'].read().decode()
            scope = {}
            start('200 OK', [])
            try:
                exec(compile(source, '<test>', 'exec'), scope)
                return [repr((True, scope['result'])).encode()]
            except BaseException:
                return [repr((False, traceback.format_exc())).encode()]
        """

    def run_in(self, interp, source):
        """What `source` calls `result`, run in an interpreter that serves RUNS."""
        response = interp.get(method="POST", body=textwrap.dedent(source).encode())
        self.assertIsNone(response.failed)
        done, result = eval(response.body)
        self.assertTrue(done, result)
        return result
