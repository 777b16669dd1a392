"""Imports an app's sources from its generation's snapshot, whatever the disk says meanwhile."""

import importlib.machinery
import importlib.util
import io
import linecache
import marshal
import os
import sys
from importlib.machinery import SourceFileLoader

import _moult
from _moult import after_import

EXTENSION_ENDINGS = tuple(importlib.machinery.EXTENSION_SUFFIXES)
BYTECODE_ENDING = ".pyc"

ready = {}  # by path: (what it was compiled from, code), of a spare
refuse = None  # while a spare imports: called for a source of the app's own
roots = ()
nested = ()  # installations (virtual environments) below a root, whose files are not in snapshots
pythons = ()  # beginnings of the paths of Python's files and of Moult's
on_outside = None  # called with the path of each source that is loaded from elsewhere
RACY = 2_000_000_000  # ns


def install(spec):
    global roots, nested, pythons
    libraries = (os.path.join(prefix, "lib", "python") for prefix in (sys.prefix, sys.base_prefix))
    pythons = (spec["module_dir"] + "/", os.path.dirname(os.__file__) + "/", *libraries)
    roots = tuple(dict.fromkeys(root.rstrip("/") for root in spec["roots"]))
    places = {spec["venv"].rstrip("/"), sys.prefix, sys.base_prefix} - {""}
    nested = tuple(place for place in places if any(place.startswith(root + "/") for root in roots))
    sys.path_hooks.insert(0, finder_for)
    sys.path_importer_cache.clear()
    take_over_source_loader()
    take_over_open_code()
    # It has a way of its own to list the modules of a FileFinder, that is, of the disk.
    after_import.after_import("pkgutil", lists_by_finder)
    update_from_disk = linecache.updatecache

    def updatecache(filename, module_globals=None):
        """Tracebacks show the generation's source, not the disk's."""
        content = _moult.snapshot_get(plain(filename))
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


def take_over_source_loader():
    """A loader that is made for a path and not by a finder (spec_from_file_location(), the finder of an
    editable install, imp's successors) gives the generation's source as well."""
    loader = SourceFileLoader
    code_of_disk, data_of_disk, write = loader.get_code, loader.get_data, loader.set_data
    compile_usually = loader.source_to_code

    def is_usual(self):
        """Import hooks that change code (typeguard, beartype, pytest) have loaders with methods of their
        own; what these make of a source is no business of others, and the other way round."""
        kind = type(self)
        return kind.source_to_code is compile_usually and kind.get_data is get_data

    def get_code(self, fullname):
        path = plain(os.fspath(self.get_filename(fullname)))
        if _moult.snapshot_has(path):
            if not isinstance(self, SnapshotLoader):
                tell_outside(path)
            if is_usual(self):
                return ready_code(path, _moult.snapshot_hash) or code_of_snapshot(self, path)
            return self.source_to_code(self.get_data(path), path)
        if in_snapshot_roots(path):  # newer than the snapshot, and byte code beside it may be older
            if refuse is not None:
                refuse(fullname)
                raise ImportError(f"{fullname} is none of a spare's", name=fullname, path=path)
            return self.source_to_code(self.get_data(path), path)
        if is_pythons(path):
            return is_usual(self) and ready_code(path, stamp_of) or code_of_disk(self, fullname)
        if fullname:  # it is imported, not compiled ahead
            tell_outside(path)
        if is_usual(self) and (code := ready_code(path, stamp_of)):
            return code
        if has_doubtful_bytecode(path):
            return self.source_to_code(self.get_data(path), path)
        return code_of_disk(self, fullname)

    def get_data(self, path):
        content = _moult.snapshot_get(plain(os.fspath(path)))
        return data_of_disk(self, path) if content is None else content

    def set_data(self, path, data, **options):
        if not in_snapshot_roots(os.fspath(path)):
            write(self, path, data, **options)

    loader.get_code, loader.get_data, loader.set_data = get_code, get_data, set_data


def take_over_open_code():
    """runpy.run_path() and the like read sources by it."""
    open_on_disk = io.open_code

    def open_code(path):
        file = plain(os.fspath(path))
        content = _moult.snapshot_get(file)
        if file.startswith("/") and file.endswith(".py") and not is_pythons(file):
            tell_outside(file)
        return open_on_disk(path) if content is None else io.BytesIO(content)

    io.open_code = open_code


