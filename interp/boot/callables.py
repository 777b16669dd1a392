"""Which object of the entry's module serves, and whether it can: told when the app is loaded, not by
requests that fail."""

import ast
import difflib
import functools
import inspect
import os
import types

from _moult import errors

USUAL_NAMES = ("application", "app", "create_app()", "make_app()")
FACTORY_NAMES = ("create", "make", "build", "get")
# Applications of other kinds, some of which can be called: by the class that they are of.
OTHERS = {
    "aiohttp.web_app.Application": "an aiohttp application, which needs a server of its own",
    "tornado.web.Application": "a Tornado application, which needs a server of its own",
    "sanic.app.Sanic": "a Sanic application, which needs a server of its own",
    "twisted.web.server.Site": "a Twisted site, which needs a server of its own",
    "celery.app.base.Celery": "a Celery application, which serves no requests",
    "click.core.Command": "a command, which serves no requests",
    "typer.main.Typer": "a command, which serves no requests",
}
# Where frameworks whose own object is no WSGI application keep one (Dash, Connexion).
INNER_NAMES = ("server", "wsgi_app", "wsgi", "application", "app")


class NoCallable(Exception):
    """The module was imported but serves nothing."""

    __module__ = "_moult"


def find_callable(module, wanted):
    """(name, WSGI callable). A function that takes no arguments makes the callable."""
    if wanted:
        name, found = look_up(module, wanted)
    else:
        for name in USUAL_NAMES:
            named = getattr(module, name.removesuffix("()"), None)
            if named is not None and not isinstance(named, types.ModuleType):
                name, found = look_up(module, name)
                break
        else:
            what = what_is_in(module, "application")
            raise NoCallable(f"no callable in {module.__name__}: tried {', '.join(USUAL_NAMES)}; {what}")
    check_callable(name, found, module)
    return name, found


def look_up(module, text):
    """`obj.attr` walks attributes; `name()` and `name('text', key=1)` call what is there."""
    path, bracket, _ = text.partition("(")
    found = module
    for part in path.split("."):
        if not hasattr(found, part):
            raise NoCallable(f"no {path!r} in {module.__name__}; {what_is_in(module, part)}")
        found = getattr(found, part)
    if not bracket:
        return (path + "()", found()) if is_factory(found) else (path, found)
    if not callable(found):
        raise NoCallable(f"{module.__name__}:{path} is not callable")
    if inspect.iscoroutinefunction(found):
        raise NoCallable(f"{module.__name__}:{path} is an async function; a WSGI callable is not")
    positional, named = literals(text)
    wants = arguments_of(found)
    if wants is not None:
        try:
            wants.bind(*positional, **named)
        except TypeError as error:
            example = with_arguments(path, wants)
            raise NoCallable(f"{module.__name__}:{text}: {error}; write {how_to_name(module, example)}") from None
    return text, found(*positional, **named)


def literals(text):
    try:
        call = ast.parse(text, mode="eval").body
        if isinstance(call.func, ast.Call):
            raise ValueError
        return (
            [ast.literal_eval(argument) for argument in call.args],
            {keyword.arg: ast.literal_eval(keyword.value) for keyword in call.keywords},
        )
    except (SyntaxError, ValueError, TypeError, AttributeError):
        raise NoCallable(
            f"{text}: a factory's arguments are literals, as in create_app('live', debug=True)"
        ) from None


def arguments_of(found, follow_wrapped=True):
    """Its inspect.Signature; None where that is not known, as of much that is written in C."""
    try:
        return inspect.signature(found, follow_wrapped=follow_wrapped)
    except Exception:  # a proxy may raise anything
        return None


def takes(signature, count):
    try:
        signature.bind(*range(count))
    except TypeError:
        return False
    return True


def is_factory(found):
    """No WSGI callable can be called without arguments; what can be makes one."""
    if not (inspect.isroutine(found) or inspect.isclass(found) or isinstance(found, functools.partial)):
        return False
    if inspect.iscoroutinefunction(found) or inspect.isasyncgenfunction(found):
        return False
    if inspect.isclass(found) and not any("__call__" in vars(base) for base in found.__mro__):
        return False
    # A decorator may take anything and say by __wrapped__ what it passes on (Werkzeug's
    # Request.application: a view's one argument), so both have to agree.
    own, shown = arguments_of(found, follow_wrapped=False), arguments_of(found)
    if own is None or shown is None or not takes(own, 0) or not takes(shown, 0):
        return False
    if not takes(shown, 2):
        return True
    parameters = list(shown.parameters.values())
    if any(parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters):
        return getattr(found, "__name__", "").startswith(FACTORY_NAMES)
    return parameters[0].name not in ("environ", "env")


