"""Runs in the main interpreter only: loads what sub-interpreters must find already there."""

import faulthandler
import importlib
import importlib.machinery
import importlib.util
import os
import sys

STANDARD = ("datetime", "decimal", "ctypes", "_socket", "_elementtree", "pyexpat")

done = set()

# A crash says where on the host's stderr. Sub-interpreters may not import it.
faulthandler.enable()


def standard(path="", name=""):
    """Modules whose C state the first interpreter keeps for all later ones (cpython.md, section e).
    Doing it here means that no app's interpreter is pinned by them."""
    for module in STANDARD:
        try:
            importlib.import_module(module)
        except ImportError:
            pass
    if sys.version_info < (3, 12):
        import datetime

        datetime.datetime.strptime("1", "%d")  # _datetime keeps the module _strptime of who calls it first
    if sys.version_info < (3, 13):
        "é".encode("ascii", "namereplace")  # codecs.c keeps a pointer into the unicodedata of who does it first
    import syslog

    # A sub-interpreter may not from 3.12 on, and its syslog() needs it. Before, the name of the first app to use it
    # would stand before the lines of all.
    syslog.openlog(os.path.basename(sys.executable))


def compiler():
    """All that decides on what a source is compiled to, beside the source: kept code of another one is
    of no use."""
    python = sys.implementation.cache_tag + sys.abiflags
    return f"{python} {importlib.util.MAGIC_NUMBER.hex()} -O{sys.flags.optimize} {sys.byteorder}"


def extension(path, name=""):
    """Loads one extension module, alone where that works. Some import their own package while they
    initialise (markupsafe does): then the package's folder is on the path for that moment."""
    path = os.path.realpath(path) if not name else path
    if path in done:
        return
    folder, name = package_of(path, name)
    package = name.partition(".")[0]
    kept = {key: sys.modules.pop(key) for key in list(sys.modules) if key.partition(".")[0] == package}
    sys.path.insert(0, folder)
    importlib.invalidate_caches()
    try:
        load_alone(path, name)
    except ImportError:
        importlib.import_module(name)
    finally:
        sys.path.remove(folder)
        sys.path_importer_cache.clear()
        for key in [key for key in sys.modules if key.partition(".")[0] == package]:
            del sys.modules[key]
        sys.modules.update(kept)
    done.add(path)


def package_of(path, name):
    """The folder to put on sys.path, and the dotted name below it."""
    stem = os.path.basename(path).partition(".")[0]
    folder = os.path.dirname(path)
    parts = [stem]
    if name:
        for _ in range(name.count(".")):
            folder = os.path.dirname(folder)
        return folder, name
    while os.path.exists(os.path.join(folder, "__init__.py")):
        folder, part = os.path.split(folder)
        parts.insert(0, part)
    return folder, ".".join(parts)


def load_alone(path, name):
    loader = importlib.machinery.ExtensionFileLoader(name, path)
    spec = importlib.util.spec_from_file_location(name, path, loader=loader)
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
