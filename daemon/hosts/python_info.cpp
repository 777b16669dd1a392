#include "daemon/hosts/python_info.h"

#include <fmt/format.h>

#include <unistd.h>
#include <charconv>

namespace moult {

namespace {

// -I -S: nothing of the user's is imported. _base_executable is the interpreter behind a venv.
constexpr const char* kProbeScript =
    "import sys,os,_imp\n"
    "b=getattr(sys,'_base_executable','') or sys.executable\n"
    "v=sys.version_info\n"
    "print('moult-probe',os.path.realpath(b),v[0],v[1],v[2],v[3],"
    "_imp.extension_suffixes()[0],int('t' in getattr(sys,'abiflags','')),sep='\\n')\n";

constexpr Milliseconds kProbeDeadline{10'000};

Error unsafe(const PythonInfo& python, std::string why, std::string hint) {
  return Error{ErrorCode::config_invalid,
               fmt::format("gil = \"own\" is not safe on Python {}: {}", python.version(), why),
               {},
               {},
               0,
               std::move(hint)};
}

// False when `text` is anything but a number.
bool read_number(const std::string& text, int& number) {
  const char* end = text.data() + text.size();
  unsigned value = 0;
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  number = static_cast<int>(value);
  return error == std::errc() && stop == end && number >= 0;
}

}  // namespace

std::string PythonInfo::version() const { return fmt::format("{}.{}.{}", major, minor, micro); }

std::string PythonInfo::short_version() const {
  return fmt::format("{}.{}{}", major, minor, free_threaded ? "t" : "");
}

std::string_view isolation_word(InterpreterMode mode) {
  switch (mode) {
    case InterpreterMode::own: return "own";
    case InterpreterMode::strict:
    case InterpreterMode::shared: return "shared";
    case InterpreterMode::main: return "process";
  }
  return "process";
}

Result<InterpreterMode> choose_mode(const PythonInfo& python, GilMode gil, Isolation isolation,
                                    Verdict verdict) {
  const bool own_is_safe = python.at_least(3, 14, 4) && python.final_release;
  if (gil == GilMode::own && isolation != Isolation::process) {
    const std::string hint = "leave gil = \"auto\", or use isolation = \"process\"";
    if (python.free_threaded) return fail(unsafe(python, "a free-threaded build has no GIL to own", hint));
    if (!python.at_least(3, 12)) return fail(unsafe(python, "it has one GIL for all interpreters", hint));
    if (!python.at_least(3, 13)) {
      return fail(unsafe(python, "a second import of datetime aborts the process", hint));
    }
    if (!python.at_least(3, 14)) {
      return fail(
          unsafe(python, "its heap is corrupted when two interpreters import datetime (gh-136421)", hint));
    }
    if (!own_is_safe) return fail(unsafe(python, "3.14.4 is the first release without known crashes", hint));
  }
  if (isolation == Isolation::process) return InterpreterMode::main;
  if (isolation == Isolation::interpreter && python.free_threaded) {
    return fail(Error{ErrorCode::config_invalid,
                      fmt::format("isolation = \"interpreter\" is not possible on Python {}: it is a "
                                  "free-threaded build",
                                  python.version()),
                      {},
                      {},
                      0,
                      "leave isolation = \"auto\", or use isolation = \"process\""});
  }
  if (isolation == Isolation::automatic && (verdict == Verdict::needs_process || python.free_threaded)) {
    return InterpreterMode::main;
  }
  if (own_is_safe) return gil == GilMode::shared ? InterpreterMode::strict : InterpreterMode::own;
  if (python.at_least(3, 13)) return InterpreterMode::strict;
  if (python.at_least(3, 12)) {
    // Strict refuses datetime there, and a second import can abort (gh-116510).
    const bool asked = isolation == Isolation::interpreter || gil == GilMode::shared;
    return asked ? InterpreterMode::shared : InterpreterMode::main;
  }
  return InterpreterMode::shared;
}

Result<PythonInfo> parse_probe(std::string_view output, const std::string& asked) {
  const Error unusable{ErrorCode::failed, fmt::format("{} did not answer like a Python 3", asked),
                       std::string(output)};
  std::vector<std::string> lines;
  for (std::size_t at = 0; at < output.size();) {
    const std::size_t end = std::min(output.find('\n', at), output.size());
    lines.emplace_back(output.substr(at, end - at));
    at = end + 1;
  }
  if (lines.size() != 8 || lines[0] != "moult-probe") return fail(unusable);
  PythonInfo info;
  info.executable = lines[1];
  if (!read_number(lines[2], info.major) || !read_number(lines[3], info.minor) ||
      !read_number(lines[4], info.micro)) {
    return fail(unusable);
  }
  info.final_release = lines[5] == "final";
  info.suffix = lines[6];
  const bool is_suffix = info.suffix.starts_with('.') && info.suffix.find('/') == std::string::npos;
  if (!info.executable.starts_with('/') || !is_suffix) return fail(unusable);
  info.free_threaded = lines[7] == "1";
  if (!info.at_least(3, 11)) {
    return fail(Error{ErrorCode::config_invalid,
                      fmt::format("{} is Python {}; Moult needs 3.11 or later", asked, info.version())});
  }
  return info;
}

std::string python_of(const AppConfig& app) {
  if (!app.python.empty()) return app.python;
  if (!app.venv.empty()) return app.venv + "/bin/python";
  return ::access("/usr/bin/python3", X_OK) == 0 ? "/usr/bin/python3" : "python3";
}

// One child that was asked. Owned by PythonProbes until finish().
class PythonProbes::Probe {
 public:
  Probe(PythonProbes& probes, std::string executable)
      : probes_(probes), executable_(std::move(executable)), timer_(probes.loop_) {}

