#pragma once

#include "daemon/config/config.h"
#include "ipc/base/result.h"
#include "ipc/host_commands.h"
#include "ipc/uv/loop.h"

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

namespace moult {

// What an executable says of itself. A value.
struct PythonInfo {
  std::string executable;  // the base one, resolved: what a host is started with
  int major = 0;
  int minor = 0;
  int micro = 0;
  bool final_release = true;
  bool free_threaded = false;
  std::string suffix;  // of extension modules: ".cpython-311-x86_64-linux-gnu.so"

  std::string version() const;
  std::string short_version() const;  // "3.13", "3.13t": of lib/python3.13t
  bool at_least(int want_major, int want_minor, int want_micro = 0) const {
    return std::tuple(major, minor, micro) >= std::tuple(want_major, want_minor, want_micro);
  }
  bool operator==(const PythonInfo&) const = default;
};

// What people see in `moultctl list`: own, shared or process.
std::string_view isolation_word(InterpreterMode mode);

enum class Verdict { none, needs_process };  // what earlier generations of the app taught us

// The table of design.md section 7: which mode the app's settings and its Python allow. An
// ErrorCode::config_invalid that says why where a setting is not safe on that Python.
Result<InterpreterMode> choose_mode(const PythonInfo& python, GilMode gil, Isolation isolation,
                                    Verdict verdict);

// Reads what kProbeScript prints.
Result<PythonInfo> parse_probe(std::string_view output, const std::string& asked);

// Asks Python executables for their PythonInfo, each once. Owned by the daemon; loop thread only.
class PythonProbes {
 public:
  using Callback = std::function<void(Result<PythonInfo>)>;

  explicit PythonProbes(uv::Loop& loop);
  ~PythonProbes();
  PythonProbes(const PythonProbes&) = delete;
  PythonProbes& operator=(const PythonProbes&) = delete;

  // Answers at once when it is known, else after the child's answer or 10 s.
  void ask(const std::string& executable, Callback on_answer);
  // Another Python is behind that path now.
  void forget(const std::string& executable) { known_.erase(executable); }

 private:
  class Probe;
  void finish(const std::string& executable, Result<PythonInfo> answer);

  uv::Loop& loop_;
  std::map<std::string, PythonInfo> known_;
  std::map<std::string, std::unique_ptr<Probe>> running_;
};

// The executable that an app asks for: its venv's, its `python`, else the system's python3.
std::string python_of(const AppConfig& app);

}  // namespace moult
