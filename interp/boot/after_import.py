"""What is done to a module of the standard library each time it has run: when it is imported, imported anew because a
spare's was not right, reloaded, or loaded by a LazyLoader in the end."""

import sys
from _thread import get_ident

patches = {}  # by name: functions that get the module
behind = []  # the finders that were there before ours
asking = set()  # (thread, name): the finders behind ours are being asked


def after_import(name, function):
    if name in sys.modules:  # a .pth file has imported it
        function(sys.modules[name])
    patches.setdefault(name, []).append(function)


class Finder:
    """Lets the finders behind it find, and looks over the loader's shoulder."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        me = (get_ident(), name)
        if name not in patches or me in asking:
            return None
        asking.add(me)
        try:
            spec = found_behind(name, path, target)
        finally:
            asking.discard(me)
        if spec is not None and spec.loader is not None:
            watch(spec)
        return spec

    @staticmethod
    def invalidate_caches():
        pass


def found_behind(name, path, target):
    finders = list(sys.meta_path)
    # An app may have wrapped all finders. Then ours asks those that it stood before, since what it finds is wrapped
    # once more than it should be.
    for finder in finders[finders.index(Finder) + 1 :] if Finder in finders else behind:
        find = getattr(finder, "find_spec", None)
        if find is not None and (spec := find(name, path, target)) is not None:
            return spec
    return None


def watch(spec):
    loader = spec.loader
    if getattr(loader, "name", None) != spec.name:  # one for many modules, as that of the built-in ones
        spec.loader = Loader(loader)
        return
    execute = loader.exec_module

    def exec_module(module):
        execute(module)
        patch(module)

    loader.exec_module = exec_module  # of this one loader


class Loader:
    def __init__(self, inner):
        self.inner = inner

    def create_module(self, spec):
        return self.inner.create_module(spec)

    def exec_module(self, module):
        module.__spec__.loader = module.__loader__ = self.inner
        self.inner.exec_module(module)
        patch(module)


def patch(module):
    for function in patches[module.__spec__.name]:
        function(module)


def install():
    behind.extend(sys.meta_path)
    sys.meta_path.insert(0, Finder)
