"""Where an interpreter of a host differs from plain Python, and why it has to. Nothing else may.

Each line: the module, what of it (both as patterns), on which Python, and the fact that explains it.
"""

import fnmatch

from host_driver import VERSION

ALWAYS = True

SHARED = VERSION < (3, 12)
STRICT = (3, 13) <= VERSION
INSIDE = not (3, 12) <= VERSION < (3, 13)  # in sub-interpreters

ASYNCIO = "_asyncio keeps tasks and loops of the process in C statics: asyncio runs on its Python part"
ZONEINFO = "_zoneinfo keeps its caches in C statics: zoneinfo runs on its Python part"
STREAM = "sys.stdout is a stream into the app's log, which can be deep-copied as a bound write() of it must be"
TERMINAL = "a module of one interpreter, that of the terminal: it refuses, and the app is moved to a process of its own"

TABLE = [
    ("_asyncio", "import", SHARED, ASYNCIO),
    ("asyncio*", "*Future", SHARED, ASYNCIO),
    ("asyncio*", "*Task", SHARED, ASYNCIO),
    ("_zoneinfo", "import", SHARED, ZONEINFO),
    ("zoneinfo", "ZoneInfo", SHARED, ZONEINFO),
    ("_decimal", "setcontext", SHARED, "the C function below that of decimal, whose name it has"),
    ("_io", "open_code", SHARED, "importlib's own; io.open_code gives the sources of the snapshot"),
    (
        "*signal",
        "signal_facts()",
        INSIDE,
        "signal.signal() does nothing here and says so in the log, or server code would not start",
    ),
    ("sys", "std*", ALWAYS, "streams into the app's log"),
    ("pprint", "PrettyPrinter", ALWAYS, STREAM),
    ("pstats", "*Stats", ALWAYS, STREAM),
    ("cgitb", "Hook", VERSION < (3, 13), STREAM),
    ("_curses*", "import", STRICT, TERMINAL),
    ("curses*", "import", STRICT, TERMINAL),
    ("readline", "import", STRICT, TERMINAL),
    ("_pyrepl.*", "*", STRICT, TERMINAL),
    ("profiling.sampling.*", "*", VERSION >= (3, 15), TERMINAL),
    ("*", "terminals()", STRICT, TERMINAL),
]


def reason(module, what):
    """Why this may differ, or None."""
    for entry in TABLE:
        modules, whats, applies, why = entry
        if applies and fnmatch.fnmatchcase(module, modules) and fnmatch.fnmatchcase(what, whats):
            used.add(entry)
            return why
    return None


def unused():
    return [entry for entry in TABLE if entry[2] and entry not in used]


used = set()
