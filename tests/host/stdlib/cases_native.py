"""What calls into libraries of C: ctypes, SQLite, compression, digests, databases, terminals."""

from cases import case, raised


@case("ctypes", "_ctypes", "ctypes.util", "ctypes.wintypes")
def foreign():
    import ctypes
    import gc
    import pickle

    class Point(ctypes.Structure):
        _fields_ = [("x", ctypes.c_int), ("y", ctypes.c_double)]

    class Bits(ctypes.Union):
        _fields_ = [("a", ctypes.c_uint32), ("b", ctypes.c_ubyte * 4)]

    libc = ctypes.CDLL(None)
    compare = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_int))
    numbers = (ctypes.c_int * 4)(3, 1, 2, 0)
    libc.qsort.restype = None
    libc.qsort(numbers, 4, ctypes.sizeof(ctypes.c_int), compare(lambda a, b: a[0] - b[0]))
    libc.strlen.argtypes = [ctypes.c_char_p]
    failing = ctypes.CFUNCTYPE(ctypes.c_int)(lambda: 5)
    found = [
        list(numbers),
        libc.strlen(b"abc"),
        failing(),
        Point(1, 2.5).y,
        Bits(a=1).b[0],
        ctypes.sizeof(Point),
        ctypes.c_int(7),
        isinstance(numbers, ctypes.Array),
    ]
    try:
        libc.strlen(3)
    except ctypes.ArgumentError as error:
        found.append(f"caught {error}")
    point = ctypes.pointer(Point(3, 4))
    found += [
        point.contents.x,
        type(point.contents) is Point,
        ctypes.cast(point, ctypes.POINTER(ctypes.c_int))[0],
        raised(ctypes.POINTER, 5),
    ]
    found += [
        ctypes.POINTER(Point) is ctypes.POINTER(Point),
        pickle.loads(pickle.dumps(ctypes.c_int(4))).value,
        raised(getattr, libc, "no_such_function"),
    ]
    ctypes.set_errno(5)
    found += [
        ctypes.get_errno(),
        ctypes.string_at(b"abc"),
        ctypes.create_string_buffer(b"x").raw,
        raised(ctypes.CDLL, "/no/such.so"),
        ctypes.py_object([1]).value,
    ]
    gc.collect()
    ctypes.pythonapi.Py_GetVersion.restype = ctypes.c_char_p
    return [
        *found,
        ctypes.pythonapi.Py_GetVersion()[:3],
        issubclass(ctypes.c_int, ctypes._SimpleCData),
        ctypes.c_int.from_buffer(bytearray(8)).value,
        ctypes.c_char_p(b"a").value,
        ctypes.BigEndianStructure.__mro__,
    ]


