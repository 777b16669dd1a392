"""Modules that a spare has imported ahead. They lie aside, out of sys.modules, until the app imports them, and
are then what it would have got without a spare: no module is there that nothing has imported, none that
the app's sys.path leads past, and none that was made for another environment."""

import builtins
import importlib.util
import os
import sys
import warnings
from importlib.machinery import (
    BuiltinImporter,
    ExtensionFileLoader,
    FrozenImporter,
    ModuleSpec,
    NamespaceLoader,
    PathFinder,
)

from _moult import importer, streams

kept = {}  # by name: what lies here
taken = {}  # by name: modules that the app has got from here
spoiled = set()  # names of those that the app has got in another way
finders_of_spare = []  # when its code came
machinery_of_spare = None
ALWAYS = ("always", None, Warning, None, 0)  # what warnings.simplefilter("always") adds


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


class Recorder:
    """While it is entered, what is imported goes to the shelf in the end."""

    def __enter__(self):
        self.before = set(sys.modules)
        self.needs, self.misses, self.environ, self.loud = {}, {}, {}, set()
        self.steps = {}  # by name: the import of ours that brought it
        self.real_import, builtins.__import__ = builtins.__import__, self.import_
        self.first, self.last = Finder(self.on_wanted), Finder(self.on_missed)
        sys.meta_path.insert(0, self.first)
        sys.meta_path.append(self.last)
        self.watch_environ()
        self.real_show, warnings.showwarning = warnings.showwarning, self.on_warning
        self.streams = [one for one in (sys.stdout, sys.stderr) if isinstance(one, streams.LogStream)]
        for stream in self.streams:
            stream.write = self.on_output
        self.shows_all = ALWAYS in warnings.filters
        if not self.shows_all:
            warnings.simplefilter("always")
        return self

    def __exit__(self, *error):
        builtins.__import__ = self.real_import
        for finder in (self.first, self.last):
            if finder in sys.meta_path:
                sys.meta_path.remove(finder)
        os._Environ.__getitem__, os._Environ.__iter__ = self.environ_methods
        warnings.showwarning = self.real_show
        for stream in self.streams:
            del stream.write
        if not self.shows_all and ALWAYS in warnings.filters:
            warnings.filters.remove(ALWAYS)  # what the modules have added stays
        self.put_aside()

    def watch_environ(self):
        self.environ_methods = getitem, iterate = os._Environ.__getitem__, os._Environ.__iter__

        def watched_getitem(environ, key):
            value = None
            try:
                value = getitem(environ, key)
                return value
            finally:
                for owner in running():
                    text = None if value is None else os.fsdecode(value)
                    self.environ.setdefault(owner, {})[os.fsdecode(key)] = text

        def watched_iterate(environ):
            self.loud.update(running())  # they have looked at all of them
            return iterate(environ)

        os._Environ.__getitem__, os._Environ.__iter__ = watched_getitem, watched_iterate

    def step(self, name):
        """Imports one; whether that could be done."""
        self.said = False
        before = set(sys.modules)
        try:
            self.real_import(name)
            done = True
        except Exception:
            done = False  # the app's own import will say why, if it still wants it
        for new in sys.modules.keys() - before:
            self.steps[new] = name
            if self.said:
                self.loud.add(new)
        return done

    def import_(self, name, globals=None, locals=None, fromlist=(), level=0):
        module = self.real_import(name, globals, locals, fromlist, level)
        if level:
            package = (globals or {}).get("__package__") or (globals or {}).get("__name__", "")
            name = importlib.util.resolve_name("." * level + name, package)
        names = with_parents(name)
        for item in fromlist or ():
            items = [child for child in sys.modules if is_child(child, name)] if item == "*" else [f"{name}.{item}"]
            names += [child for child in items if child in sys.modules]
        self.add_needs(names)
        return module

    def on_wanted(self, name, path):
        self.add_needs(with_parents(name))

    def add_needs(self, names):
        for owner in running():
            self.needs.setdefault(owner, {}).update(dict.fromkeys(names))

    def on_missed(self, name, path):
        if path is None:
            for owner in running():
                self.misses.setdefault(owner, set()).add(name)

    def on_refused(self, name):
        """The app's own, which an editable install has found."""
        self.on_missed(name.partition(".")[0], None)

    def on_warning(self, *what, **more):
        self.said = True

    def on_output(self, text):
        self.said = True
        return len(text)

    def put_aside(self):
        odd = []
        for order, (name, module) in enumerate(list(sys.modules.items())):
            if name in self.before:
                continue
            spec = importer.names_of(module).get("__spec__")
            if getattr(spec, "name", None) != name:
                odd.append((name, module))
            elif spec.has_location or spec.loader in (BuiltinImporter, FrozenImporter):
                self.keep(name, module, order)
            elif isinstance(spec.loader, NamespaceLoader):
                del sys.modules[name]  # there is nothing in it to keep
            else:
                odd.append((name, module))
        for name, one in kept.items():
            parent, _, tail = name.rpartition(".")
            above = module_above(parent)
            one.is_bound = importer.names_of(above).get(tail) is one.module
            if one.is_bound:
                delattr(above, tail)
        for name, module in odd:
            if owner := owner_of(name):
                owner.extras.append((name, module))
                del sys.modules[name]
            elif name.rpartition(".")[0] not in sys.modules:
                del sys.modules[name]
                self.give_up(self.steps.get(name))

    def give_up(self, step):
        """All that came with one import: nobody knows which of it has put another name into sys.modules."""
        for name in [name for name in kept if self.steps.get(name) == step]:
            del kept[name]
            spoiled.add(name)

    def keep(self, name, module, order):
        del sys.modules[name]
        try:
            one = Kept(name, module, order)
        except OSError:
            return  # in a zip file
        one.needs = self.needs.get(name, {})
        one.needs.update(dict.fromkeys(with_parents(name)))
        one.misses = self.misses.get(name, set())
        one.environ = self.environ.get(name, {})
        one.is_loud = name in self.loud
        kept[name] = one


class Finder:
    """Tells what comes by; finds nothing."""

    def __init__(self, told):
        self.told = told

    def find_spec(self, name, path=None, target=None):
        self.told(name, path)

    def invalidate_caches(self):
        pass


def running():
    """The names of all modules of which code is being run: the one that is being imported, those that import
    it, and those whose functions it calls, which may keep what they find."""
    names = set()
    frame = sys._getframe(2)
    while frame is not None:
        name = frame.f_globals.get("__name__")
        if isinstance(name, str) and name in sys.modules:
            names.add(name)
        frame = frame.f_back
    return names


def with_parents(name):
    parts = name.split(".")
    return [".".join(parts[: i + 1]) for i in range(len(parts))]


def is_child(name, package):
    return name.startswith(package + ".") and "." not in name[len(package) + 1 :]


def owner_of(name):
    """Of an entry of sys.modules that is no module of its own, as typing.io: the one that it is below."""
    while "." in name:
        name = name.rpartition(".")[0]
        if name in kept:
            return kept[name]
    return None


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
