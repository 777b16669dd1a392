"""The slower parts of calls between apps: errors as text and back, JSON, what is exported."""

import sys

import _moult
from _moult import call_errors, errors, hooks

EXCEPTIONS = {
    "not_exported": call_errors.NotExported,
    "no_such_app": call_errors.AppNotFound,
    "timeout": call_errors.CallTimeout,
    "cycle": call_errors.CallCycle,
    "unavailable": call_errors.AppUnavailable,
    "host_lost": call_errors.HostLost,
}
INLINE, STREAM = 1, 2
CO_GENERATOR, CO_COROUTINE, CO_ASYNC_GENERATOR = 0x20, 0x80, 0x200


def nothing():
    """Called by threads that wait in C++: Python raises here what others have set for them."""


def describe_fault(error):
    """(type, message, traceback, path, class name, file, line) of an exception."""
    one_line, text, file, line = errors.describe(error)
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    try:
        message = str(error)
    except Exception:
        message = one_line
    remote = getattr(error, "traceback", None) if isinstance(error, call_errors.RemoteError) else None
    if remote:
        text += f"\nThe traceback of the call that it made:\n\n{remote}"
    path = getattr(error, "path", None) if isinstance(error, call_errors.PayloadError) else None
    class_name = getattr(error, "class_name", None) if isinstance(error, call_errors.PayloadError) else None
    return name, message[:64_000], text, path or "", class_name or "", file, line


def raise_fault(reason, type, message, traceback, path, class_name, app, function, sent):
    """Raises what a call ended with. `sent`: (args, kwargs) or None."""
    called = f"{app}.{function}"
    if reason == "raised":
        raise call_errors.RemoteError(type, message, traceback) from None
    if reason in ("payload", "too_large"):
        if not path and class_name and sent is not None:
            from _moult import payload

            path = payload.find_class_in_call(*sent, class_name)
        if path and path not in message:
            message = f"{path}: {message}"
        text = f"{called}: {message}" if called not in message else message
        if reason == "too_large":
            raise call_errors.PayloadTooLarge(text, path=path or None) from None
        raise call_errors.PayloadError(text, path or None, class_name or None) from None
    if reason == "cancelled":
        from concurrent.futures import CancelledError

        raise CancelledError() from None
    kind = EXCEPTIONS.get(reason, call_errors.CallError)
    raise kind(f"{called}: {message}" if message else f"{called}: {reason}") from None


def not_exported(name):
    """Why `name` cannot be called, with what was perhaps meant."""
    import difflib

    if not _moult.exports:
        return f"{name!r} is not exported; the app exports nothing (@moult.export, or exports in its config)"
    near = difflib.get_close_matches(name, list(_moult.exports), 1, 0.6)
    if near:
        return f"{name!r} is not exported (did you mean {near[0]!r}?)"
    names = sorted(_moult.exports)
    more = ", …" if len(names) > 12 else ""
    return f"{name!r} is not exported; the app exports {', '.join(names[:12])}{more}"


def add_export(name, function, inline, stream):
    code = getattr(function, "__code__", None)
    flags = getattr(code, "co_flags", 0)
    if flags & (CO_COROUTINE | CO_ASYNC_GENERATOR):
        raise TypeError(f"an exported function is a plain one or a generator: {name} is async")
    stream = stream or bool(flags & CO_GENERATOR)
    if inline and stream:
        raise TypeError(f"what yields items cannot be exported inline: {name}")
    _moult.exports[name] = (function, (INLINE if inline else 0) | (STREAM if stream else 0))
    _moult.exports_changed([name for name, (_, bits) in list(_moult.exports.items()) if bits & INLINE])


def export_configured(entries):
    """`exports = ["module:function", …]` of the config: the name is the function's own, with dots."""
    for entry in entries:
        module_name, _, path = entry.partition(":")
        __import__(module_name)
        found = sys.modules[module_name]
        for part in path.split("."):
            found = getattr(found, part)
        if not callable(found):
            raise TypeError(f"exports: {entry} is not callable")
        if path not in _moult.exports:
            add_export(path, found, False, False)


def serve_own(name, args):
    """The functions whose names begin with "moult."."""
    if name == "moult.exports":
        return list_exports()
    if name.startswith("moult.hook."):
        return hooks.run(name, args)
    raise call_errors.NotExported(f"{name!r} is none of Moult's functions")


def list_exports():
    import inspect

    listed = []
    for name, (function, flags) in sorted(_moult.exports.items()):
        try:
            signature = str(inspect.signature(function))
        except (TypeError, ValueError):
            signature = "(...)"
        listed.append(
            {
                "name": name,
                "signature": signature,
                "doc": (inspect.getdoc(function) or "")[:4000],
                "inline": bool(flags & INLINE),
                "stream": bool(flags & STREAM),
            }
        )
    return listed


def arguments_from_json(text):
    """(args, kwargs) of a JSON object (keywords) or array (positional ones)."""
    import json

    if not text:
        return (), {}
    try:
        given = json.loads(text)
    except ValueError as error:
        raise call_errors.PayloadError(f"the arguments are no JSON: {error}") from None
    if isinstance(given, dict):
        return (), given
    if isinstance(given, list):
        return tuple(given), {}
    raise call_errors.PayloadError(
        f"the arguments must be a JSON object or array, not {type(given).__name__}"
    )


def result_to_json(value):
    import json

    try:
        return json.dumps(value, default=json_default, ensure_ascii=False, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise call_errors.PayloadError(f"the result is no JSON: {error}") from None


def json_default(value):
    if isinstance(value, (set, frozenset)):
        return sorted(value, key=repr)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value).decode("utf-8", "backslashreplace")
    isoformat = getattr(value, "isoformat", None)
    if isoformat is not None:
        return isoformat()
    if type(value).__name__ in ("Decimal", "UUID", "Fraction"):
        return str(value)
    if hasattr(value, "__dataclass_fields__"):
        return {name: getattr(value, name) for name in value.__dataclass_fields__}
    raise TypeError(f"{type(value).__name__} is nothing that JSON has")


class Stream:
    """The items of a generator of another app, as they come. Iterate over it once, in one thread at a
    time (ValueError); `close()`, also by another thread, the end of a `with` block, or dropping it
    closes the generator on the other side too."""

    __module__ = "moult"
    __slots__ = ("_far", "_app", "_function")

    def __init__(self, far, app, function):
        self._far, self._app, self._function = far, app, function

    def __iter__(self):
        return self

    def __next__(self):
        is_item, item = _moult.far_next(self._far, self._app, self._function)
        if not is_item:
            raise StopIteration
        return item

    def close(self):
        """Gives up the rest. Harmless when there is none."""
        _moult.far_close(self._far)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()
