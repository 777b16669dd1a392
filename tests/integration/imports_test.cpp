// What generations have imported, asked while they live.

#include "tests/integration/gate.h"
#include "tests/integration/sources.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>

using namespace moult::testing;

namespace {

bool contains(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

Answer imports(const DaemonProcess& daemon, int generation = 0) {
  return daemon.call("imports", generation == 0
                                    ? R"({"app":"blog"})"
                                    : R"({"app":"blog","generation":)" + std::to_string(generation) + "}");
}

// A member of the row of this module; "no such module".
std::string of_module(const Answer& answer, const std::string& module, const std::string& member) {
  for (std::size_t i = 0; i < answer.size("/modules"); ++i) {
    const std::string row = "/modules/" + std::to_string(i);
    if (answer.text(row + "/module") == module) return answer.text(row + "/" + member);
  }
  return "no such module";
}

// Compiled sources on the disk, which another process finds.
std::size_t kept(const DaemonProcess& daemon) {
  std::error_code error;
  const std::filesystem::directory_iterator all(daemon.folder() / "home/.cache/moult/code", error);
  return static_cast<std::size_t>(std::count_if(begin(all), end(all), [](const auto& entry) {
    return !entry.path().filename().string().starts_with('.');
  }));
}

}  // namespace

TEST_CASE("a standby can be asked for its imports, a retired generation not, and the error says who can") {
  DaemonProcess daemon;
  const AppTree app = daemon.add_app("blog", "keep_previous = \"1h\"");
  app.write("only_in_one.py", "");
  app.write("same.py", "");
  app.write("app.py", "import same, only_in_one\n" + answers("one"));
  daemon.start();
  CHECK(imports(daemon).number("/generation") == 1);
  CHECK(imports(daemon).text("/cause") == "start");
  CHECK(of_module(imports(daemon), "only_in_one", "code") == "compiled");
  REQUIRE(eventually([&] { return kept(daemon) == 3; }));
  app.write("app.py", "import same\n" + answers("two"));
  REQUIRE(daemon.wait_for_body("/", "two"));
  CHECK(of_module(imports(daemon), "only_in_one", "kind") == "no such module");
  CHECK(of_module(imports(daemon), "same", "code") == "cached");
  CHECK(of_module(imports(daemon), "app", "code") == "compiled");
  CHECK(of_module(imports(daemon, 1), "only_in_one", "kind") == "source");
  app.write("app.py", answers("three"));
  REQUIRE(daemon.wait_for_body("/", "three"));
  REQUIRE(eventually([&] { return !imports(daemon, 1).ok(); }));
  const Answer gone = imports(daemon, 1);
  CHECK(gone.error_code() == "failed");
  CHECK(contains(gone.error_message(), "generation 1 of blog is "));
  CHECK(contains(gone.error_text("/hint"), "3"));
  CHECK(imports(daemon, 99).error_message() == "blog has no generation 99");
}

TEST_CASE("moultctl lists what took longest first, as many modules as asked for") {
  DaemonProcess daemon;
  const AppTree app = daemon.add_app("blog", "");
  app.write("sleeper.py", "import time\ntime.sleep(0.2)\n");
  app.write("app.py", "import sleeper\n" + answers("one"));
  daemon.start();
  const Finished table = daemon.ctl({"imports", "blog", "-n", "3"});
  CHECK(table.status == 0);
  CHECK(contains(table.output.substr(0, table.output.find('\n')), "TOTAL"));
  CHECK(table.output.find(" app ") < table.output.find(" sleeper "));  // which it imported
  CHECK(contains(table.output, "(start): "));
  const Finished own = daemon.ctl({"imports", "blog", "--sort", "self", "-n", "1"});
  CHECK(contains(own.output, "sleeper"));
  CHECK(contains(daemon.ctl({"imports", "blog", "-n", "0"}).output, "zipimport") ==
        contains(daemon.ctl({"imports", "blog", "--json"}).output, "\"zipimport\""));
  CHECK(daemon.ctl({"imports", "shop"}).status == 4);
}

TEST_CASE("an app that is not ready yet can be asked what it has imported so far") {
  DaemonProcess daemon;
  const AppTree app = daemon.add_app("blog", "");
  const Gate gate(daemon, "import");
  app.write("before.py", "");
  app.write("app.py", "import before\n" + gate.at_import() + answers("one"));
  daemon.start_listening();
  REQUIRE(gate.is_reached());
  CHECK(of_module(imports(daemon, 1), "before", "kind") == "source");
  gate.open();
  CHECK(daemon.wait_for_body("/", "one"));
}

TEST_CASE("in process isolation imports are listed too, with extensions that are made for one interpreter") {
  DaemonProcess daemon;
  const AppTree app = daemon.add_app("blog", "isolation = \"process\"");
  for (const auto& file : std::filesystem::directory_iterator(MOULT_EXTENSIONS_DIR)) {
    if (file.path().filename().string().starts_with("single_phase"))
      std::filesystem::copy_file(file.path(), app / file.path().filename().string());
  }
  app.write("app.py", "import single_phase\n" + answers("one"));
  daemon.start();
  REQUIRE(daemon.wait_for_body("/", "one"));
  const Answer answer = imports(daemon);
  CHECK(of_module(answer, "single_phase", "kind") == "extension");
  CHECK(of_module(answer, "single_phase", "phase") == "single-phase");
  CHECK(of_module(answer, "single_phase", "interpreters") == "one");
  CHECK(of_module(answer, "app", "code") == "compiled");
}
