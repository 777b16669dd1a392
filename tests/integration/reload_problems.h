#pragma once

#include "tests/integration/gate.h"
#include "tests/integration/sources.h"

#include <doctest/doctest.h>

#include <map>
#include <string>
#include <utility>

namespace moult::testing {

// Files of an app by their names below its tree.
using Sources = std::map<std::string, std::string>;

// The text of an app.py whose requests are answered with str(answer(path)); `source` defines answer().
inline std::string serves(std::string_view source) {
  return std::string(source) +
         "\ndef application(environ, start_response):\n"
         "    start_response('200 OK', [('Content-Type', 'text/plain')])\n"
         "    return [str(answer(environ['PATH_INFO'])).encode()]\n";
}

// What Python without Moult prints: one process and one interpreter that runs `script` over these files.
// edit() in it brings the new ones, each renamed over the old one.
inline std::string plain_python(const Sources& old_files, const Sources& new_files,
                                const std::string& script) {
  const TempDir folder;
  for (const auto& [name, text] : old_files) AppTree(folder.path() / "tree").write(name, text);
  for (const auto& [name, text] : new_files) AppTree(folder.path() / "next").write(name, text);
  AppTree(folder.path()).write("script.py", R"(
import importlib, os, runpy, sys, threading, time
sys.dont_write_bytecode = True
sys.path[0] = os.path.abspath('tree')
def edit():
    for folder, _, names in os.walk('next'):
        for name in names:
            path = os.path.join(folder, name)
            os.replace(path, os.path.join('tree', os.path.relpath(path, 'next')))
    importlib.invalidate_caches()
)" + script);
  const Finished done = run({{test_python(), "-s", "-E", "script.py"},
                             {{"PATH", "/usr/bin:/bin"}, {"LANG", "C.UTF-8"}},
                             folder.path().string(),
                             {},
                             {}},
                            folder.path().string());
  CHECK_MESSAGE(done.status == 0, done.errors);
  return done.output;
}

// The app "blog" of one case under the real daemon.
struct Blog {
  DaemonProcess daemon;
  AppTree app;

  explicit Blog(const Sources& files, std::string_view toml = "") : app(daemon.add_app("blog", toml)) {
    save(files);
    daemon.start();
  }
  void save(const Sources& files) const {
    for (const auto& [name, text] : files) app.write(name, text);
  }
  std::string body(std::string_view target = "/") const { return daemon.get(target).body; }
  bool answers_soon(std::string_view text) const { return daemon.wait_for_body("/", text); }
  int generation() const { return daemon.generation("blog"); }
  Answer call(std::string_view method) const { return daemon.call(method, R"({"app":"blog"})"); }
};

// A request that waits in the app's code while a case goes on.
struct Waiting {
  HttpConnection connection;
  Waiting(const DaemonProcess& daemon, const Gate& gate, std::string_view target = "/slow")
      : connection(daemon.address()) {
    connection.send(get_request(target));
    REQUIRE(gate.is_reached());
  }
  std::string body() { return connection.read_response().body; }
};

}  // namespace moult::testing
