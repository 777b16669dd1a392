#pragma once

#include "tests/support/daemon_process.h"

#include <filesystem>
#include <future>
#include <string>
#include <string_view>
#include <utility>

namespace moult::testing {

// A place in an app's code where it waits, so that a case can do something at exactly that moment: a
// file that is there when the gate is open, and another one with a byte for each arrival. Closed at
// first. Both files belong to the daemon's folder and lie outside of every tree.
class Gate {
 public:
  Gate(const DaemonProcess& daemon, const std::string& name) : path_(daemon.folder() / ("gate-" + name)) {}

  // An expression of Python; the code around it has imported os and time.
  std::string expression() const {
    return "(open('" + path_ + ".reached', 'a').write('x'), [time.sleep(0.01) for _ in " +
           "iter(lambda: os.path.exists('" + path_ + "'), True)])";
  }
  // The same as the first lines of a module.
  std::string at_import() const { return "import os, time\n" + expression() + "\n"; }

  void open() const { AppTree(folder()).touch(name()); }
  void close() const { AppTree(folder()).remove(name()); }
  int arrivals() const { return static_cast<int>(read_file(path_ + ".reached").size()); }
  bool is_reached(int times = 1) const {
    return eventually([&] { return arrivals() >= times; });
  }

 private:
  std::filesystem::path folder() const { return std::filesystem::path(path_).parent_path(); }
  std::string name() const { return std::filesystem::path(path_).filename(); }

  std::string path_;
};

// A control request whose answer is awaited later; the daemon must outlive it.
inline std::future<Answer> call_meanwhile(const DaemonProcess& daemon, std::string method,
                                          std::string parameters = R"({"app":"blog"})") {
  return std::async(std::launch::async,
                    [&daemon, method = std::move(method), parameters = std::move(parameters)] {
                      return daemon.call(method, parameters);
                    });
}

// How many events of this name the app "blog" has had.
inline std::size_t count_events(const DaemonProcess& daemon, const std::string& event) {
  return daemon.call("events", R"({"app":"blog","filter":[")" + event + "\"]}").size("/events");
}

inline pid_t host_of(const DaemonProcess& daemon, const std::string& app) {
  const Answer status = daemon.status(app);
  return status.has("/active/host_pid") ? static_cast<pid_t>(status.number("/active/host_pid")) : 0;
}

// The answer to every request is the number of the process; "/slow" first runs this expression.
inline std::string tells_pid(std::string_view slow) {
  return "import os, time\n"
         "def application(environ, start_response):\n"
         "    environ['PATH_INFO'] == '/slow' and " +
         std::string(slow) +
         "\n"
         "    start_response('200 OK', [('Content-Type', 'text/plain')])\n"
         "    return [str(os.getpid()).encode()]\n";
}

}  // namespace moult::testing