def check_callable(name, found, module):
    where = f"{module.__name__}:{name}"
    kind = found if inspect.isclass(found) else type(found)
    for base in getattr(kind, "__mro__", ()):
        other = OTHERS.get(f"{base.__module__}.{base.__qualname__}")
        if other:
            raise NoCallable(f"{where} is {other}; Moult serves WSGI applications")
    if not callable(found):
        inner = next((inner for inner in INNER_NAMES if is_wsgi(getattr(found, inner, None))), None)
        how = how_to_name(module, f"{name}.{inner}")
        hint = f"; its attribute {inner!r} may be what serves: {how}" if inner else ""
        raise NoCallable(f"{where} is not callable, it is {type(found).__name__}{hint}")
    if is_asgi(found):
        raise NoCallable(f"{where} is an ASGI application; ASGI is not served yet: {instead_of_asgi(kind, name)}")
    if inspect.iscoroutinefunction(found):
        raise NoCallable(f"{where} is an async function; a WSGI callable is not")
    own = arguments_of(found, follow_wrapped=False)
    if own is None or takes(own, 2):
        return
    wanted = [one.name for one in own.parameters.values() if one.default is one.empty and not is_variadic(one)]
    text = f"{where} takes {', '.join(wanted) or 'no arguments'}; a WSGI callable takes environ and start_response"
    if wanted and inspect.isroutine(found) and name not in USUAL_NAMES and "(" not in name:
        text += f". If it makes the application, write {how_to_name(module, with_arguments(name, own))}"
    raise NoCallable(text)


def is_variadic(parameter):
    return parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)


def is_wsgi(found):
    """Takes what a WSGI callable takes, as far as can be seen."""
    if found is None or not callable(found) or is_asgi(found):
        return False
    signature = arguments_of(found)
    return signature is not None and takes(signature, 2) and not takes(signature, 1)


def is_asgi(found):
    if inspect.isclass(found):
        # A class is called with the arguments of its __init__; ASGI 2 classes have an async __call__.
        return inspect.iscoroutinefunction(getattr(found, "__call__", None))
    is_function = inspect.isroutine(found) or isinstance(found, functools.partial)
    call = found if is_function else getattr(type(found), "__call__", None)
    signature = arguments_of(found)
    if inspect.iscoroutinefunction(call) or inspect.isasyncgenfunction(call):
        return signature is None or takes(signature, 3)
    return signature is not None and list(signature.parameters)[:3] == ["scope", "receive", "send"]


def instead_of_asgi(kind, name):
    if any(base.__module__ == "django.core.handlers.asgi" for base in getattr(kind, "__mro__", ())):
        return "name the project's WSGI application, the one of get_wsgi_application()"
    return f"a2wsgi.ASGIMiddleware({name.partition('(')[0]}) makes a WSGI application of it"


def what_is_in(module, wanted):
    names = [n for n, v in vars(module).items() if callable(v) and not n.startswith("_")]
    if not names:
        return "it defines nothing that can be called"
    near = difflib.get_close_matches(wanted, names, 1, 0.6)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    more = ", …" if len(names) > 12 else ""
    best = near[0] if near else likeliest(module, names)
    return f"it has {', '.join(names[:12])}{more}{hint}; write {how_to_name(module, best)}"


def likeliest(module, names):
    """What the author may have meant: an application, a function that is one, one that makes one; else NAME."""
    found = {name: getattr(module, name) for name in names}
    here = {name: one for name, one in found.items() if getattr(one, "__module__", None) == module.__name__}
    plain = {n: one for n, one in found.items() if not inspect.isroutine(one) and not inspect.isclass(one)}
    objects = [n for n, one in plain.items() if is_wsgi(one)]
    functions = [n for n, one in here.items() if is_wsgi(one)]
    makers = [
        with_arguments(n, arguments_of(one))
        for n, one in here.items()
        if n.startswith(FACTORY_NAMES) and inspect.isroutine(one) and arguments_of(one) is not None
    ]
    return next(iter(objects + functions + makers), "NAME")


def with_arguments(name, signature):
    """The call of a factory, with a name in capitals for each argument that it needs."""
    wanted = [p.name for p in signature.parameters.values() if p.default is p.empty and not is_variadic(p)]
    return f"{name}({', '.join(repr(one.upper()) for one in wanted)})"


def how_to_name(module, name):
    """The command and the line of a configuration that serve it."""
    file = getattr(module, "__file__", None) or ""
    # A file of the tree is named by its path, a module of a package by its dotted name.
    in_tree = "." not in module.__name__ and errors.in_tree(file) and not file.endswith("/__init__.py")
    entry = os.path.relpath(file, errors.tree) if in_tree else module.__name__
    target = f"{entry}:{name.removesuffix('()')}"
    quoted = f'"{target}"' if set(target) & set("()' ") else target
    return f'moultd run {quoted}, or callable = "{name}" in its configuration'