def tell_outside(path):
    if on_outside is not None and not in_snapshot_roots(path):
        on_outside(path)


def plain(path):
    """As the snapshot names it: what an app puts on its path with ".." in it leads out of the tree."""
    return os.path.realpath(path) if "/.." in path else path


def has_doubtful_bytecode(path):
    """Byte code goes by the source's size and its time in whole seconds, so what was compiled right after a
    change may be of the source before."""
    try:
        source, bytecode = os.stat(path), os.stat(importlib.util.cache_from_source(path))
    except (OSError, NotImplementedError):
        return False
    return bytecode.st_mtime_ns < max(source.st_mtime_ns, source.st_ctime_ns) + RACY


def stamp_of(path):
    status = os.stat(path)
    return status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino


def ready_code(path, state_of):
    """What a spare has compiled of the file ahead of time, if that is still as it was then."""
    if path not in ready:
        return None
    state, code = ready.pop(path)
    return code if state == state_of(path) else None


def code_of_snapshot(loader, path):
    """Compiles, unless an interpreter of ours had the very same source once."""
    known = _moult.cached_code(path)
    if known is not None:
        return marshal.loads(known)
    code = loader.source_to_code(loader.get_data(path), path)
    _moult.keep_code(path, marshal.dumps(code))
    return code


def is_question():
    """For a finder: importlib.util.find_spec() comes by the same way as an import, and imports nothing."""
    asker = sys._getframe(3)
    return asker.f_code.co_name == "find_spec" and asker.f_globals.get("__name__") == "importlib.util"


def names_of(module):
    """What a module holds. Asking it for an attribute would load one that waits for that (LazyLoader)."""
    try:
        return object.__getattribute__(module, "__dict__")
    except Exception:
        return {}  # sys.modules may hold anything


def is_under(path, folder):
    return path == folder or path.startswith(folder + "/")


def is_installed(path):
    """Site-packages and virtual environments are no part of snapshots, also inside an app's tree; but a tree may
    lie in one, and a folder of that name in a tree is the app's own if its sources are in the snapshot."""
    if any(is_under(path, place) for place in nested):
        return True
    if "-packages" not in path:
        return False
    root = max((root for root in roots if is_under(path, root)), key=len, default="")
    parts = path[len(root) :].split("/")
    found = next((i for i, part in enumerate(parts) if part in ("site-packages", "dist-packages")), -1)
    return found >= 0 and not (root and _moult.snapshot_holds(root + "/".join(parts[: found + 1])))


def in_snapshot_roots(path):
    return any(is_under(path, root) for root in roots) and not is_installed(path)


def is_pythons(path):
    """Does a file belong to Python, to an installed package or to Moult, and not to the app?"""
    return (path.startswith(pythons) or is_installed(path)) and not in_snapshot_roots(path)


def finder_for(path):
    folder = os.path.abspath(path) if path else os.getcwd()
    if not in_snapshot_roots(folder):
        raise ImportError("not under a root of the app", path=path)
    if not _moult.snapshot_holds(folder) and not os.path.isdir(folder):
        raise ImportError("no folder", path=path)  # a zip file, or a script that runpy is to run
    return SnapshotFinder(folder)


class SnapshotLoader(SourceFileLoader):
    """Loads a source of the snapshot. Bytecode files are neither read nor written: they belong to
    what the disk holds now."""

    def path_stats(self, path):
        raise OSError("a snapshot has no times")


