"""The slow side of messages (interp/payload/payload.h): pickles, and words for what cannot be carried."""

import sys

import _moult
from _moult import call_errors

NODES_MOST = 10_000
SECONDS_MOST = 1.0  # for the search of what was refused
TEXT_MOST = 300
BUFFER_MIN = 64 * 1024

pickler_class = None
unpickler_class = None
trial_class = None


class Sink:
    """All of a file that a pickler needs."""

    def __init__(self, write):
        self.write = write


def dump(value, write, persistent_id):
    pickler = pickler_type()(Sink(write), persistent_id)
    mend(pickler)
    pickler.dump(value)


def pickler_type():
    """Made when the first pickle comes: most interpreters never need the module."""
    global pickler_class
    if pickler_class is None:
        import pickle

        class Pickler(pickle.Pickler):
            def __init__(self, sink, identify):
                self.identify = identify
                super().__init__(sink, protocol=5)

            @property
            def persistent_id(self):
                """Not a method: no Python code is to run for each object. On 3.13.0 a pickler has no
                attribute that the function could be assigned to."""
                return self.identify

        pickler_class = Pickler
    return pickler_class


def mend(pickler):
    """Python 3.11 keeps one function for all interpreters with which arrays are made again
    (array_reconstructor in arraymodule.c), so that only one interpreter could pickle them."""
    array = sys.modules.get("array")
    if array is not None and sys.version_info < (3, 12):
        import copyreg

        pickler.dispatch_table = {**copyreg.dispatch_table, array.array: reduced_array}


def reduced_array(array):
    return type(array), (array.typecode, array.tobytes())


def load(data, take):
    """The object of a pickle. take(kind, number) makes bytes or a bytearray of one of its buffers."""
    import io

    unpickler = unpickler_type()(io.BytesIO(data))
    unpickler.take = take
    try:
        return unpickler.load()
    except (MemoryError, call_errors.PayloadError):
        raise
    except Exception as error:
        class_name = class_that_failed(error) or unpickler.last
        what = f"make a {class_name}" if class_name else "read the message"
        message = f"the receiver cannot {what}: {words_of(error)}"
        raise call_errors.PayloadError(message, class_name=class_name) from error
    finally:
        unpickler.take = None


def unpickler_type():
    global unpickler_class
    if unpickler_class is None:
        import pickle

        class Unpickler(pickle.Unpickler):
            last = None  # the class that was looked up last

            def find_class(self, module, name):
                self.last = f"{module}.{name}"
                return super().find_class(module, name)

            def persistent_load(self, identifier):
                kind, source, form, shape = identifier
                if isinstance(source, int):
                    known = self.__dict__.setdefault("known", {})
                    if source not in known:
                        known[source] = shaped(kind, self.take(kind, source), form, shape)
                    return known[source]
                return shaped(kind, source, form, shape)

        unpickler_class = Unpickler
    return unpickler_class


def shaped(kind, source, form, shape):
    if kind != "memory":
        return source
    view = memoryview(source)
    if shape is not None:
        return view.cast(form, shape)
    return view if form == "B" else view.cast(form)


def class_that_failed(error):
    """The class whose method raised, from the first frame below the unpickler."""
    place = error.__traceback__
    while place is not None and place.tb_frame.f_globals is globals():
        place = place.tb_next
    if place is None:
        return None
    code = place.tb_frame.f_code
    if not code.co_argcount:
        return None
    first = place.tb_frame.f_locals.get(code.co_varnames[0])
    if code.co_varnames[0] not in ("self", "cls"):
        return None
    return name_of(first if isinstance(first, type) else type(first))


def name_of(cls):
    return f"{cls.__module__}.{cls.__qualname__}"


def words_of(error):
    """What an exception says, on one line, or its type when it says nothing."""
    try:
        text = " ".join(str(error).split())
    except Exception:
        text = ""
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    return text[:TEXT_MOST] or type(error).__name__


def too_large(size, limit):
    return call_errors.PayloadTooLarge(
        f"the message needs {size} bytes or more, and {limit} are allowed (max_payload)", size, limit
    )


def refusal_of_value(value, error):
    return refusal([("result", value)], error)


def refusal_of_call(call, error):
    return refusal(arguments_of(*call), error)


def arguments_of(args, kwargs):
    return [(f"argument {number}", value) for number, value in enumerate(args, 1)] + [
        (f"argument {name!r}", value) for name, value in (kwargs or {}).items()
    ]


