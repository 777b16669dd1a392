#include "daemon/moult/ladder.h"

#include <doctest/doctest.h>

using namespace moult;

namespace {

Rejection import_error(std::string error, std::string traceback = {}) {
  return {"import", std::move(error), std::move(traceback), {}, 0, {}};
}

}  // namespace

TEST_CASE("each text by which an extension refuses sub-interpreters asks for a process") {
  for (const char* text : {
           "ImportError: module _x does not support loading in subinterpreters",
           "ImportError: Interpreter change detected - this module can only be loaded into one interpreter "
           "per "
           "process.",
           "ImportError: PyO3 modules do not yet support subinterpreters, see https://github.com/PyO3/pyo3",
           "ImportError: PyO3 modules compiled for CPython 3.8 or older may only be initialized once per "
           "interpreter process",
           "ImportError: cannot load module more than once per process",
           "RuntimeError: CPU dispatcher tracer already initlized",
           "ImportError: failed to import from subinterpreter due to exception",
           "RuntimeError: fork not supported for isolated subinterpreters",
           "RuntimeError: exec not supported for isolated subinterpreters",
           "RuntimeError: fork not supported for subinterpreters",
           "RuntimeError: preexec_fn not supported within subinterpreters",
           "ImportError: cannot import name 'encodings' from 'psycopg2._psycopg' (/usr/lib/x.so)",
           "TypeError: A Message class can only inherit from Message",
           "TypeError: _abc_impl is set to a wrong type",
           "ValueError: signal only works in main thread of the main interpreter",
           "ValueError: subinterpreter can't use syslog.openlog()",
       }) {
    CAPTURE(text);
    CHECK(wants_process(import_error(text)));
    CHECK(wants_process(import_error("RuntimeError: the library could not be loaded", text)));
  }
}

TEST_CASE("a recorded refusal asks for a process, whatever the app made of it") {
  Rejection rejection = import_error("KeyError: 'fast'");
  rejection.refused = {{"_fast", "/srv/_fast.so", "does not support loading in subinterpreters"}};
  CHECK(wants_process(rejection));
}

TEST_CASE("a crash of the host at the load asks for a process") {
  CHECK(wants_process({"crash", "the host process was ended by signal 11"}));
}

TEST_CASE("an error of the app itself does not") {
  CHECK_FALSE(wants_process(import_error("SyntaxError: invalid syntax", "File \"app.py\", line 3")));
  CHECK_FALSE(wants_process(import_error("ModuleNotFoundError: No module named 'flask'")));
  CHECK_FALSE(wants_process(import_error("")));
  CHECK_FALSE(wants_process({"timeout", "did not load within 60 s"}));
  CHECK_FALSE(wants_process({"warmup", "GET / answered 500"}));
  CHECK_FALSE(wants_process({"stale", "replaced by a newer change"}));
}

TEST_CASE("the reason names the first module that refused, else it is the error") {
  Rejection rejection = import_error("ImportError: late");
  CHECK(reason_for_process(rejection) == "ImportError: late");
  rejection.refused = {{"numpy.core._umath", "/usr/lib/x.so", "once only"}, {"lxml.etree", "", "later"}};
  CHECK(reason_for_process(rejection) == "numpy.core._umath refuses sub-interpreters");
}