class SnapshotFinder(importlib.machinery.FileFinder):
    """Finds the modules of one folder below a root: sources in the snapshot, extension modules and
    modules that exist as bytecode only on the disk. A source that only the disk has is not found.

    Of FileFinder it has nothing but the name, by which pkg_resources knows finders of folders."""

    def __init__(self, folder):
        self.path = folder
        self._disk_time = None
        self._disk_names = frozenset()
        self._disk_folders = frozenset()

    def __repr__(self):
        return f"SnapshotFinder({self.path!r})"

    def find_spec(self, fullname, target=None):
        tail = fullname.rpartition(".")[2]
        base = f"{self.path}/{tail}"
        on_disk = self._names_on_disk()
        package = f"{base}/__init__.py"
        if _moult.snapshot_has(package):
            return self._source_spec(fullname, package, [base])
        is_folder = tail in self._disk_folders
        if is_folder and (spec := self._binary_package(fullname, base)):
            return spec
        for ending in EXTENSION_ENDINGS:
            if tail + ending in on_disk:
                return self._other_spec(fullname, importlib.machinery.ExtensionFileLoader, base + ending)
        if _moult.snapshot_has(base + ".py"):
            return self._source_spec(fullname, base + ".py", None)
        if tail + BYTECODE_ENDING in on_disk:
            bytecode = importlib.machinery.SourcelessFileLoader
            return self._other_spec(fullname, bytecode, base + BYTECODE_ENDING)
        # Also one with nothing but data in it. One with sources of which the snapshot has none is newer.
        if _moult.snapshot_holds(base) or (is_folder and not has_sources(base)):
            spec = importlib.machinery.ModuleSpec(fullname, None)
            spec.submodule_search_locations = [base]
            return spec
        return None

    def iter_modules(self, prefix=""):
        """For pkgutil.iter_modules, by which Django finds commands and migrations."""
        names = {}
        for file in self._names_on_disk():
            ending = next(e for e in (*EXTENSION_ENDINGS, BYTECODE_ENDING) if file.endswith(e))
            names[file.removesuffix(ending)] = False
        for file in _moult.snapshot_names(self.path):
            if file.endswith(".py"):
                names[file.removesuffix(".py")] = False
            elif _moult.snapshot_has(f"{self.path}/{file}__init__.py"):
                names[file.rstrip("/")] = True
        for folder in self._disk_folders:
            if binary_init(f"{self.path}/{folder}"):
                names[folder] = True
        names.pop("__init__", None)
        return [(prefix + name, names[name]) for name in sorted(names) if "." not in name]

    def invalidate_caches(self):
        self._disk_time = None

    def _source_spec(self, fullname, path, locations):
        loader = SnapshotLoader(fullname, path)
        return importlib.util.spec_from_file_location(
            fullname, path, loader=loader, submodule_search_locations=locations
        )

    def _other_spec(self, fullname, loader, path, locations=None):
        return importlib.util.spec_from_file_location(
            fullname, path, loader=loader(fullname, path), submodule_search_locations=locations
        )

    def _binary_package(self, fullname, folder):
        """The spec of a package whose __init__ is an extension module or bytecode."""
        path = binary_init(folder)
        if not path:
            return None
        is_bytecode = path.endswith(BYTECODE_ENDING)
        machinery = importlib.machinery
        loader = machinery.SourcelessFileLoader if is_bytecode else machinery.ExtensionFileLoader
        return self._other_spec(fullname, loader, path, [folder])

    def _names_on_disk(self):
        """Extension modules and bytecode in the folder; the folder's time says when to look again. Its
        folders are in _disk_folders then."""
        try:
            time = os.stat(self.path).st_mtime_ns
            if time != self._disk_time:
                endings = (*EXTENSION_ENDINGS, BYTECODE_ENDING)
                with os.scandir(self.path) as entries:
                    found = [(entry.name, entry.is_dir()) for entry in entries]
                self._disk_folders = frozenset(name for name, is_folder in found if is_folder)
                files = {name for name, _ in found} - self._disk_folders
                self._disk_names = frozenset(name for name in files if name.endswith(endings))
                self._disk_time = time
        except OSError:
            self._disk_names = self._disk_folders = frozenset()
            self._disk_time = None
        return self._disk_names


def lists_by_finder(pkgutil):
    pkgutil.iter_importer_modules.register(SnapshotFinder, SnapshotFinder.iter_modules)


def has_sources(folder, levels=3):
    try:
        with os.scandir(folder) as entries:
            found = [(entry.name, entry.is_dir()) for entry in entries]
    except OSError:
        return False
    return any(
        has_sources(f"{folder}/{name}", levels - 1) if is_folder and levels > 1 else name.endswith(".py")
        for name, is_folder in found
    )


def binary_init(folder):
    """The path of a package's __init__ that is no source; "" when it has none."""
    for ending in (*EXTENSION_ENDINGS, BYTECODE_ENDING):
        path = f"{folder}/__init__{ending}"
        if os.path.isfile(path):
            return path
    return ""
