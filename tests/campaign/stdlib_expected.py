"""Where CPython's own tests come out otherwise in an app's interpreter, and the fact that makes it so.

Each line: the tests (a pattern), the Pythons (a pattern), what the failure says, the reason.
"""

import fnmatch

MOVES = "what concerns the whole process is refused here: with `auto` the app is moved to a process of its own"
OWN_ENVIRONMENT = "the C environment is the host's; os.environ and that of children are the interpreter's own"
TESTING = "CPython's own extensions for its tests refuse sub-interpreters"
TRACEBACKS = "before 3.13 tracebacks are printed by traceback.py, which has the generation's sources and no suggestions"
BYTECODE = "bytecode beside a source that may be younger is not trusted, and none is written beside an app's sources"
LOG = "sys.stdout is the app's log"
SHARED = "3.11"
ASYNCIO = "asyncio runs on its Python part there, whose objects the collector frees"

TABLE = [
    ("*", "*", "fork not supported", MOVES),
    ("*", "*", "exec not supported", MOVES),
    ("*", "*", "preexec_fn not supported", MOVES),
    ("*", "*", "needs a process of its own", MOVES),
    ("*", "*", 'set isolation = "process" for this app', MOVES),
    ("*", "*", "does not support loading in subinterpreters", MOVES),
    ("*", "3.1[3-9]", "_testcapi", TESTING),
    ("*", "3.1[3-9]", "_testinternalcapi", TESTING),
    ("*", "3.1[3-9]", "_testlimitedcapi", TESTING),
    ("*", "3.1[3-9]", "ContainerNoGC extension", TESTING),
    ("test.test_logging.TimedRotatingFileHandlerTest.*_local", "*", "", "time.tzset() to another zone: " + MOVES),
    ("test.test_decimal.CSpecialContexts.test_default_context", "*", "", MOVES),
    ("test.test_tracemalloc.*", "*", "", MOVES),
    ("test.test_posix.PosixTester.test_fexecve", "*", "", MOVES),
    ("*numpy*", "*", "", MOVES),
    ("test.datetimetester.*", "*", "", "time.tzset() to another zone: " + MOVES),
    ("test.test_time.*tzset", "*", "", "time.tzset() to another zone: " + MOVES),
    (
        "test.test_strptime.CacheTests.test_TimeRE_recreation_timezone",
        "*",
        "",
        "time.tzset() to another zone: " + MOVES,
    ),
    ("test.test_email.test_utils.LocaltimeTests.*", "*", "", "time.tzset() to another zone: " + MOVES),
    (
        "test.test_zoneinfo.*ExtensionBuiltTest.*",
        SHARED,
        "",
        "zoneinfo runs on its Python part, see interp/boot/c_state.py",
    ),
    ("*test_asyncio.test_*.*C*Test*", SHARED, "", ASYNCIO),
    ("*test_asyncio.test_futures2*", SHARED, "", ASYNCIO),
    ("*handshake_timeout_handler_leak", SHARED, "", ASYNCIO),
    ("test.test_select.SelectTestCase.test_select_mutated", "*", "no file descriptor", LOG),
    ("*test_shutil*", "*", "", LOG + ", and the file asks for its descriptor while it is imported"),
    ("test.test_exceptions.*suggestions*", "3.11", "", TRACEBACKS),
    ("test.test_exceptions.*inside_nested_getattr", "3.11", "", TRACEBACKS),
    ("test.test_exceptions.*test_range_of_offsets", "3.1[12]", "", TRACEBACKS),
    ("test.test_importlib.source.test_file_loader.*", "*", "", BYTECODE),
    ("test.test_threading.*", "*", "cannot join a dummy thread", "a worker's thread was not made by threading"),
]


def reason(python, test, text):
    for tests, pythons, said, why in TABLE:
        if fnmatch.fnmatchcase(test, tests) and fnmatch.fnmatchcase(python, pythons) and said in text:
            return why
    return None
