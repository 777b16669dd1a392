"""Finds and imports the app's WSGI callable."""

import ast
import difflib
import importlib.util
import inspect
import os
import sys

USUAL_NAMES = ("application", "app", "create_app()")


class NoCallable(Exception):
    """The module was imported but serves nothing."""

    __module__ = "_moult"


def load(kind, target, callable_name):
    """(module name, callable name, callable). Exceptions of the app's own code pass through."""
    if kind.startswith("scratch_"):
        return load_scratch(kind, target)
    if kind == "django":
        loaded = load_django(target, callable_name)
        load_django_urls()
        return loaded
    if kind == "file":
        module = import_file(target)
    else:
        target, _, attribute = target.partition(":")
        callable_name = callable_name or attribute
        module = import_module(target)
    name, found = find_callable(module, callable_name)
    check_callable(name, found, module)
    load_django_urls()
    return module.__name__, name, found


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
    if known is not None and getattr(known, "__file__", None) == path:
        return known
    if name.isidentifier() and known is None:
        try:
            spec = importlib.util.find_spec(name)
        except (ImportError, ValueError):
            spec = None
        if spec is not None and spec.origin == path:
            return import_module(name)
    dotted = name_in_package(path)
    if dotted:
        return import_module(dotted)
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
        check_callable(name, found, module)
        return module.__name__, name, found
    from django.conf import settings as django_settings

    dotted = getattr(django_settings, "WSGI_APPLICATION", None)
    if dotted:
        module_name, _, name = dotted.rpartition(".")
        module = import_module(module_name)
        name, found = find_callable(module, name)
        check_callable(name, found, module)
        return module_name, name, found
    from django.core.wsgi import get_wsgi_application

    return "django.core.wsgi", "get_wsgi_application()", get_wsgi_application()


def load_django_urls():
    """Django imports its URL configuration, and with it the views, at the first request: too late to
    find out that they are broken."""
    if "django.core.handlers.wsgi" not in sys.modules:
        return
    from django.conf import settings
    from django.urls import get_resolver

    if settings.configured and getattr(settings, "ROOT_URLCONF", None):
        get_resolver().url_patterns


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


def find_callable(module, wanted):
    if wanted:
        return wanted, look_up(module, wanted)
    for name in USUAL_NAMES:
        if hasattr(module, name.removesuffix("()")):
            return name, look_up(module, name)
    raise NoCallable(
        f"no callable in {module.__name__}: tried {', '.join(USUAL_NAMES)}; {what_is_in(module, 'application')}"
    )


def look_up(module, name):
    """`obj.attr` walks attributes; `name()` is a factory that is called without arguments."""
    is_factory = name.endswith("()")
    found = module
    for part in name.removesuffix("()").split("."):
        if not hasattr(found, part):
            raise NoCallable(f"no {name!r} in {module.__name__}; {what_is_in(module, part)}")
        found = getattr(found, part)
    if is_factory:
        if not callable(found):
            raise NoCallable(f"{module.__name__}:{name.removesuffix('()')} is not callable")
        found = found()
    return found


def what_is_in(module, wanted):
    names = [n for n, v in vars(module).items() if callable(v) and not n.startswith("_")]
    if not names:
        return "it defines nothing that can be called"
    near = difflib.get_close_matches(wanted, names, 1, 0.6)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    more = ", …" if len(names) > 12 else ""
    return f"it has {', '.join(names[:12])}{more}{hint}"


def check_callable(name, found, module):
    where = f"{module.__name__}:{name}"
    if not callable(found):
        raise NoCallable(f"{where} is not callable, it is {type(found).__name__}")
    if is_asgi(found):
        raise NoCallable(f"{where} is an ASGI application; ASGI is not served yet")


def is_asgi(found):
    if inspect.iscoroutinefunction(found) or inspect.isasyncgenfunction(found):
        return True
    if inspect.isclass(found):
        # A class is called with the arguments of its __init__; ASGI 2 classes have an async __call__.
        return inspect.iscoroutinefunction(getattr(found, "__call__", None))
    if inspect.isroutine(found):
        return False
    return inspect.iscoroutinefunction(getattr(type(found), "__call__", None))
