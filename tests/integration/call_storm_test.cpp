// Calls between two apps, all the time, while both get new generations: each call has the right
// answer of exactly one generation, and none is lost or made twice.

#include "tests/support/daemon_process.h"
#include "tests/support/load_client.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <map>
#include <sstream>
#include <string>

using namespace moult::testing;

namespace {

// Both write at their end how many calls each generation of `target` has answered.
constexpr const char* kTells = R"(
import collections, moult, os, threading
counts = collections.Counter()
lock = threading.Lock()

@moult.retire
def tell():
    text = ''.join(f'{moult.current().app} {generation} {count}\n' for generation, count in counts.items())
    with open(os.environ['TRACE'], 'a') as file: file.write(text)
)";

constexpr const char* kTarget = R"(
import part
@moult.export
def work(n):
    import late
    with lock: counts[moult.current().generation] += 1
    return n * 2, moult.current().generation, part.generation, late.generation
def application(environ, start_response): pass
)";

// Each request makes ten calls, of which a few are slow enough to be in flight during a switch.
constexpr const char* kAsker = R"(
def application(environ, start_response):
    n = int(environ['QUERY_STRING'].partition('=')[2].replace('.', ''))
    wrong = ''
    for i in range(10):
        double, *generations = moult.call('target', 'work', n + i) if i % 2 else moult.app('target').work(n=n + i)
        if double != 2 * (n + i) or len(set(generations)) != 1: wrong += f' {n + i}: {double} {generations}'
        with lock: counts[generations[0]] += 1
    start_response('200 OK', [('Content-Type', 'text/plain')])
    return [wrong.encode() or b'right']
)";

std::string check_right(const HttpResponse& response, const std::string&) {
  return response.status == 200 && response.body == "right" ? ""
                                                            : std::to_string(response.status) + response.body;
}

}  // namespace

TEST_CASE("a storm of calls over many moults of both sides: each answered once, by one generation") {
  bool near = true;
  SUBCASE("in one host") {}
  SUBCASE("between two") { near = false; }
  CAPTURE(near);
  const char* const asked = std::getenv("MOULT_TEST_MOULTS");
  const int moults = asked != nullptr ? std::atoi(asked) : 30;
  DaemonProcess daemon;
  const std::string trace = daemon.folder() / "trace";
  const std::string common = "keep_previous = 0\nthreads = 4\nenv = { TRACE = \"" + trace + "\" }\n";
  const AppTree asker = daemon.add_app("asker", "route = \"/\"\ngroup = \"calls\"\n" + common);
  const AppTree target =
      daemon.add_app("target", "route = \"/target\"\n" + common +
                                   (near ? "group = \"calls\"\n" : "isolation = \"process\"\n"));
  asker.write("app.py", std::string(kTells) + kAsker);
  target.write("app.py", std::string(kTells) + kTarget);
  const std::string module = "import moult\ngeneration = moult.current().generation\n";
  target.write_all({"part.py", "late.py"}, module);
  daemon.start();
  std::uint64_t answered = 0;
  {
    LoadClient load(daemon.address(), "/", 3, check_right);
    for (int i = 0; i < moults; ++i) {
      const std::string app = i % 2 == 0 ? "target" : "asker";
      const Answer answer = daemon.call("reload", R"({"force":true,"app":")" + app + "\"}");
      REQUIRE_MESSAGE(answer.ok(), answer.raw());
    }
    load.stop();
    CHECK_MESSAGE(load.failed() == 0, load.failures());
    answered = load.answered();
  }
  REQUIRE(daemon.call("stop", R"({"apps":["asker"]})").ok());
  REQUIRE(daemon.call("stop", R"({"apps":["target"]})").ok());
  std::map<std::string, std::map<int, std::uint64_t>> counts;
  std::istringstream lines(read_file(trace));
  std::string app;
  int generation = 0;
  std::uint64_t count = 0;
  while (lines >> app >> generation >> count) counts[app][generation] += count;
  CHECK(counts["asker"] == counts["target"]);
  std::uint64_t sum = 0;
  for (const auto& [number, calls] : counts["target"]) sum += calls;
  CHECK(sum == answered * 10);
  MESSAGE(sum << " calls over " << moults << " moults, answered by " << counts["target"].size()
              << " generations");
}
