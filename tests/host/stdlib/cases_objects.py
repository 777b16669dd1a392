"""Classes, functions, containers and what holds them."""

from cases import case, raised


@case("collections", "_collections", "_collections_abc", "collections.abc")
def containers():
    import collections
    import copy
    import pickle

    made = [
        collections.OrderedDict(a=1),
        collections.defaultdict(list, b=[1]),
        collections.deque([1, 2], 3),
        collections.Counter("aab"),
        collections.ChainMap({"a": 1}, {"b": 2}),
        collections.UserDict(a=1),
        collections.UserList([1]),
        collections.UserString("a"),
    ]
    found = []
    for one in made:
        for other in (pickle.loads(pickle.dumps(one)), copy.copy(one), copy.deepcopy(one)):
            found.append((type(other) is type(one), other == one))
        found.append(
            [abc for abc in collections.abc.__all__ if raised(isinstance, one, getattr(collections.abc, abc)) is True]
        )
    Point = collections.namedtuple("Point", "x y", defaults=[0])
    iterator = iter(made[2])
    found += [
        Point(1),
        Point(1)._asdict(),
        Point._fields,
        next(iterator),
        iterator.__reduce__(),
        raised(made[2].index, 9),
    ]
    return [*found, made[0].move_to_end("a"), made[3].most_common(1), raised(collections.namedtuple, "a", "def")]


@case("itertools")
def iterators():
    import copy
    import itertools
    import pickle
    import warnings

    made = {
        "count": itertools.count(3),
        "cycle": itertools.cycle("ab"),
        "chain": itertools.chain("a", "b"),
        "islice": itertools.islice(range(9), 2, 5),
        "product": itertools.product("ab", repeat=2),
        "permutations": itertools.permutations("abc", 2),
        "accumulate": itertools.accumulate([1, 2]),
        "zip_longest": itertools.zip_longest("a", "bc"),
        "groupby": itertools.groupby("aab"),
        "tee": itertools.tee("ab")[0],
    }
    found = [itertools.count(1, 2).__repr__(), list(itertools.pairwise("abc")), list(itertools.compress("ab", [0, 1]))]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, one in made.items():
            next(one)
            found.append(
                (
                    name,
                    raised(lambda: type(pickle.loads(pickle.dumps(one))) is type(one)),
                    raised(lambda: type(copy.copy(one)) is type(one)),
                )
            )
    return found


@case("functools", "_functools")
def function_tools():
    import copy
    import functools
    import pickle

    calls = []

    @functools.lru_cache(maxsize=2)
    def cached(value):
        calls.append(value)
        return value

    @functools.singledispatch
    def kind(value):
        return "other"

    @kind.register
    def _(value: int):
        return "int"

    @functools.total_ordering
    class Ordered:
        def __eq__(self, other):
            return True

        def __lt__(self, other):
            return False

    class Lazy:
        @functools.cached_property
        def value(self):
            calls.append("lazy")
            return 1

    lazy = Lazy()
    partial = functools.partial(int, base=2)
    return [
        cached(1),
        cached(1),
        cached.cache_info(),
        cached.cache_clear(),
        kind(True),
        kind("a"),
        Ordered() <= Ordered(),
        lazy.value,
        lazy.value,
        pickle.loads(pickle.dumps(partial))("101"),
        copy.deepcopy(partial).keywords,
        functools.reduce(int.__add__, [1, 2], 3),
        sorted("bA", key=functools.cmp_to_key(lambda a, b: (a > b) - (a < b))),
        calls,
        isinstance(partial, functools.partial),
        raised(functools.reduce, int.__add__, []),
        type(cached).__name__,
    ]


@case("enum", "dataclasses", "typing", "_typing", "types", "abc", "_abc")
def classes():
    import abc
    import collections.abc
    import copy
    import dataclasses
    import enum
    import types
    import typing

    class Colour(enum.Enum):
        RED = 1
        CRIMSON = 1

    class Bits(enum.IntFlag):
        A = enum.auto()
        B = enum.auto()

    @dataclasses.dataclass(order=True, frozen=True)
    class Pair:
        x: int
        y: list = dataclasses.field(default_factory=list, compare=False)

    class Base(abc.ABC):
        @abc.abstractmethod
        def act(self): ...

    @Base.register
    class Virtual:
        pass

    @typing.runtime_checkable
    class Closes(typing.Protocol):
        def close(self): ...

    T = typing.TypeVar("T")

    class Box(typing.Generic[T]):
        pass

    return [
        Colour.CRIMSON is Colour.RED,
        Colour(1),
        raised(Colour, 2),
        Bits.A | Bits.B,
        Bits(3) & Bits.B,
        copy.deepcopy(Colour.RED) is Colour.RED,
        Pair(1) < Pair(2),
        dataclasses.replace(Pair(1), x=3),
        raised(setattr, Pair(1), "x", 2),
        dataclasses.asdict(Pair(1)),
        raised(Base),
        isinstance(Virtual(), Base),
        isinstance(open, Closes),
        isinstance(__import__("io").StringIO(), Closes),
        Box[int],
        typing.get_type_hints(Pair),
        typing.Optional[int],
        int | None,
        isinstance(1, int | str),
        typing.get_args(dict[str, int]),
        typing.Union[int, None] == (int | None),
        types.SimpleNamespace(a=1),
        types.MappingProxyType({1: 2}),
        issubclass(dict, collections.abc.Mapping),
        isinstance(list[int], types.GenericAlias),
        abc.get_cache_token() == abc.get_cache_token(),
        types.new_class("N", (Base,)).__mro__,
    ]


