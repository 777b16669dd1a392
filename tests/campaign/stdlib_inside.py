"""Runs one of CPython's test files and says what became of each test: in plain Python (as a program, with the
name, the file of tests to leave out, and the folder), and inside an app."""

import json
import os
import sys
import threading
import time
import unittest


class Outcomes(unittest.TestResult):
    """{test: "passed", "skipped" or "failed"}, and the text of what failed. Notes what it is at."""

    def __init__(self, at):
        super().__init__()
        self.at = at
        self.outcomes = {}
        self.texts = {}

    def startTest(self, test):
        super().startTest(test)
        with open(self.at, "w") as file:
            file.write(test.id())
        self.outcomes[test.id()] = "passed"

    def failed(self, test, error):
        self.outcomes[test.id()] = "failed"
        self.texts[test.id()] = self._exc_info_to_string(error, test)[-3000:]

    addError = addFailure = failed

    def addSubTest(self, test, subtest, error):
        if error is not None:
            self.failed(test, error)

    def addSkip(self, test, reason):
        self.outcomes[test.id()] = "skipped"
        self.texts[test.id()] = reason

    def addExpectedFailure(self, test, error):
        self.outcomes[test.id()] = "passed"

    def addUnexpectedSuccess(self, test):
        self.outcomes[test.id()] = "failed"


def tests_in(suite):
    for one in suite:
        if isinstance(one, unittest.TestSuite):
            yield from tests_in(one)
        else:
            yield one


def run(name, left_out, folder, results):
    """Writes {"outcomes": …, "texts": …, "seconds": …} to the file `results` in the folder."""
    began = time.monotonic()
    outcomes = Outcomes(os.path.join(folder, "at"))
    try:
        from test import support

        support.use_resources = []  # no network, no large files, no long times
        support.verbose = 0
        suite = unittest.defaultTestLoader.loadTestsFromName("test." + name)
        wanted = [test for test in tests_in(suite) if test.id() not in left_out]
        unittest.TestSuite(wanted).run(outcomes)
    except BaseException as error:
        import traceback

        skipped = isinstance(error, unittest.SkipTest)
        outcomes.outcomes[name] = "skipped" if skipped else "failed"
        outcomes.texts[name] = traceback.format_exc()[-3000:]
    found = {"outcomes": outcomes.outcomes, "texts": outcomes.texts, "seconds": time.monotonic() - began}
    with open(os.path.join(folder, "whole"), "w") as file:
        json.dump(found, file)
    os.replace(file.name, os.path.join(folder, results))


if __name__ == "__main__":
    name, left_out, folder = sys.argv[1:]
    # In a thread, as the calls of an app are.
    thread = threading.Thread(
        target=run, args=(name, json.loads(left_out), folder, "plain"), name="moult-worker-0", daemon=True
    )
    thread.start()
    thread.join()
    os._exit(0)
