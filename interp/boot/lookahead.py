"""Looks at what the imported packages may import later: an extension module of theirs that refuses
sub-interpreters is known before a request meets it. Loaded once per interpreter, after the app."""

import sys

import _moult
from _moult import extensions, importer, verdict


def look():
    """With isolation = "auto" the first such module is a verdict."""
    if not _moult.may_move():
        return
    loaded = {path for _, path, _ in extensions.loaded}
    for package, folder in packages():
        for path, objection in _moult.extensions_below(folder):
            name = module_name(package, path[len(folder) + 1 :])
            if path not in loaded and name not in extensions.KNOWN_GOOD and name not in sys.modules:
                verdict.process_wanted(name, objection, path)


def packages():
    """(name, folder) of each installed package that is imported, without those inside of others."""
    found = {}
    for name, module in list(sys.modules.items()):
        file = importer.names_of(module).get("__file__")
        if isinstance(file, str) and file.endswith("/__init__.py") and importer.is_installed(file):
            found[name] = file.removesuffix("/__init__.py")
    return [(name, folder) for name, folder in found.items() if name.rpartition(".")[0] not in found]


def module_name(package, path):
    """The dotted name of an extension module, whose path is below the package's folder."""
    parts = path.split("/")
    return ".".join([package, *parts[:-1], parts[-1].partition(".")[0]])
