"""Functions of Moult that stand in the place of others have the names of those, so that pickle finds them: a
function goes to another process by its name."""

import sys
import types

# Where any are put while an interpreter boots.
MODULES = ("os", "posix", "time", "io", "sys", "linecache", "threading", "signal", "_signal", "_locale", "_posixsubprocess")


def name_all():
    for module in map(sys.modules.get, MODULES):
        if module is not None:
            name(module)


def name(module):
    for key, value in vars(module).items():
        if isinstance(value, types.FunctionType) and (value.__module__ or "").startswith("_moult."):
            value.__module__ = module.__name__
            value.__name__ = value.__qualname__ = key
