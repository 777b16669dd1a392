"""Where CPython's own tests come out otherwise in an app's interpreter, and the fact that makes it so.

Each line: the tests (a pattern), the Pythons (a pattern), the reason.
"""

import fnmatch

TABLE = []


def reason(python, test):
    for tests, pythons, why in TABLE:
        if fnmatch.fnmatchcase(test, tests) and fnmatch.fnmatchcase(python, pythons):
            return why
    return None
