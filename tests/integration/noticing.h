#pragma once

#include "tests/integration/gate.h"
#include "tests/integration/sources.h"

#include <doctest/doctest.h>

#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace moult::testing {

// One app named "blog" that is watched while its files are changed in all the ways that people and
// programs have. It answers with what its sources say.
class Noticed {
 public:
  explicit Noticed(std::string_view toml = "") : app(daemon.add_app("blog", toml)) {
    app.write("app.py", answers("one"));
  }

  void start() { daemon.start(); }
  int generation() const { return daemon.generation("blog"); }
  std::string body() const { return daemon.get("/").body; }
  bool serves(std::string_view text) const { return daemon.wait_for_body("/", text); }
  Answer status() const { return daemon.status("blog"); }
  int rejected() const { return static_cast<int>(status().number("/counters/rejected")); }

  // Whether `why` has an entry of this event that names the path and begins its rule so.
  bool why(std::string_view event, std::string_view path, std::string_view rule = "") const {
    const Answer page = daemon.call("why", R"({"app":"blog"})");
    for (std::size_t i = 0; i < page.size("/history"); ++i) {
      const std::string entry = "/history/" + std::to_string(i);
      const std::string text = page.text(entry + "/text");
      if (page.text(entry + "/event") == event && text.find(path) != std::string::npos &&
          (rule.empty() || text.find(": " + std::string(rule)) != std::string::npos)) {
        return true;
      }
    }
    return false;
  }
  bool comes_to_why(std::string_view event, std::string_view path, std::string_view rule = "") const {
    return eventually([&] { return why(event, path, rule); });
  }

  // Until nothing that was changed so far is still to be taken up: a source that is changed now comes
  // after all of it. One generation is made of it.
  void rest() {
    const int before = generation();
    app.write("rest.py", "N = " + std::to_string(++rests_) + "\n");
    REQUIRE(eventually([&] {
      const Answer now = status();
      return generation() > before && !now.has("/attempt") && now.text("/state") == "running";
    }));
  }

  DaemonProcess daemon;
  AppTree app;

 private:
  int rests_ = 0;
};

// Runs a program in `folder` and fails the case unless it ends well. Its home is the folder of the
// daemon.
inline std::string run_in(const Noticed& noticed, const std::filesystem::path& folder,
                          std::vector<std::string> arguments) {
  const std::string home = noticed.daemon.folder().path().string();
  Command command{std::move(arguments),
                  {{"PATH", "/usr/local/bin:/usr/bin:/bin"},
                   {"HOME", home},
                   {"GIT_CONFIG_NOSYSTEM", "1"},
                   {"GIT_AUTHOR_NAME", "A"},
                   {"GIT_AUTHOR_EMAIL", "a@example.org"},
                   {"GIT_COMMITTER_NAME", "A"},
                   {"GIT_COMMITTER_EMAIL", "a@example.org"}},
                  folder.string(),
                  {},
                  {}};
  const Finished finished = run(command, home);
  INFO(finished.output << finished.errors);
  REQUIRE(finished.status == 0);
  return finished.output;
}

inline bool has_program(const std::string& name) {
  for (const char* folder : {"/usr/bin/", "/bin/", "/usr/local/bin/"}) {
    if (std::filesystem::exists(folder + name)) return true;
  }
  return false;
}

}  // namespace moult::testing
