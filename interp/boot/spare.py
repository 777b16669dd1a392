"""A spare interpreter imports the standard library before there is code to load, and has the code of the
other modules at hand, so that a change costs no more than running the app's own imports. None of the
app's code runs in it before that, and none of the installed packages unless it is told so."""

import marshal
import os
import sys
import time

import _moult
from _moult import importer, shelf, start, verdict

# Modules of Moult and of the interpreter itself, which each interpreter has from the beginning.
OWN = frozenset(("_moult", "moult", "__main__", "sys", "builtins"))
PAUSE = 0.001  # seconds after each such time of work: the apps of this host go first


def top(name):
    return name.partition(".")[0] if isinstance(name, str) else ""


def is_standard(folder):
    """Is a folder (or a file in it) of the standard library?"""
    library = os.path.dirname(os.__file__)
    return importer.is_under(folder, library) and not importer.is_installed(folder)


def loaded(packages):
    """(names, sources, why not): the modules that this interpreter has from the standard library, and with
    `packages` from the installed ones, in the order of their first import; the files of its other modules;
    and why there should be no spare, "" if it may be."""
    names, files = [], []
    for name, module in list(sys.modules.items()):
        if is_wanted(name, module, packages):
            names.append(name)
        elif file := source_of(name, module):
            files.append(file)
    return names, by_folder(files), patched()


def spec_of(module):
    return importer.names_of(module).get("__spec__")


def source_of(name, module):
    """The file that a module was loaded from in the usual way, or ""."""
    spec = spec_of(module)
    if top(name) in OWN or not isinstance(getattr(spec, "origin", None), str):
        return ""
    is_usual = type(getattr(spec, "loader", None)) in (importer.SnapshotLoader, importer.SourceFileLoader)
    return spec.origin if is_usual and os.path.isabs(spec.origin) else ""


def by_folder(files):
    """Paths, shorter: "/srv/shop/", "app.py", "views.py", "/usr/lib/…/flask/", "__init__.py", …"""
    folders = {}
    for file in files:
        folder, _, name = file.rpartition("/")
        folders.setdefault(folder + "/", []).append(name)
    return [text for folder, names in folders.items() for text in (folder, *names)]


def from_folders(texts):
    folder = "/"
    for text in texts:
        if text.endswith("/"):
            folder = text
        else:
            yield folder + text


def is_wanted(name, module, packages):
    spec = spec_of(module)
    if top(name) in OWN or getattr(spec, "name", None) != name or not isinstance(getattr(spec, "origin", None), str):
        return False
    if spec.origin in ("built-in", "frozen") or is_standard(spec.origin):
        return top(name) in sys.stdlib_module_names
    return packages and importer.is_installed(spec.origin)


def patched():
    """Has the app replaced something in the standard library? Then the order of its imports matters. Sees
    functions and classes that were put in the place of others, as monkey patching does."""
    known = sys.stdlib_module_names | OWN
    for name, module in list(sys.modules.items()):
        origin = getattr(spec_of(module), "origin", None)
        if top(name) in OWN or not isinstance(origin, str) or not is_standard(origin):
            continue
        for key, value in list(importer.names_of(module).items()):
            try:
                owner = value.__module__ if callable(value) and not key.startswith("_") else None
            except Exception:
                continue
            if isinstance(owner, str) and top(owner) not in known:
                return f"the app replaces {name}.{key} by {owner}"
    return ""


class Turns:
    """Leaves half of the time to the apps of this host."""

    def __init__(self):
        self.began = time.monotonic()

    def rest(self):
        if time.monotonic() - self.began > PAUSE:
            time.sleep(PAUSE)
            self.began = time.monotonic()


def preload(names, sources):
    """Imports what can be imported without the app's folders, and compiles the sources. The names of what is at
    hand then."""
    turns = Turns()
    import_without_app(names, turns)
    known = {one.spec.origin for one in shelf.kept.values()}
    known.update(getattr(spec_of(module), "origin", None) for module in sys.modules.values())
    for path in from_folders(sources):
        try:
            if path not in known:
                compile_ahead(path)
        except Exception:
            pass  # the app's own import will say why, if it still wants it
        turns.rest()
    return list(shelf.kept)


def import_without_app(names, turns):
    from _moult import recorder

    path = list(sys.path)
    sys.path[:] = [entry for entry in path if is_standard(entry) or importer.is_installed(entry)]
    try:
        with recorder.Recorder() as notes:
            importer.refuse = notes.on_refused
            for name in names:
                notes.step(name)
                turns.rest()
            # These come before the app's own code in any case: up to the first that is the app's.
            for name in start.preload:
                if not notes.step(name):
                    break
                turns.rest()
    finally:
        importer.refuse = None
        sys.path[:] = path


def compile_ahead(path):
    """Gets the code of a source that an app of this host has imported. It is used if the source is the same
    when it is imported."""
    if known := _moult.last_code(path):
        importer.ready[path] = known[0], marshal.loads(known[1])
    elif not importer.in_snapshot_roots(path):
        state = importer.stamp_of(path)
        importer.ready[path] = state, importer.SourceFileLoader("", path).get_code("")


def begin(generation, cause):
    """From here on it is an interpreter of that generation."""
    from _moult import on_demand

    on_demand.facts.update(generation=generation, cause=cause)
    sys.path_importer_cache.clear()  # folders may have changed since
    verdict.notes.clear()  # what a spare has met is not the app's
    shelf.open_for_app()
    for name in ("spare", "recorder"):  # nobody needs them again
        del sys.modules["_moult." + name]
        delattr(_moult, name)
