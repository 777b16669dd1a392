"""Parts of Moult's own code that an interpreter loads when something asks for them: what an app does
not use costs it no memory."""

import importlib.machinery
import marshal
import sys

import _moult

facts = {}  # of the spec, for the module `moult`
stand_ins = set()  # modules of the standard library that boot/ has for sub-interpreters


class Finder:
    """Finds `moult`, which boot/api.py makes, modules `_moult.…` that were not run at boot, and stand-ins."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == "moult" or name in stand_ins or (name.startswith("_moult.") and _moult.boot_code(name[7:]) is not None):
            return importlib.machinery.ModuleSpec(name, Loader, origin="built into Moult")
        return None

    @staticmethod
    def invalidate_caches():
        pass


class Loader:
    @staticmethod
    def create_module(spec):
        if spec.name != "moult":
            return None
        from _moult import api

        return api.make_module(facts)

    @staticmethod
    def exec_module(module):
        if module.__name__ != "moult":
            exec(marshal.loads(_moult.boot_code(module.__name__.removeprefix("_moult."))), module.__dict__)


def install(spec):
    facts.update({name: spec[name] for name in ("app", "generation", "interp", "host", "cause")})
    if spec["mode"] != "main":
        stand_ins.update(("_tracemalloc", "faulthandler"))
    sys.meta_path.insert(0, Finder)
