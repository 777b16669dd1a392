#pragma once

#include "ipc/base/fd.h"
#include "ipc/base/result.h"

#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace moult {

// What the lock file says about the daemon that holds it.
struct InstanceInfo {
  int pid = 0;
  std::string socket;         // control socket
  std::string config_folder;  // "" for `moultd run`
};

// Proof that this process is the one daemon of its lock file. Move-only; main holds it until the end;
// the kernel lets go of it when the process dies, however it dies. The file stays: a lock
// on a file that others may unlink proves nothing.
class InstanceLock {
 public:
  // ErrorCode::failed with "another moultd (pid 123, socket …) runs already" when it is held. Makes
  // the folder. Does not wait.
  static Result<InstanceLock> acquire(const std::string& path, const InstanceInfo& info);

  InstanceLock(InstanceLock&&) noexcept = default;
  InstanceLock& operator=(InstanceLock&&) noexcept = default;
  ~InstanceLock();

 private:
  explicit InstanceLock(Fd file) : file_(std::move(file)) {}
  Fd file_;
};

// Who holds the lock; empty when nobody does.
std::optional<InstanceInfo> lock_holder(const std::string& path);

// The text of the lock file, and back.
std::string to_text(const InstanceInfo& info);
InstanceInfo parse_instance_info(std::string_view text);

}  // namespace moult
