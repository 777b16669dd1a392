"""What the language itself and its imports rest on."""

from cases import case, raised


@case("operator", "_operator", "inspect", "dis", "_opcode", "opcode", "copy", "builtins")
def callables():
    import copy
    import dis
    import inspect
    import operator
    import pickle

    def function(a: int, /, b=2, *c, d, **e) -> str:
        """Documented."""
        yield a

    getter = operator.itemgetter(1, 2)
    return [
        pickle.loads(pickle.dumps(getter))("abc"),
        copy.copy(operator.attrgetter("real"))(3),
        operator.methodcaller("upper")("a"),
        operator.index(True),
        inspect.signature(function),
        inspect.getdoc(function),
        inspect.isgeneratorfunction(function),
        inspect.signature(int.from_bytes),
        [one.opname for one in dis.get_instructions("a")][-2:],
        operator.concat([1], [2]),
        raised(operator.index, 1.5),
        copy.deepcopy([[1]]),
        raised(int, "x"),
        raised(lambda: sorted([1, "a"])),
        sum([0.1] * 10),
        pow(3, -1, 7),
        raised(eval, "1/0"),
        isinstance(True, int),
    ]


@case("importlib", "importlib.metadata", "importlib.resources", "pkgutil", "runpy", "zipimport", "_imp", "modulefinder")
def imports():
    import importlib
    import importlib.machinery
    import importlib.util
    import io
    import os
    import pkgutil
    import runpy
    import sys
    import tempfile
    import zipfile

    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "pack.zip")
        with zipfile.ZipFile(path, "w") as file:
            file.writestr("zipped_exercise.py", "VALUE = 5\n")
        sys.path.insert(0, path)
        try:
            zipped = importlib.import_module("zipped_exercise").VALUE
        finally:
            sys.path.remove(path)
            sys.modules.pop("zipped_exercise", None)
        with open(os.path.join(folder, "script.py"), "w") as file:
            file.write("value = __name__\n")
        ran = runpy.run_path(file.name, run_name="other")["value"]
    fresh = importlib.util.module_from_spec(importlib.util.find_spec("colorsys"))
    fresh.__loader__.exec_module(fresh)
    import exercise_names

    return [
        zipped,
        ran,
        fresh.ONE_THIRD,
        raised(importlib.import_module, "no_such_module"),
        raised(exec, "from os import no_such_name"),
        importlib.reload(exercise_names) is exercise_names,
        pkgutil.resolve_name("os.path:join") is os.path.join,
        importlib.util.find_spec("nope"),
        importlib.machinery.all_suffixes()[0],
        io.__spec__.name,
        raised(exec, "import os.nope"),
        importlib.import_module("json.decoder").__package__,
    ]


@case("sys", "_thread", "traceback")
def interpreter():
    import sys

    limit = sys.getrecursionlimit()

    def deep():
        return deep()

    try:
        deep()
    except RecursionError as error:
        told = isinstance(error, RuntimeError)
    sys.setrecursionlimit(limit + 1)
    changed = sys.getrecursionlimit() - limit
    sys.setrecursionlimit(limit)
    hooked, before = [], sys.unraisablehook
    sys.unraisablehook = lambda unraisable: hooked.append(type(unraisable.exc_value).__name__)

    class Fails:
        def __del__(self):
            raise KeyError

    Fails()
    sys.unraisablehook = before
    return [
        told,
        changed,
        hooked,
        sys.intern("ab") is sys.intern("a" + "b"[:1]),
        sys.getsizeof(0) > 0,
        sys.is_finalizing(),
        sys.version_info[:3],
        sys.implementation.name,
        raised(sys.setrecursionlimit, 0),
        sys.int_info.bits_per_digit,
        type(sys.flags).__name__,
        sys.maxsize,
        raised(lambda: int("1" * 5000)),
        type(sys.stdout).__module__ != "",
        sys.exc_info(),
        raised(sys.exit, 3),
        sys.hash_info.width,
    ]