  std::vector<Callback> callbacks;

  Result<> start() {
    MOULT_ASSIGN(PipePair pipe, make_pipe());
    out_ = std::move(pipe.read);
    MOULT_TRY(set_nonblocking(out_));
    uv::SpawnSpec spec;
    spec.arguments = {executable_, "-I", "-S", "-c", kProbeScript};
    for (char** variable = environ; *variable != nullptr; ++variable)
      spec.environment.emplace_back(*variable);
    spec.fds = {-1, pipe.write.get(), -1};
    MOULT_ASSIGN(process_, uv::Process::spawn(probes_.loop_, spec, [this](uv::ExitStatus) {
                   exited_ = true;
                   finish_when_complete();
                 }));
    poll_ = std::make_unique<uv::Poll>(probes_.loop_, out_.get(), [this](int) { read(); });
    poll_->set(uv::Poll::kReadable);
    timer_.start(kProbeDeadline, [this] {
      probes_.finish(executable_, fail(Error{ErrorCode::timed_out,
                                             fmt::format("{} did not answer within 10 s", executable_)}));
    });
    return {};
  }

 private:
  void read() {
    char buffer[4096];
    for (;;) {
      const ssize_t count = ::read(out_.get(), buffer, sizeof buffer);
      if (count < 0) return;
      if (count == 0) break;
      output_.append(buffer, static_cast<std::size_t>(count));
      if (output_.size() > 65536) break;
    }
    poll_->set(0);
    closed_ = true;
    finish_when_complete();
  }

  void finish_when_complete() {
    if (exited_ && closed_) probes_.finish(executable_, parse_probe(output_, executable_));
  }

  PythonProbes& probes_;
  std::string executable_;
  uv::Timer timer_;
  std::unique_ptr<uv::Process> process_;
  Fd out_;
  std::unique_ptr<uv::Poll> poll_;
  std::string output_;
  bool exited_ = false;
  bool closed_ = false;
};

PythonProbes::PythonProbes(uv::Loop& loop) : loop_(loop) {}
PythonProbes::~PythonProbes() = default;

void PythonProbes::ask(const std::string& executable, Callback on_answer) {
  if (const auto known = known_.find(executable); known != known_.end()) {
    on_answer(known->second);
    return;
  }
  auto& probe = running_[executable];
  const bool is_new = probe == nullptr;
  if (is_new) probe = std::make_unique<Probe>(*this, executable);
  probe->callbacks.push_back(std::move(on_answer));
  if (!is_new) return;
  if (auto started = probe->start(); !started) finish(executable, fail(std::move(started.error())));
}

void PythonProbes::finish(const std::string& executable, Result<PythonInfo> answer) {
  const auto running = running_.find(executable);
  const std::unique_ptr<Probe> probe = std::move(running->second);
  running_.erase(running);
  if (answer) known_[executable] = *answer;
  for (const Callback& callback : probe->callbacks) callback(answer);
}

}  // namespace moult
