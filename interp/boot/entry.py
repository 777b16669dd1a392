"""Finds and imports the app's WSGI callable."""

import ast
import importlib.util
import os
import sys

from _moult import errors
from _moult.callables import NoCallable, find_callable


def load(kind, target, callable_name):
    """(module name, callable name, callable). Exceptions of the app's own code pass through."""
    if kind.startswith("scratch_"):
        return load_scratch(kind, target)
    if kind == "django":
        module_name, name, found = load_django(target, callable_name)
    else:
        if kind == "file":
            module = import_entry(import_file, target)
        else:
            target, _, attribute = target.partition(":")
            callable_name = callable_name or attribute
            module = import_entry(import_module, target)
        name, found = find_callable(module, callable_name)
        module_name = module.__name__
    if "django.core.handlers.wsgi" in sys.modules:
        from _moult import django_parts

        found = django_parts.complete(found)
    return module_name, name, found


def import_entry(how, target):
    try:
        return how(target)
    except ImportError as error:
        if hint := hint_for(error, target):
            error.msg = f"{error.msg}: {hint}"
        raise


def hint_for(error, target):
    """How else to name an entry that cannot be imported as it is named; "" for other errors."""
    missing = (error.name or "") if isinstance(error, ModuleNotFoundError) else ""
    if not target.startswith("/"):
        is_entry = missing and f"{target}.".startswith(f"{missing}.")
        return f"there is neither a file {target} in {errors.tree} nor such a module" if is_entry else ""
    above, package = os.path.split(os.path.dirname(target))
    is_relative = "relative import with no known parent" in str(error)
    if not is_relative and missing.partition(".")[0] != package:
        return ""
    dotted = f"{package}.{os.path.splitext(os.path.basename(target))[0]}"
    while os.path.isfile(os.path.join(above, "__init__.py")):
        above, package = os.path.split(above)
        dotted = f"{package}.{dotted}"
    dotted = dotted.removesuffix(".__init__")
    if not all(part.isidentifier() for part in dotted.split(".")):
        return ""
    return (
        f"{os.path.basename(target)} is a module of the package {package!r}; write moultd run {dotted} "
        f'in {above}, or tree = "{above}" and entry = "{dotted}" in its configuration'
    )


def load_scratch(kind, target):
    """An interpreter that an app made for itself: all public functions can be called."""
    from _moult import calls

    if kind == "scratch_module":
        module = import_module(target)
    else:
        module = type(sys)("__scratch__")
        sys.modules["__scratch__"] = module
        exec(compile(target, "<scratch>", "exec"), module.__dict__)
    for name, function in list(vars(module).items()):
        if callable(function) and not name.startswith("_"):
            flags = getattr(getattr(function, "__code__", None), "co_flags", 0)
            if not flags & (calls.CO_COROUTINE | calls.CO_ASYNC_GENERATOR):
                calls.add_export(name, function, False, False)
    return module.__name__, "", module


def import_module(name):
    """importlib.import_module without a frame of its own in tracebacks."""
    __import__(name)
    return sys.modules[name]


def import_preloaded(name):
    try:
        __import__(name)
    except BaseException as error:
        error.add_note(f"{name} is imported first, since the setting `preload` names it")
        raise


def import_file(path):
    """Executes the file as the module of its own name, so that `import name` finds the same one."""
    name = os.path.splitext(os.path.basename(path))[0]
    known = sys.modules.get(name)
    spec = None
    if known is not None and getattr(known, "__file__", None) == path:
        return known
    if name.isidentifier() and known is None:
        try:
            spec = importlib.util.find_spec(name)
        except (ImportError, ValueError):
            pass
        if spec is not None and spec.origin == path:
            return import_module(name)
    dotted = name_in_package(path)
    if dotted:
        return import_module(dotted)
    if spec is not None or known is not None:
        # That name is another's, as of mod_wsgi's `shop.wsgi` beside the package `shop` that it imports.
        name = os.path.basename(path).replace(".", "_")
    from _moult import importer

    loader = importer.SnapshotLoader(name, path)
    spec = importlib.util.spec_from_file_location(name, path, loader=loader)
    module = importlib.util.module_from_spec(spec)
    previous = sys.modules.get(name)
    sys.modules[name] = module
    try:
        loader.exec_module(module)
    except BaseException:
        if previous is None:
            sys.modules.pop(name, None)
        else:
            sys.modules[name] = previous
        raise
    return sys.modules.get(name, module)


def name_in_package(path):
    """The name by which the app's own imports find a file inside of a package, which then is not run a
    second time; "" for any other file."""
    import _moult

    name = os.path.splitext(os.path.basename(path))[0]
    folder = os.path.dirname(path)
    top = ""
    while _moult.snapshot_has(folder + "/__init__.py"):
        top = folder + "/__init__.py"
        folder, package = os.path.split(folder)
        name = f"{package}.{name}"
    name = name.removesuffix(".__init__")
    first = name.partition(".")[0]
    if not top or not all(part.isidentifier() for part in name.split(".")):
        return ""
    try:
        spec = importlib.util.find_spec(first)
    except (ImportError, ValueError):
        return ""
    return name if spec is not None and spec.origin == top else ""


def load_django(manage, callable_name):
    folder = os.path.dirname(manage)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    settings = settings_in(manage)
    if settings:
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", settings)
    if not os.environ.get("DJANGO_SETTINGS_MODULE"):
        raise NoCallable(f"{manage} does not set DJANGO_SETTINGS_MODULE, and neither does the environment")
    if callable_name:
        module_name, _, attribute = callable_name.rpartition(":")
        module = import_module(module_name or "__main__")
        name, found = find_callable(module, attribute)
        return module.__name__, name, found
    from django.conf import settings as django_settings

    dotted = getattr(django_settings, "WSGI_APPLICATION", None)
    if dotted:
        module_name, _, name = dotted.rpartition(".")
        module = import_module(module_name)
        name, found = find_callable(module, name)
        return module_name, name, found
    from django.core.wsgi import get_wsgi_application

    return "django.core.wsgi", "get_wsgi_application()", get_wsgi_application()


def settings_in(manage):
    """The module that manage.py names in os.environ.setdefault("DJANGO_SETTINGS_MODULE", …)."""
    import _moult

    source = _moult.snapshot_get(manage)
    if source is None:
        with open(manage, "rb") as file:
            source = file.read()
    for node in ast.walk(ast.parse(source, manage)):
        values = []
        if isinstance(node, ast.Call):
            values = node.args
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Subscript):
            values = [node.targets[0].slice, node.value]
        texts = [v.value for v in values if isinstance(v, ast.Constant) and isinstance(v.value, str)]
        if len(texts) == 2 and texts[0] == "DJANGO_SETTINGS_MODULE":
            return texts[1]
    return None
