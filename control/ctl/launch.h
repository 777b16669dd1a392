#pragma once

#include "ipc/base/fd.h"
#include "ipc/base/result.h"

#include <sys/types.h>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace moult::ctl {

// A daemon that this program has started in a session of its own. It lives on when this object and
// this program end; until then its exit can be seen.
class Launched {
 public:
  // Starts arguments[0] with stdin from /dev/null, stdout and stderr to `log`, folder "/" and no other
  // descriptor. Forks twice, so that the daemon leads no session and never gets a terminal.
  static Result<Launched> start(const std::vector<std::string>& arguments,
                                const std::map<std::string, std::string>& environment, const Fd& log);

  pid_t pid() const { return pid_; }
  // How it has ended: the exit code, or 128 and its signal; nullopt while it runs.
  std::optional<int> ended();

 private:
  explicit Launched(pid_t pid) : pid_(pid) {}
  pid_t pid_;
  std::optional<int> status_;
};

}  // namespace moult::ctl