@case("sqlite3", "_sqlite3", "sqlite3.dbapi2")
def databases():
    import datetime
    import decimal
    import gc
    import sqlite3
    import warnings

    warnings.simplefilter("ignore", DeprecationWarning)

    class Sum:
        def __init__(self):
            self.total = 0

        def step(self, value):
            self.total += value

        def finalize(self):
            return self.total

    sqlite3.register_adapter(decimal.Decimal, str)
    sqlite3.register_converter("decimal", lambda data: decimal.Decimal(data.decode()))
    base = sqlite3.connect(":memory:", detect_types=sqlite3.PARSE_DECLTYPES | sqlite3.PARSE_COLNAMES)
    base.row_factory = sqlite3.Row
    base.create_function("twice", 1, lambda value: value * 2)
    base.create_function("fails", 0, lambda: 1 / 0)
    base.create_aggregate("total_of", 1, Sum)
    base.create_collation("backwards", lambda a, b: (a < b) - (a > b))
    base.execute("create table t (a integer primary key, b decimal, c date, d timestamp)")
    with base:
        base.execute(
            "insert into t (b, c, d) values (?, ?, ?)",
            (decimal.Decimal("1.5"), datetime.date(2020, 1, 2), datetime.datetime(2020, 1, 2, 3)),
        )
    row = base.execute("select *, twice(a) as e, total_of(a) from t").fetchone()
    found = [tuple(row), row.keys(), isinstance(row, sqlite3.Row), row["c"].year, raised(lambda: row["z"])]
    for text in ("select x", "insert into t (a) values (1)", "select fails()", "selec"):
        try:
            base.execute(text)
        except sqlite3.Error as error:
            found.append(f"caught {type(error).__mro__[:3]} {error}")
    found.append(base.in_transaction)
    base.rollback()
    base.set_trace_callback(found.append)
    base.execute("select 1")
    base.set_trace_callback(None)
    found += [
        list(map(tuple, base.execute("select 'a' as v union select 'b' order by v collate backwards"))),
        base.in_transaction,
        base.total_changes,
    ]
    other = sqlite3.connect(":memory:")
    base.backup(other)
    found += [
        other.execute("select count(*) from t").fetchone(),
        sqlite3.complete_statement("a;"),
        list(base.iterdump())[-1],
    ]
    other.close()
    base.close()
    gc.collect()
    return [
        *found,
        raised(base.execute, "select 1"),
        sqlite3.Error.__mro__,
        sqlite3.apilevel,
        sqlite3.adapt(decimal.Decimal(2)),
    ]


@case("zlib", "gzip", "bz2", "_bz2", "lzma", "_lzma", "zipfile", "tarfile")
def compressed():
    import bz2
    import copy
    import gzip
    import io
    import lzma
    import pickle
    import tarfile
    import zipfile
    import zlib

    data = b"abc" * 99
    found = [module.decompress(module.compress(data)) == data for module in (zlib, gzip, bz2, lzma)]
    bad = [
        (zlib.decompress, zlib.error),
        (lzma.decompress, lzma.LZMAError),
        (gzip.decompress, gzip.BadGzipFile),
        (bz2.decompress, OSError),
    ]
    for function, kind in bad:
        try:
            function(b"no such thing")
        except kind as error:
            found.append(f"caught {kind.__mro__} {error}")
    part = zlib.compressobj()
    part.compress(data)
    twin = copy.copy(part)
    found += [twin.flush() == part.flush(), raised(pickle.dumps, part), raised(pickle.dumps, bz2.BZ2Compressor())]
    inside = lzma.LZMADecompressor()
    found += [
        inside.decompress(lzma.compress(data)) == data,
        inside.eof,
        raised(inside.decompress, b"x"),
        zlib.crc32(data),
        zlib.adler32(data),
    ]
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_LZMA) as packed:
        packed.writestr("a", data)
    found += [
        zipfile.ZipFile(out).read("a") == data,
        raised(zipfile.ZipFile, io.BytesIO(b"x")),
        raised(tarfile.open, fileobj=io.BytesIO(b"x")),
    ]
    return [*found, bz2.open(io.BytesIO(bz2.compress(b"x\ny"))).readlines(), lzma.is_check_supported(lzma.CHECK_CRC64)]


@case("hashlib", "hmac", "_hashlib", "_md5", "_sha1", "_blake2", "_sha3", "_hmac")
def digests():
    import hashlib
    import hmac
    import pickle

    found = [
        (name, hashlib.new(name, b"a").hexdigest())
        for name in sorted(hashlib.algorithms_guaranteed)
        if "shake" not in name
    ]
    found += [
        hashlib.shake_128(b"a").hexdigest(4),
        hmac.new(b"k", b"m", "sha256").hexdigest(),
        hmac.compare_digest("a", "a"),
        hashlib.sha256().copy().digest_size,
    ]
    found += [
        hashlib.pbkdf2_hmac("sha1", b"p", b"s", 2).hex(),
        raised(hashlib.new, "nope"),
        raised(pickle.dumps, hashlib.sha256()),
        type(hashlib.sha256()).__name__,
    ]
    found += [
        hashlib.scrypt(b"p", salt=b"s", n=2, r=1, p=1).hex()[:8],
        hashlib.blake2b(b"a", digest_size=4, key=b"k").hexdigest(),
        hashlib.sha3_256.__name__,
    ]
    return [*found, raised(hmac.new, b"k"), hmac.digest(b"k", b"m", "md5").hex(), raised(hmac.compare_digest, "é", "a")]


