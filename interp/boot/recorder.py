"""What a spare notes of each import, for the shelf."""

import builtins
import importlib.util
import os
import sys
import warnings
from importlib.machinery import BuiltinImporter, FrozenImporter, NamespaceLoader

from _moult import importer, streams
from _moult.shelf import Kept, kept, module_above, spoiled

ALWAYS = ("always", None, Warning, None, 0)  # what warnings.simplefilter("always") adds


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