def refusal(places, error):
    """The PayloadError for what pickle refused: names the first place that it refuses alone."""
    if not isinstance(error, Exception) or isinstance(error, MemoryError):
        return error  # an interruption of the call, for example
    try:
        path, error = Search(places).run(error)
    except Exception:  # of a __hash__ or __getattribute__ of the app
        path = places[0][0] if len(places) == 1 else None
    path = path and shortened(path)
    text = words_of(error)
    made = call_errors.PayloadError(f"{path}: {text}" if path else text, path)
    made.__cause__ = error
    return made


def find_class(value, class_name, path="result"):
    """Where the first instance of the class with this full name is in `value`, or None."""
    return Search([(path, value)]).first_of(class_name)


def find_class_in_call(args, kwargs, class_name):
    """The same for the arguments of a call: "argument 'order'[2]"."""
    return Search(arguments_of(args, kwargs)).first_of(class_name)


def shortened(path):
    return path if len(path) <= TEXT_MOST else f"{path[: TEXT_MOST // 2]}…{path[-TEXT_MOST // 2 :]}"


class Search:
    """A walk through values that stops after some nodes. Slow: only for what was refused."""

    def __init__(self, places):
        import time

        self.places = places
        self.left = NODES_MOST
        self.clock = time.monotonic
        self.end = time.monotonic() + SECONDS_MOST

    def run(self, error):
        """(path, error) of the innermost value that cannot be pickled by itself."""
        path, children = None, self.places
        above = set()
        while True:
            for place, value in children:
                found = self.trial(value)
                if found is not None:
                    break
            else:
                return path, error
            path, error = place, found
            if id(value) in above or isinstance(error, RecursionError):
                return path, error  # no part of it is to blame
            above.add(id(value))
            children = children_of(value, path)

    def trial(self, value):
        """What pickle says against a value, or None."""
        if not self.goes_on():
            return None
        try:
            pickler = trial_type()(Sink(forget), protocol=5)
            mend(pickler)
            pickler.dump(value)
        except Exception as error:
            return error
        return None

    def goes_on(self):
        self.left -= 1
        return self.left >= 0 and self.clock() < self.end

    def first_of(self, class_name):
        todo, seen = list(reversed(self.places)), set()
        while todo and self.goes_on():
            path, value = todo.pop()
            if id(value) in seen:
                continue
            seen.add(id(value))
            if name_of(type(value)) == class_name or (isinstance(value, type) and name_of(value) == class_name):
                return path
            todo += reversed(children_of(value, path))
        return None


def forget(piece):
    pass


def trial_type():
    global trial_class
    if trial_class is None:
        import pickle

        class Trial(pickle.Pickler):
            def persistent_id(self, value):
                kind = type(value)
                if kind is memoryview:
                    _moult.payload_check_memory(value)
                    return True
                return True if kind in (bytes, bytearray) and len(value) >= BUFFER_MIN else None

        trial_class = Trial
    return trial_class


def children_of(value, path):
    """[(path, value)] of what lies directly in it, as much of it as a search can look at."""
    from itertools import islice

    found = []
    if isinstance(value, dict):
        for key, item in islice(dict.items(value), NODES_MOST):
            found.append((f"{path}.<key {short(key)}>", key))
            found.append((f"{path}[{short(key)}]", item))
    elif isinstance(value, list | tuple):
        items = (list if isinstance(value, list) else tuple).__iter__(value)
        found += [(f"{path}[{number}]", item) for number, item in enumerate(islice(items, NODES_MOST))]
    elif isinstance(value, set | frozenset):
        found += [(f"{path}.<member>", item) for item in islice(value, NODES_MOST)]
    if not isinstance(value, type | type(_moult)):
        found += [(f"{path}.{name}", item) for name, item in attributes_of(value)]
    return found


def attributes_of(value):
    try:
        found = list(object.__getattribute__(value, "__dict__").items())
    except AttributeError:
        found = []
    for cls in type(value).__mro__:
        slots = cls.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if name in ("__dict__", "__weakref__"):
                continue
            if name.startswith("__") and not name.endswith("__"):
                name = f"_{cls.__name__.lstrip('_')}{name}"
            try:
                found.append((name, object.__getattribute__(value, name)))
            except AttributeError:
                pass  # not set
    return found


def short(key):
    kind = type(key)
    is_long = kind is int and key.bit_length() > 128  # slow to write, and Python may refuse to
    if kind not in (str, int, bool, float, bytes, type(None)) or is_long:
        return f"<{kind.__name__}>"
    text = repr(key[:60] if kind in (str, bytes) else key)
    return text if len(text) <= 60 else text[:57] + "..."