@case("dbm", "dbm.dumb", "dbm.gnu", "dbm.ndbm", "_dbm", "_gdbm", "shelve")
def key_files():
    import dbm
    import importlib
    import os
    import shelve
    import tempfile

    found = []
    with tempfile.TemporaryDirectory() as folder:
        for name in ("dumb", "gnu", "ndbm", "sqlite3"):
            try:
                module = importlib.import_module("dbm." + name)
            except ImportError as error:
                found.append(f"{name}: {error}")
                continue
            with module.open(os.path.join(folder, name), "c") as base:
                base[b"a"] = b"b"
                found.append(
                    (
                        name,
                        base[b"a"],
                        raised(lambda: base[b"z"]),
                        issubclass(module.error, OSError),
                        issubclass(module.error, dbm.error),
                    )
                )
        with shelve.open(os.path.join(folder, "shelf")) as shelf:
            shelf["a"] = [1]
            found.append(dict(shelf))
        try:
            dbm.open(os.path.join(folder, "none"))
        except dbm.error as error:
            found.append(f"caught {type(error).__name__}")
    return found


@case("audioop", "crypt", "spwd", "nis", "imghdr", "cgi", "ossaudiodev")
def departing():
    import importlib

    found = []
    for name, use in (
        ("audioop", lambda module: [module.max(b"\1\2", 1), raised(module.max, b"a", 9), module.error.__mro__]),
        (
            "crypt",
            lambda module: [raised(module.crypt, "a", "$6$salt$")[:8], [str(method) for method in module.methods][:1]],
        ),
        ("spwd", lambda module: [type(module.getspall()).__name__, raised(module.getspnam, "no such")]),
        ("nis", lambda module: [module.error.__mro__]),
        ("imghdr", lambda module: [module.what(None, b"\x89PNG\r\n\x1a\n")]),
        ("cgi", lambda module: [module.parse_header("a; b=c")]),
    ):
        try:
            module = importlib.import_module(name)
        except ImportError as error:
            found.append(str(error))
        else:
            found.append((name, raised(use, module)))
    return found


@case(
    "curses",
    "_curses",
    "_curses_panel",
    "readline",
    "rlcompleter",
    "cmd",
    "code",
    "codeop",
    "getopt",
    "optparse",
    "argparse",
)
def terminals():
    import argparse
    import code
    import codeop
    import getopt
    import importlib
    import rlcompleter

    found = []
    for name, use in (
        ("curses", lambda module: [module.error.__mro__, raised(module.tigetnum, "cols")]),
        ("curses.panel", lambda module: [module.error.__mro__]),
        ("readline", lambda module: [module.get_completer_delims()[:3], module.get_history_length()]),
    ):
        try:
            module = importlib.import_module(name)
        except ImportError as error:
            found.append(f"{name}: {error}")
        else:
            found.append((name, raised(use, module)))
    parser = argparse.ArgumentParser(prog="p", exit_on_error=False)
    parser.add_argument("-a", type=int)
    try:
        parser.parse_args(["-a", "x"])
    except argparse.ArgumentError as error:
        found.append(f"caught {error}")
    try:
        getopt.getopt(["-x"], "a")
    except getopt.error as error:
        found.append(f"caught {error}")
    return [
        *found,
        parser.parse_args(["-a", "3"]),
        codeop.compile_command("if 1:"),
        code.InteractiveInterpreter({"a": 1}).locals,
        rlcompleter.Completer({"abc": 1}).complete("ab", 0),
    ]
