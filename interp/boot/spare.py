"""A spare interpreter imports the standard library before there is code to load, so that a change costs
only the app's own imports. None of the app's code runs in it before that."""

import os
import sys
import time

import _moult
from _moult import importer

# Modules of Moult and of the interpreter itself, which each interpreter has from the beginning.
OWN = frozenset(("_moult", "moult", "__main__", "sys", "builtins"))
PAUSE = 0.001  # seconds between two imports: the apps of this host go first


def top(name):
    return name.partition(".")[0]


def is_standard(folder):
    """Is a folder (or a file in it) of the standard library?"""
    library = os.path.dirname(os.__file__)
    return importer.is_under(folder, library) and not importer.is_installed(folder)


def loaded(packages):
    """(names, why not): the modules that this interpreter has from the standard library, and with
    `packages` from the installed ones, in the order of their first import; and what the app has replaced
    in the standard library, "" if nothing: then its order of imports matters."""
    return [name for name, module in list(sys.modules.items()) if is_wanted(name, module, packages)], patched()


def is_wanted(name, module, packages):
    spec = getattr(module, "__spec__", None)
    if top(name) in OWN or getattr(spec, "name", None) != name or not isinstance(spec.origin, str):
        return False
    if spec.origin in ("built-in", "frozen") or is_standard(spec.origin):
        return top(name) in sys.stdlib_module_names
    return packages and importer.is_installed(spec.origin)


def patched():
    """ "socket.socket by gevent._socket3", or "". Sees functions and classes that were put in the place of
    others, as monkey patching does."""
    known = sys.stdlib_module_names | OWN
    for name, module in list(sys.modules.items()):
        origin = getattr(getattr(module, "__spec__", None), "origin", None)
        if top(name) in OWN or not isinstance(origin, str) or not is_standard(origin):
            continue
        for key, value in list(vars(module).items()):
            owner = getattr(value, "__module__", None) if callable(value) and not key.startswith("_") else None
            if isinstance(owner, str) and top(owner) not in known:
                return f"{name}.{key} by {owner}"
    return ""


def preload(names):
    """Imports what can be imported without the app's folders; the top-level names that are new."""
    before = {top(name) for name in sys.modules}
    path = list(sys.path)
    sys.path[:] = [entry for entry in path if is_standard(entry) or importer.is_installed(entry)]
    try:
        for name in names:
            if name in sys.modules:
                continue
            try:
                __import__(name)
            except Exception:
                pass  # the app's own import will say why, if it still wants it
            time.sleep(PAUSE)
    finally:
        sys.path[:] = path
    return sorted({top(name) for name in sys.modules} - before - OWN)


def begin(generation, cause):
    """From here on it is an interpreter of that generation."""
    from _moult import on_demand

    on_demand.facts.update(generation=generation, cause=cause)
    sys.path_importer_cache.clear()  # folders may have changed since
    del sys.modules["_moult.spare"], _moult.spare
