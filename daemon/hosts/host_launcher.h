#pragma once

#include "daemon/hosts/python_info.h"
#include "ipc/base/fd.h"
#include "ipc/base/result.h"
#include "ipc/uv/loop.h"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

namespace moult {

// What makes two apps able to share a host: the same executable, the same way of making
// interpreters, and the same C-level environment, which programs read at their start only.
struct HostKey {
  PythonInfo python;
  InterpreterMode mode = InterpreterMode::shared;
  std::map<std::string, std::string> c_environment;  // TZ, LANG, LC_*, LD_*, MALLOC_*, PYTHONMALLOC
  std::string process_flags;                         // of the executable, for process isolation: "-O"

  bool operator==(const HostKey&) const = default;
};

// Where a host keeps what it compiles, for other hosts and later ones. A value.
struct CodePlace {
  std::string folder;       // private, of this user; "": nowhere
  std::uint64_t bytes = 0;  // at most
};

// The part of an app's environment that belongs into HostKey::c_environment.
std::map<std::string, std::string> c_environment_of(const std::map<std::string, std::string>& environment);

// A host process that has just been started. A value.
struct LaunchedHost {
  std::unique_ptr<uv::Process> process;
  Fd channel;  // our end of the command channel
  Fd output;   // what it writes to its descriptors 1 and 2; does not block
};

// How host processes come to be. One for all hosts of a daemon; loop thread only.
class HostLauncher {
 public:
  virtual ~HostLauncher() = default;
  // ErrorCode::config_invalid: there is no host module for that Python.
  virtual Result<LaunchedHost> launch(const HostKey& key, const CodePlace& code_place,
                                      std::function<void(uv::ExitStatus)> on_exit) = 0;
};

// Runs the app's own python executable, which imports our module from `module_folder`.
class ExecLauncher final : public HostLauncher {
 public:
  ExecLauncher(uv::Loop& loop, std::string module_folder)
      : loop_(loop), module_folder_(std::move(module_folder)) {}

  Result<LaunchedHost> launch(const HostKey& key, const CodePlace& code_place,
                              std::function<void(uv::ExitStatus)> on_exit) override;
  const std::string& module_folder() const { return module_folder_; }

 private:
  uv::Loop& loop_;
  std::string module_folder_;
};

}  // namespace moult
