// The test that the project is about: fifty changes of a Flask app under steady load.

#include "tests/support/daemon_process.h"
#include "tests/support/load_client.h"
#include "tests/support/skip.h"

#include <doctest/doctest.h>

#include <sstream>
#include <string>

using namespace moult::testing;

namespace {

constexpr int kMoults = 50;
constexpr int kConnections = 16;

// "3 3 3 7.12 4242": one version three times, and the number of this very request.
std::string check_versions(const HttpResponse& response, const std::string& number) {
  if (response.status != 200) return std::to_string(response.status) + " " + response.body;
  std::istringstream words(response.body);
  std::string first;
  std::string second;
  std::string late;
  std::string echoed;
  words >> first >> second >> late >> echoed;
  if (first != second || second != late) return "mixed versions: " + response.body;
  return echoed == number ? "" : "the answer to another request: " + response.body;
}

void write_version(const AppTree& app, int version) {
  app.write_all({"first.py", "second/part.py", "late.py"}, "VERSION = " + std::to_string(version) + "\n");
}

}  // namespace

TEST_CASE("fifty moults of a Flask app under load: no call lost, cut or mixed") {
  if (!python_has("flask")) {
    skip("no Flask for this Python");
    return;
  }
  DaemonProcess daemon;
  const AppTree app = daemon.add_app("flask");
  app.copy_app("flask_versions");
  daemon.start();
  CHECK(daemon.get("/").body.substr(0, 5) == "0 0 0");

  LoadClient load(daemon.address(), "/", kConnections, check_versions);
  for (int version = 1; version <= kMoults; ++version) {
    write_version(app, version);
    const std::string expected = std::to_string(version) + " ";
    REQUIRE_MESSAGE(eventually([&] { return daemon.get("/").body.rfind(expected, 0) == 0; }),
                    "version " << version << " never came; failures so far:\n"
                               << load.failures() << daemon.status("flask").raw());
  }
  load.stop();
  CHECK_MESSAGE(load.failed() == 0, load.failures());
  CHECK(load.answered() > kMoults * kConnections);
  const Answer status = daemon.status("flask");
  CHECK(status.number("/counters/rejected") == 0);
  CHECK(status.number("/generation") == kMoults + 1);
  MESSAGE(load.answered() << " responses over " << kMoults << " moults");
}
