"""What this interpreter has imported: for `moultctl imports`. Loaded when that is asked."""

import importlib.machinery
import sys

import _moult
from _moult import importer, verdict

KINDS = (
    (importlib.machinery.ExtensionFileLoader, "extension"),
    (importlib.machinery.SourcelessFileLoader, "bytecode"),
    (importlib.machinery.SourceFileLoader, "source"),
)
KINDS_BY_NAME = {
    "BuiltinImporter": "built-in",
    "FrozenImporter": "frozen",
    "NamespaceLoader": "namespace",
    "zipimporter": "zip",
}
MOST = 10000


def rows():
    """(how many were left out, [(module, file, kind, content hash, seconds in all, seconds of its own,
    "compiled" or "cached", phase, interpreters, error)]), in the order in which their imports ended.
    A time below 0: it was not imported by `import`."""
    times = _moult.import_times()
    names = [name for name in list(sys.modules) if not is_ours(name)]
    # What was refused and is not there in spite of it, as a fall-back of another loader would be.
    refused = [
        (name, path, "extension", "", -1.0, -1.0, "", "", "one", error)
        for name, path, error, *_ in verdict.notes.values()
        if path and sys.modules.get(name) is None
    ]
    found = [row(name, *times.get(name, (-1.0, -1.0))) for name in names[:MOST]]
    return len(names) - len(found), [one for one in found if one] + refused[:MOST]


def is_ours(name):
    return not isinstance(name, str) or name == "_moult" or name.startswith("_moult.")


def row(name, total, own):
    module = sys.modules.get(name)
    if module is None:
        return None
    names = importer.names_of(module)
    spec, file = names.get("__spec__"), names.get("__file__")
    loader = getattr(spec, "loader", None)
    kind = kind_of(loader, spec)
    origin = getattr(spec, "origin", None) if getattr(spec, "has_location", False) else None
    path = next((text for text in (file, origin) if isinstance(text, str)), "")
    content = _moult.snapshot_hash(path) if kind == "source" else ""
    code = ("compiled" if _moult.compiled_here(path) else "cached") if content else ""
    is_extension = kind == "extension"
    phase = _moult.module_kind(module) if is_extension else ""
    # A single-phase module that another interpreter has loaded first is a copy that says nothing.
    support = "one" if phase == "single-phase" else _moult.module_support(module) if is_extension else ""
    return (name, path, kind, content, total, own, code, phase, support, "")


def kind_of(loader, spec):
    for loader_type, kind in KINDS:
        if isinstance(loader, loader_type):
            return kind
    name = getattr(loader, "__name__", type(loader).__name__)
    if loader is None and getattr(spec, "submodule_search_locations", None) is not None:
        return "namespace"
    return KINDS_BY_NAME.get(name, "other")
