#pragma once

#include <sys/types.h>
#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace moult::testing {

// What becomes of processes that a child leaves behind: a daemon's hosts must not outlive a case,
// but `moultctl ensure` is run to leave a daemon.
enum class Orphans { killed, left };

// What to start: program and arguments, the whole environment, where its output goes.
struct Command {
  std::vector<std::string> arguments;
  std::map<std::string, std::string> environment;
  std::string folder;  // working directory; "" = ours
  std::string output;  // file for stdout; "" = /dev/null
  std::string errors;  // file for stderr, may be the same one
  Orphans orphans = Orphans::killed;
};

// One child process in a session of its own. Its destructor kills whatever is left of its family, so
// that no case leaves a process behind; orphans of an earlier child count as its own.
class Child {
 public:
  explicit Child(const Command& command);
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child();

  pid_t pid() const { return pid_; }
  bool is_running();
  void send_signal(int number) const;
  // The exit status (128 + n after signal n); nothing when it still runs at the deadline.
  std::optional<int> wait(std::chrono::steady_clock::time_point deadline);
  // Those alive of itself, its session, its descendants and their orphans.
  std::vector<pid_t> family() const;

 private:
  bool reap();

  pid_t pid_ = -1;
  Orphans orphans_;
  std::optional<int> status_;
};

// Runs to the end, or throws at the deadline. Orphans are left alone.
struct Finished {
  int status = 0;
  std::string output;
  std::string errors;
};
Finished run(Command command, const std::string& scratch_folder);

}  // namespace moult::testing
