"""Prints the names of all modules of this Python's standard library that are exercised."""

import json
import os
import pkgutil
import re
import sys

LEFT_OUT = re.compile(
    r"(antigravity|this|__hello__|__phello__.*|__main__|.*\.__main__"  # act when they are imported
    r"|test\b.*|.*\.tests?\b.*|idlelib\b.*|turtledemo\b.*|_?tkinter\b.*|turtle|lib2to3\.tests\b.*|ensurepip\._\w*"  # programs, windows
    r"|_test\w+|_ctypes_test|_xx\w+|xx\w+|_interp\w+|_suggestions)$"  # CPython's own tests, and what runs interpreters itself
)


def names():
    folder = os.path.dirname(os.__file__)
    found = set(sys.stdlib_module_names) | set(sys.builtin_module_names)
    for package in [name for name in found if os.path.isdir(os.path.join(folder, name))]:
        found.update(walked(os.path.join(folder, package), package + "."))
    return sorted(name for name in found if not LEFT_OUT.match(name))


def walked(folder, prefix):
    for one in pkgutil.iter_modules([folder], prefix):
        yield one.name
        if one.ispkg:
            yield from walked(os.path.join(folder, one.name.rpartition(".")[2]), one.name + ".")


if __name__ == "__main__":
    print(json.dumps(names()))
