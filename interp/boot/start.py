"""What runs first in each interpreter, in this order."""

import gc
import os
import sys

import _moult
from _moult import (
    after_import,
    c_state,
    environment,
    errors,
    extensions,
    guards,
    importer,
    on_demand,
    process_settings,
    shutdown,
    stand_ins,
    streams,
    verdict,
)


def boot(spec):
    """`spec` has the members of the protocol's `spec`, and `generation`, `mode`, `module_dir`,
    `host_tz`, `wake_fd`, `own_folder`."""
    is_main = spec["mode"] == "main"
    errors.tree = spec["tree"]
    shutdown.adopt_host_thread()
    streams.install()
    environment.install(spec, is_main)
    after_import.install()
    importer.install(spec)
    importer.on_outside = note_outside
    errors.install()
    extensions.install(spec["mode"], spec["preimport"])
    guards.install(spec, is_main)
    c_state.install(spec["mode"])
    if not is_main:
        process_settings.install(spec)
    on_demand.install(spec)
    stand_ins.name_all()
    if spec["log_imports"]:
        from _moult import import_log

        import_log.install(spec)
    global cause
    cause = spec["cause"]
    static.extend(spec["static"])
    preload.extend(spec["preload"])
    configured.extend(spec["exports"])


cause = ""  # why this generation is made; "" in a spare
static = []  # the paths that the daemon serves from folders
preload = []  # modules to import before the entry
configured = []
reported = False  # the daemon knows what was loaded


def load(kind, target, callable_name):
    from _moult import entry, lookahead

    process_settings.check()
    with FewCollections():
        for name in preload:
            entry.import_preloaded(name)
        loaded = entry.load(kind, target, callable_name)
    lookahead.look()
    c_state.check_after_import()
    importer.ready.clear()
    # Nobody needs them again.
    for name in ("entry", "callables", "django_parts", "lookahead"):
        if sys.modules.pop(f"_moult.{name}", None) is not None:
            delattr(_moult, name)
    if configured:
        from _moult import calls

        calls.export_configured(configured)
    return loaded


class FewCollections:
    """Modules that are being imported are no garbage: the collector comes by less often meanwhile, which
    saves an eighth of the time of an import. What was imported then counts as old, or one of the first
    requests would pay for a look at all of it (9 ms with Django). What the app sets itself stays."""

    def __enter__(self):
        self.usual = gc.get_threshold()
        self.rare = (MANY_OBJECTS, *self.usual[1:])
        gc.set_threshold(*self.rare)

    def __exit__(self, *error):
        if gc.get_threshold() == self.rare:
            gc.set_threshold(*self.usual)
        if not gc.get_freeze_count():
            gc.freeze()
            gc.unfreeze()  # puts what was frozen into the oldest generation


MANY_OBJECTS = 50_000
known_files = set()
outside = set()  # sources that sys.modules does not name, of which the daemon does not know yet
FILES_AT_A_TIME = 500  # what one message holds


def new_files():
    """Files that were imported since the last time, without Python's own and installed ones: a
    change of one is a change of the app, also where .gitignore names it. Those outside the tree
    come first. A full list means that there are more."""
    found = set()
    for module in list(sys.modules.values()):
        path = importer.names_of(module).get("__file__")
        if not isinstance(path, str) or not path.startswith("/") or path in known_files:
            continue
        if importer.is_pythons(path):
            known_files.add(path)
        elif (file := importer.plain(path)) == path:
            found.add(path)
        else:
            known_files.add(path)
            outside.add(file)
    batch = sorted(found | outside, key=_moult.snapshot_has)[:FILES_AT_A_TIME]
    known_files.update(batch)
    outside.difference_update(batch)
    return batch


def note_outside(path):
    if path in known_files:
        return
    if not reported:
        outside.add(path)
        return
    known_files.add(path)
    _moult.opened([path])


def report():
    """(module count, imported files, loaded extensions, what wants a process, kinds of hooks)."""
    global reported
    reported = True
    hooks = sys.modules.get("_moult.hooks")
    kinds = hooks.names() if hooks else []
    return len(sys.modules), new_files(), list(extensions.loaded), verdict.take_notes(), kinds
