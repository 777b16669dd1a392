"""Modules that a spare has imported ahead. They lie aside, out of sys.modules, until the app imports them, and
are then what it would have got without a spare: no module is there that nothing has imported, none that
the app's sys.path leads past, and none that was made for another environment."""

import builtins
import os
import sys
from importlib.machinery import ExtensionFileLoader, ModuleSpec, PathFinder

from _moult import importer

kept = {}  # by name: what lies here
taken = {}  # by name: modules that the app has got from here
spoiled = set()  # names of those that the app has got in another way
finders_of_spare = []  # when its code came
machinery_of_spare = None


class Kept:
    """One module, and what its import went by."""

    def __init__(self, name, module, order):
        spec = importer.names_of(module)["__spec__"]
        self.name = name
        self.module = module
        self.spec = spec
        self.order = order
        self.folder = self.stamp = None  # one of the interpreter itself
        if spec.has_location:
            self.stamp = importer.stamp_of(spec.origin)
            is_package = spec.submodule_search_locations is not None
            self.folder = os.path.dirname(os.path.dirname(spec.origin) if is_package else spec.origin)
        self.extras = []  # (name, what else it put into sys.modules)
        self.needs = {}  # modules that were imported while it ran; only the keys count, in order
        self.misses = set()  # those that were looked for in vain
        self.environ = {}  # variables that it has read, with their values
        self.is_loud = False  # it has warned or printed, which the app's own import is to do
        self.is_bound = False  # it is an attribute of its package

    def is_right(self):
        """Would the app's own import get this very module?"""
        if self.is_loud or any(os.environ.get(name) != value for name, value in self.environ.items()):
            return False
        try:
            if self.stamp and importer.stamp_of(self.spec.origin) != self.stamp:
                return False
        except OSError:
            return False
        return self.stamp is None or self.is_in_its_place() and not any(map(is_found, self.misses))

    def is_in_its_place(self):
        parent = self.name.rpartition(".")[0]
        if not parent:
            return first_entry_with(self.name, self.folder) == self.folder
        path = importer.names_of(module_above(parent)).get("__path__")
        return path is not None and first_entry_with(self.name, self.folder, path) == self.folder


def first_entry_with(name, folder, path=None):
    """The entry of the path that the module comes from, as far as `folder`, where it is known to be."""
    for entry in sys.path if path is None else path:
        if entry == folder:
            return entry
        finder = PathFinder._path_importer_cache(entry)
        spec = finder.find_spec(name) if finder is not None else None
        if spec is not None and spec.loader is not None:
            return entry
    return None


def is_found(name):
    for finder in list(sys.meta_path):
        if finder is not Shelf and (find := getattr(finder, "find_spec", None)) and find(name, None):
            return True
    return False


def closure(name):
    """The modules that come with it, in the order in which they were loaded; None if one is not right."""
    found, todo = {}, [name]
    while todo:
        wanted = todo.pop()
        if wanted in spoiled or (wanted in taken and sys.modules.get(wanted) is not taken[wanted]):
            return None
        one = kept.get(wanted)
        if one is None or wanted in found:
            continue
        if wanted in sys.modules or not one.is_right():
            return None
        found[wanted] = one
        todo += one.needs
    return sorted(found.values(), key=lambda one: one.order)


class Shelf:
    """Stands first on sys.meta_path of what was a spare."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        if name not in kept or importer.is_question():
            return None
        if machinery() != machinery_of_spare:
            spoiled.update(kept)
            kept.clear()
            return None
        modules = closure(name)
        if modules is None:
            del kept[name]
            spoiled.add(name)
            return None
        found = kept[name]
        for one in modules:
            if one is not found:
                put_back(one)
        return ModuleSpec(name, Loader(found), origin=found.spec.origin)

    @staticmethod
    def invalidate_caches():
        pass


class Loader:
    """Of one module. A LazyLoader may put it off, and has spec.loader_state for itself."""

    def __init__(self, one):
        self.one = one

    def create_module(self, spec):
        return self.one.module

    def exec_module(self, module):
        module.__spec__ = self.one.spec
        take(self.one)


def take(one):
    kept.pop(one.name, None)
    taken[one.name] = one.module
    sys.modules.update(one.extras)


def put_back(one):
    parent, _, tail = one.name.rpartition(".")
    if one.is_bound:
        setattr(module_above(parent), tail, one.module)
    sys.modules[one.name] = one.module
    take(one)


def module_above(parent):
    return kept[parent].module if parent in kept else sys.modules.get(parent)


def machinery():
    """What an import goes through. An app that replaces any of it (demandimport wraps all finders) is to see each
    import; a finder that it adds comes before the shelf, or is asked for what nobody else finds."""
    loaders = (importer.SourceFileLoader, ExtensionFileLoader)
    parts = [vars(kind).get(name) for kind in loaders for name in ("create_module", "exec_module", "get_code")]
    parts += [builtins.__import__, vars(PathFinder)["find_spec"], *sys.path_hooks]
    return parts + [finder for finder in finders_of_spare if any(finder is one for one in sys.meta_path)]


def open_for_app():
    global machinery_of_spare
    if kept:
        sys.meta_path.insert(0, Shelf)
        finders_of_spare.extend(sys.meta_path)
        machinery_of_spare = machinery()
