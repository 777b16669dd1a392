#pragma once

#include "tests/support/app_tree.h"
#include "tests/support/child.h"
#include "tests/support/control_client.h"
#include "tests/support/http_client.h"
#include "tests/support/temp_dir.h"

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace moult::testing {

// Only what a run needs: a test must not depend on who runs it. Sanitizers keep their settings.
std::map<std::string, std::string> clean_environment();

// The Python that the suite runs with: $MOULT_TEST_PYTHON, else /usr/bin/python3.
std::string test_python();
// Whether that Python can import all of these modules (a word each, separated by blanks).
bool python_has(const std::string& modules);
// "3.11": major and minor of test_python().
std::pair<int, int> python_version();
std::string program(const std::string& name);  // path of moultd, moultctl, …

// The real moultd with a home, a config folder and a control socket of its own in a TempDir. A case
// writes moult.toml (there is a default: one TCP listener on a free port) and the apps, then start()s.
// The destructor kills what still runs, hosts included; the log is printed when the case failed.
class DaemonProcess {
 public:
  DaemonProcess();
  DaemonProcess(const DaemonProcess&) = delete;
  DaemonProcess& operator=(const DaemonProcess&) = delete;
  ~DaemonProcess();

  // --- before the start, or while it runs -----------------------------------------------------
  void write_daemon_config(std::string_view toml);
  // apps/NAME.toml with `tree`, `python` and these further lines; the tree is made.
  AppTree add_app(const std::string& name, std::string_view toml = "");
  // The text of that file for a tree that is there already.
  void write_app_config(const std::string& name, const std::filesystem::path& tree, std::string_view toml);
  void remove_app_config(const std::string& name);
  AppTree tree(const std::string& name) const;
  std::map<std::string, std::string>& environment() { return environment_; }
  // What the daemon is started by: `unshare`, `nice`, a shell that execs "$@".
  std::vector<std::string>& starter() { return starter_; }
  const TempDir& folder() const { return folder_; }
  std::string config_folder() const { return folder_ / "config"; }
  std::string state_folder() const { return folder_ / "state"; }
  std::string socket_path() const { return folder_ / "run/control.sock"; }

  // --- its life -------------------------------------------------------------------------------
  // Starts `moultd --config …` (or with these arguments instead) and waits until it listens and every
  // app has an active generation or has been refused.
  void start(std::vector<std::string> arguments = {});
  // Starts it and waits for its listeners only.
  void start_listening(std::vector<std::string> arguments = {});
  void send_signal(int number) { child_->send_signal(number); }
  // SIGTERM and the exit status; nothing when it did not end.
  std::optional<int> stop();
  std::optional<int> wait_for_exit() { return child_->wait(soon()); }
  void kill();
  bool is_running() { return child_ && child_->is_running(); }
  pid_t pid() const { return child_->pid(); }
  std::vector<pid_t> processes() const { return child_->family(); }

  // --- asking it ------------------------------------------------------------------------------
  // The first TCP listener ("127.0.0.1:34567"), or the n-th listener of the log.
  std::string address() const { return addresses().front(); }
  std::vector<std::string> addresses() const;
  HttpResponse get(std::string_view target, const std::vector<std::string>& header_lines = {}) const {
    return testing::get(address(), target, header_lines);
  }
  Answer call(std::string_view method, std::string_view parameters = "{}", Deadline deadline = soon()) const;
  Answer status(const std::string& app) const;
  int generation(const std::string& app) const;  // the active one; 0: none
  Finished ctl(std::vector<std::string> arguments) const;
  std::string log() const;
  // Waits for it: the daemon's log is written in the background.
  bool logs(std::string_view text) const;
  std::string app_log(const std::string& app) const;

  // Waits; false when the deadline has passed.
  bool wait_for_generation(const std::string& app, int generation) const;
  bool wait_for_body(std::string_view target, std::string_view body) const;
  bool wait_for_state(const std::string& app, std::string_view state) const;

 private:
  TempDir folder_;
  std::map<std::string, std::string> environment_;
  std::vector<std::string> starter_;
  std::unique_ptr<Child> child_;
  int starts_ = 0;
  std::vector<std::string> apps() const;
  std::string log_file() const;
};

}  // namespace moult::testing
