"""Watches which extension modules load and which refuse, and on 3.11 refuses for them."""

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
    checks = mode == "shared" and sys.version_info < (3, 12)
    if checks:
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
        if mode == "shared" and spec.name in known:
            # First in the main interpreter: the module would else belong to this one and die with it.
            why = _moult.preimport(path, spec.name)
            if why:
                _moult.notice("warning", f"{spec.name} could not be loaded into the main interpreter: {why}")
        if is_standard(path):
            return watched(create, self, spec)
        is_checked = checks and spec.name not in KNOWN_GOOD and os.path.realpath(path) not in trusted
        if is_checked and kind_in_file(path) == "single-phase":
            raise refusal(spec.name, path)
        module = watched(create, self, spec)
        kind = _moult.module_kind(module)
        if is_checked and kind == "single-phase":
            raise refusal(spec.name, path)
        loaded.append((spec.name, path, kind))
        return module

    def refusal(name, path):
        text = f"module {name} does not support loading in subinterpreters"
        verdict.process_wanted(name, text, path)
        return ImportError(text, name=name, path=path)

    def exec_module(self, module):
        return watched(execute, self, module)

    def watched(function, self, argument):
        try:
            return function(self, argument)
        except Exception as error:
            if not is_broken(error):
                verdict.process_wanted(self.name, f"{type(error).__name__}: {error}"[:500], str(self.path))
            raise

    loader_type.create_module = create_module
    loader_type.exec_module = exec_module


def is_broken(error):
    """Would it fail in a process of its own as well? Then the interpreter is not to blame."""
    return isinstance(error, ModuleNotFoundError) or BROKEN_FILE.search(str(error)) is not None


def kind_in_file(path):
    """How a module would be made, without running any of it (NumPy's initialisation in a
    sub-interpreter crashes 3.11): its file names the API function that makes it. "" when unclear."""
    try:
        with open(path, "rb") as file:
            content = file.read()
    except OSError:
        return ""
    multi = b"\0PyModuleDef_Init\0" in content
    single = b"\0PyModule_Create2\0" in content
    if multi == single:
        return ""
    return "multi-phase" if multi else "single-phase"
