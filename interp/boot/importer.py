"""Imports an app's sources from its generation's snapshot, whatever the disk says meanwhile."""

import importlib.machinery
import importlib.util
import linecache
import marshal
import os
import sys

import _moult

EXTENSION_ENDINGS = tuple(importlib.machinery.EXTENSION_SUFFIXES)
BYTECODE_ENDING = ".pyc"

roots = ()
nested = ()  # installations (virtual environments) below a root, whose files are not in snapshots


def install(spec):
    global roots, nested
    roots = tuple(dict.fromkeys(root.rstrip("/") for root in spec["roots"]))
    places = {spec["venv"].rstrip("/"), sys.prefix, sys.base_prefix} - {""}
    nested = tuple(place for place in places if any(place.startswith(root + "/") for root in roots))
    sys.path_hooks.insert(0, finder_for)
    sys.path_importer_cache.clear()
    update_from_disk = linecache.updatecache

    def updatecache(filename, module_globals=None):
        """Tracebacks show the generation's source, not the disk's."""
        content = _moult.snapshot_get(filename)
        if content is None:
            return update_from_disk(filename, module_globals)
        try:
            lines = importlib.util.decode_source(content).splitlines(True)
        except (SyntaxError, UnicodeDecodeError):
            lines = content.decode("latin-1").splitlines(True)
        # No time: checkcache() leaves the entry alone.
        linecache.cache[filename] = len(content), None, lines, filename
        return lines

    linecache.updatecache = updatecache


def is_under(path, folder):
    return path == folder or path.startswith(folder + "/")


def is_installed(path):
    """Site-packages and virtual environments are ordinary folders also inside an app's tree."""
    return (
        "/site-packages" in path
        or "/dist-packages" in path
        or any(is_under(path, place) for place in nested)
    )


def in_snapshot_roots(path):
    return any(is_under(path, root) for root in roots) and not is_installed(path)


def finder_for(path):
    folder = os.path.abspath(path) if path else os.getcwd()
    if not in_snapshot_roots(folder):
        raise ImportError("not under a root of the app", path=path)
    return SnapshotFinder(folder)


class SnapshotLoader(importlib.machinery.SourceFileLoader):
    """Loads a source of the snapshot. Bytecode files are neither read nor written: they belong to
    what the disk holds now."""

    def get_data(self, path):
        content = _moult.snapshot_get(os.fspath(path))
        return super().get_data(path) if content is None else content

    def path_stats(self, path):
        raise OSError("a snapshot has no times")

    def get_code(self, fullname):
        """Compiles, unless another generation in this host had the very same source."""
        known = _moult.cached_code(self.path)
        if known is not None:
            return marshal.loads(known)
        code = self.source_to_code(self.get_data(self.path), self.path)
        _moult.keep_code(self.path, marshal.dumps(code))
        return code


class SnapshotFinder:
    """Finds the modules of one folder below a root: sources in the snapshot, extension modules and
    modules that exist as bytecode only on the disk. A source that only the disk has is not found."""

    def __init__(self, folder):
        self.path = folder
        self._disk_time = None
        self._disk_names = frozenset()

    def __repr__(self):
        return f"SnapshotFinder({self.path!r})"

    def find_spec(self, fullname, target=None):
        tail = fullname.rpartition(".")[2]
        base = f"{self.path}/{tail}"
        on_disk = self._names_on_disk()
        package = f"{base}/__init__.py"
        if _moult.snapshot_has(package):
            return self._source_spec(fullname, package, [base])
        for ending in EXTENSION_ENDINGS:
            if tail + ending in on_disk:
                return self._other_spec(fullname, importlib.machinery.ExtensionFileLoader, base + ending)
        if _moult.snapshot_has(base + ".py"):
            return self._source_spec(fullname, base + ".py", None)
        if tail + BYTECODE_ENDING in on_disk:
            return self._other_spec(fullname, importlib.machinery.SourcelessFileLoader, base + BYTECODE_ENDING)
        if _moult.snapshot_holds(base) or holds_binaries(base):
            spec = importlib.machinery.ModuleSpec(fullname, None)
            spec.submodule_search_locations = [base]
            return spec
        return None

    def iter_modules(self, prefix=""):
        """For pkgutil.iter_modules, by which Django finds commands and migrations."""
        names = {}
        for name in [*_moult.snapshot_names(self.path), *self._names_on_disk()]:
            is_package = name.endswith("/")
            if is_package and not _moult.snapshot_has(f"{self.path}/{name}__init__.py"):
                continue
            stem = name.rstrip("/").partition(".")[0]
            if stem != "__init__" and stem.isidentifier():
                names[stem] = names.get(stem, False) or is_package
        return [(prefix + name, is_package) for name, is_package in sorted(names.items())]

    def invalidate_caches(self):
        self._disk_time = None

    def _source_spec(self, fullname, path, locations):
        loader = SnapshotLoader(fullname, path)
        return importlib.util.spec_from_file_location(
            fullname, path, loader=loader, submodule_search_locations=locations
        )

    def _other_spec(self, fullname, loader, path):
        return importlib.util.spec_from_file_location(fullname, path, loader=loader(fullname, path))

    def _names_on_disk(self):
        """Extension modules and bytecode in the folder; the folder's time says when to look again."""
        try:
            time = os.stat(self.path).st_mtime_ns
            if time != self._disk_time:
                endings = (*EXTENSION_ENDINGS, BYTECODE_ENDING)
                self._disk_names = frozenset(n for n in os.listdir(self.path) if n.endswith(endings))
                self._disk_time = time
        except OSError:
            self._disk_names = frozenset()
            self._disk_time = None
        return self._disk_names


def holds_binaries(folder):
    try:
        return any(name.endswith((*EXTENSION_ENDINGS, BYTECODE_ENDING)) for name in os.listdir(folder))
    except OSError:
        return False
