// Calls of the standard library that need a process: the app moves there, unasked.

#include "tests/integration/extensions.h"
#include "tests/integration/sources.h"
#include "tests/support/daemon_process.h"

#include <doctest/doctest.h>

#include <string>

using namespace moult::testing;

namespace {

struct Case {
  const char* what;    // as `compat` names it
  const char* import;  // lines of the module
  const char* call;    // an expression that a request evaluates
  const char* answer;
};

constexpr Case kCases[] = {
    {"tracemalloc.start()", "import tracemalloc\ntracemalloc.start()\n", "tracemalloc.is_tracing()", "True"},
    {"tracemalloc.start()", "import tracemalloc\n", "(tracemalloc.start(), tracemalloc.is_tracing())[1]",
     "True"},
    {"signal.setitimer()",
     "import signal, threading\n"
     "rang = threading.Event()\n"
     "signal.signal(signal.SIGALRM, lambda *args: rang.set())\n",
     "(signal.setitimer(signal.ITIMER_REAL, 0.01), rang.wait(20))[1]", "True"},
    {"signal.alarm()",
     "import signal, threading\n"
     "rang = threading.Event()\n"
     "signal.signal(signal.SIGALRM, lambda *args: rang.set())\n"
     "signal.alarm(1)\n",
     "rang.wait(20)", "True"},
};

constexpr Case kDefaultContext[] = {
    {"decimal.DefaultContext", "import decimal\ndecimal.DefaultContext.prec = 5\n", "decimal.Decimal(1) / 3",
     "0.33333"},
    {"decimal.DefaultContext", "import decimal\ndecimal.DefaultContext.traps[decimal.Inexact] = True\n",
     "decimal.getcontext().traps[decimal.Inexact]", "True"},
};

std::string source_of(const Case& one) {
  return std::string(one.import) +
         "def application(environ, start_response):\n"
         "    answer = str(" +
         one.call +
         ")\n"
         "    start_response('200 OK', [])\n"
         "    return [answer.encode()]\n";
}

void check(const Case& one) {
  CAPTURE(one.what);
  CAPTURE(one.import);
  DaemonProcess daemon;
  const AppTree other = daemon.add_app("other", "routes = [\"/other\"]");
  other.write("app.py", answers("other"));
  const AppTree app = daemon.add_app("blog", "routes = [\"/\"]");
  app.write("app.py", source_of(one));
  daemon.start();
  CHECK(daemon.get("/").body == one.answer);
  CHECK(daemon.status("blog").text("/isolation") == "process");
  const Answer compat = daemon.call("compat", R"({"app":"blog"})");
  CHECK_MESSAGE(compat.text("/reason").find(one.what) != std::string::npos, compat.raw());
  app.write("app.py", "# edited\n" + source_of(one));
  CHECK(eventually([&] { return daemon.generation("blog") > 1; }));
  CHECK(daemon.get("/").body == one.answer);
  CHECK(daemon.status("blog").number("/counters/rejected") == 0);
  CHECK(daemon.get("/other").body == "other");
}

}  // namespace

TEST_CASE("an app that calls what concerns the whole process is served from one of its own") {
  if (!has_subinterpreters()) return;
  for (const Case& one : kCases) check(one);
  if (python_version() != std::pair(3, 11)) return;
  for (const Case& one : kDefaultContext) check(one);
}