@case("weakref", "_weakref", "_weakrefset", "gc")
def references():
    import copy
    import gc
    import weakref

    class One:
        pass

    one, told = One(), []
    one.self = one
    reference = weakref.ref(one, lambda _: told.append("gone"))
    values = weakref.WeakValueDictionary(a=one)
    members = weakref.WeakSet([one])
    weakref.finalize(one, told.append, "final")
    proxy = weakref.proxy(one)
    found = [
        reference() is one,
        len(values),
        len(members),
        proxy.self is one,
        copy.copy(values)["a"] is one,
        type(reference) is weakref.ref,
    ]
    del one
    gc.collect()
    try:
        proxy.self
    except ReferenceError as error:
        found.append(f"caught {error}")
    return [
        *found,
        reference(),
        len(values),
        len(members),
        sorted(told),
        gc.isenabled(),
        raised(weakref.ref, 1),
        gc.is_tracked([]),
    ]


@case("copyreg", "pickle", "_pickle", "pickletools", "_compat_pickle", "marshal", "shelve")
def pickles():
    import copyreg
    import io
    import marshal
    import pickle
    import pickletools

    import exercise_names

    copyreg.pickle(exercise_names.Plain, lambda one: (exercise_names.Plain, (one.value + 1,)))
    copied = pickle.loads(pickle.dumps(exercise_names.Plain(1)))
    del copyreg.dispatch_table[exercise_names.Plain]
    copyreg.add_extension("exercise_names", "Plain", 77)
    short = pickle.dumps(exercise_names.Plain, 2)
    extension = pickle.loads(short) is exercise_names.Plain
    copyreg.remove_extension("exercise_names", "Plain", 77)
    copyreg.clear_extension_cache()
    found = [copied.value, extension, short, raised(pickle.loads, short)]
    for bad in (lambda: pickle.dumps(lambda: 1), lambda: pickle.loads(b"x"), lambda: pickle.loads(b"")):
        try:
            bad()
        except (pickle.PicklingError, AttributeError) as error:
            found.append(f"caught {type(error).__name__}")
        except (pickle.UnpicklingError, EOFError) as error:
            found.append(f"caught {type(error).__name__} {error}")
    buffers = []
    data = pickle.dumps(pickle.PickleBuffer(b"abc"), 5, buffer_callback=buffers.append)

    class Finds(pickle.Unpickler):
        def find_class(self, module, name):
            return super().find_class(module, name)

    return [
        *found,
        pickle.loads(data, buffers=buffers),
        Finds(io.BytesIO(pickle.dumps(exercise_names.Plain(5)))).load().value,
        [op.name for op, _, _ in pickletools.genops(pickle.dumps((1, "a")))],
        marshal.loads(marshal.dumps({"a": (1, 2.5, None)})),
        pickle.Pickler.__module__,
        pickle.dumps({1, "a"} - {1}),
        raised(marshal.dumps, object()),
        raised(marshal.loads, b""),
        pickle.loads(pickle.dumps([exercise_names.Plain, len, "a".upper, ValueError("x")], 4))[1] is len,
    ]


@case("contextvars", "_contextvars", "contextlib")
def contexts():
    import contextlib
    import contextvars
    import threading

    variable = contextvars.ContextVar("variable", default=1)
    token = variable.set(2)
    inner = contextvars.copy_context()
    seen = []
    thread = threading.Thread(target=lambda: seen.append((variable.get(), inner.run(variable.get))))
    thread.start()
    thread.join()
    variable.reset(token)

    @contextlib.contextmanager
    def managed():
        seen.append("in")
        yield
        seen.append("out")

    with contextlib.ExitStack() as stack:
        stack.enter_context(managed())
        stack.callback(seen.append, "callback")
    with contextlib.suppress(KeyError):
        {}[1]
    return [
        seen,
        variable.get(),
        raised(variable.reset, token),
        token.old_value,
        token.MISSING is contextvars.Token.MISSING,
        variable in inner,
        isinstance(inner, __import__("collections").abc.Mapping),
        repr(contextvars.Token.MISSING),
        len(contextvars.Context()),
    ]
