"""What runs first in each interpreter, in this order."""

import os
import sys

import _moult
from _moult import entry, environment, errors, extensions, guards, importer, shutdown, streams


def boot(spec):
    """`spec` has the members of the protocol's `spec`, and `mode`, `module_dir`, `host_tz`, `wake_fd`."""
    global own_folder
    own_folder = spec["module_dir"] + "/"
    is_main = spec["mode"] == "main"
    errors.tree = spec["tree"]
    shutdown.adopt_host_thread()
    streams.install()
    environment.install(spec, is_main)
    importer.install(spec)
    extensions.install(spec["mode"], spec["preimport"])
    guards.install(spec, is_main)


def load(kind, target, callable_name):
    return entry.load(kind, target, callable_name)


known_files = set()
own_folder = ""


def new_outside_files():
    """Sources that were imported since the last time from outside the snapshot and Python's own
    folders: a change of one is a change of the app."""
    found = []
    for module in list(sys.modules.values()):
        path = getattr(module, "__file__", None)
        if not isinstance(path, str) or path in known_files:
            continue
        known_files.add(path)
        if path.startswith("/") and not _moult.snapshot_has(path) and not is_pythons(path):
            found.append(path)
    return found


def is_pythons(path):
    if path.startswith(own_folder) or "/site-packages/" in path or "/dist-packages/" in path:
        return True
    return path.startswith((os.path.dirname(os.__file__) + "/", spec_lib(sys.prefix), spec_lib(sys.base_prefix)))


def spec_lib(prefix):
    return os.path.join(prefix, "lib", "python")


def report():
    """(module count, outside files, loaded extensions, refused extensions)."""
    return len(sys.modules), new_outside_files(), list(extensions.loaded), list(extensions.refused)
