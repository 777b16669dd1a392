"""Watches which extension modules load and which refuse, and on 3.11 refuses for them."""

import _imp
import importlib.machinery
import os
import re
import sys

import _moult
from _moult import verdict

# Made by PyModule_Create, and yet safe in several interpreters once the main one has it: their C
# state is the same for all.
KNOWN_GOOD = {"markupsafe._speedups"}
# The same of the standard library, beside those that preimport.py has in any case.
STANDARD_STATE = {"_curses", "_tkinter", "ossaudiodev"}

# Of the dynamic linker, dlopen(3): the file is at fault, and would be in any process.
BROKEN_FILE = re.compile(
    "cannot open shared object|undefined symbol|invalid ELF|wrong ELF|file too short|not found \\(required by|"
    "failed to map|cannot allocate memory in static TLS"
)

loaded = []  # (module, path, kind)


def install(mode, preimported):
    is_old = mode == "shared" and sys.version_info < (3, 12)
    checks = is_old or mode in ("strict", "own")
    if is_old:
        # Its tasks and loops are those of the whole process, in objects of the first interpreter that
        # used it (static variables of _asynciomodule.c). asyncio does without.
        sys.modules["_asyncio"] = None
    standard = os.path.dirname(os.__file__)
    trusted = {os.path.realpath(path) for path in preimported}
    loader_type = importlib.machinery.ExtensionFileLoader
    create = loader_type.create_module
    execute = loader_type.exec_module

    def is_standard(path):
        return path.startswith(standard + "/") and "-packages/" not in path

    def create_module(self, spec):
        path = str(self.path)
        known = STANDARD_STATE if is_standard(path) else KNOWN_GOOD
        if mode in ("shared", "strict") and spec.name in known:
            # First in the main interpreter: the module would else belong to this one and die with it.
            why = _moult.preimport(path, spec.name)
            if why:
                _moult.notice("warning", f"{spec.name} could not be loaded into the main interpreter: {why}")
        if is_standard(path):
            return watched(create, self, spec)
        if mode == "strict" and spec.name in KNOWN_GOOD:
            return without_check(spec.name, path, self, spec)
        is_checked = checks and spec.name not in KNOWN_GOOD and os.path.realpath(path) not in trusted
        # Before any of it runs: NumPy's initialisation in a sub-interpreter crashes 3.11, and what Cython made works
        # in the first interpreter of a process, so in one generation.
        if is_checked and (why := _moult.extension_objection(path)):
            raise refusal(spec.name, path, why)
        module = watched(create, self, spec)
        kind = _moult.module_kind(module)
        if is_checked and is_old and kind == "single-phase":
            raise refusal(spec.name, path, "it was made for one interpreter")
        loaded.append((spec.name, path, kind))
        return module

    def without_check(name, path, loader, spec):
        """CPython's own check refuses what PyModule_Create made, whatever it is."""
        before = _imp._override_multi_interp_extensions_check(-1)
        try:
            module = watched(create, loader, spec)
        finally:
            _imp._override_multi_interp_extensions_check(before)
        loaded.append((name, path, _moult.module_kind(module)))
        return module

    def refusal(name, path, why):
        verdict.process_wanted(name, why, path)
        return ImportError(f"module {name} does not support loading in subinterpreters: {why}", name=name, path=path)

    def exec_module(self, module):
        return watched(execute, self, module)

    def watched(function, self, argument):
        try:
            return function(self, argument)
        except Exception as error:
            if not (is_broken(error) or is_optional(self.name)):
                verdict.process_wanted(self.name, f"{type(error).__name__}: {error}"[:500], str(self.path))
            raise

    loader_type.create_module = create_module
    loader_type.exec_module = exec_module


def is_broken(error):
    """Would it fail in a process of its own as well? Then the interpreter is not to blame."""
    if isinstance(error, ModuleNotFoundError) and error.name:
        # From 3.13 on a module of the old kind is initialised by the main interpreter, which does not find what
        # this one has.
        from importlib.util import find_spec

        top = error.name.partition(".")[0]
        return error.name not in sys.modules and (top != error.name or find_spec(top) is None)
    return BROKEN_FILE.search(str(error)) is not None


def is_optional(name):
    """The standard library's own import of readline: pdb and doctest have it for a terminal only."""
    if name != "readline":
        return False
    frame = sys._getframe(2)
    while frame is not None:
        importer = str(frame.f_globals.get("__name__")).partition(".")[0]
        if importer not in ("importlib", "_frozen_importlib", "_frozen_importlib_external", "_moult"):
            return importer in sys.stdlib_module_names
        frame = frame.f_back
    return False
