#include "tests/support/daemon_process.h"

#include "tests/support/eventually.h"

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <utility>

namespace moult::testing {

namespace fs = std::filesystem;

namespace {

// Values of `key` in the log lines with this message.
std::vector<std::string> logged(const std::string& log, const std::string& message, const std::string& key) {
  const std::string mark = "\"message\":\"" + message + "\"";
  const std::string member = "\"" + key + "\":\"";
  std::vector<std::string> values;
  for (std::size_t at = log.find(mark); at != std::string::npos; at = log.find(mark, at + 1)) {
    const std::size_t line_end = log.find('\n', at);
    const std::size_t found = log.find(member, at);
    if (line_end == std::string::npos || found > line_end) continue;
    const std::size_t begin = found + member.size();
    values.push_back(log.substr(begin, log.find('"', begin) - begin));
  }
  return values;
}

Finished run_python(const std::string& code) {
  const TempDir scratch;
  return run({{test_python(), "-I", "-c", code}, clean_environment(), {}, {}, {}}, scratch.path().string());
}

}  // namespace

std::map<std::string, std::string> clean_environment() {
  std::map<std::string, std::string> environment{{"PATH", "/usr/bin:/bin"}, {"LANG", "C.UTF-8"}};
  for (const char* name : {"LD_PRELOAD", "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS", "TSAN_OPTIONS",
                           "PYTHONMALLOC", "TMPDIR"}) {
    if (const char* value = std::getenv(name)) environment[name] = value;
  }
  return environment;
}

std::string test_python() {
  const char* chosen = std::getenv("MOULT_TEST_PYTHON");
  return chosen != nullptr && *chosen != '\0' ? chosen : "/usr/bin/python3";
}

bool python_has(const std::string& modules) {
  return run_python("for name in '" + modules + "'.split(): __import__(name)").status == 0;
}

std::pair<int, int> python_version() {
  static const std::pair<int, int> version = [] {
    std::pair<int, int> parts;
    const Finished asked = run_python("import sys; print(*sys.version_info[:2])");
    if (std::sscanf(asked.output.c_str(), "%d %d", &parts.first, &parts.second) != 2) {
      throw std::runtime_error("no Python: " + test_python());
    }
    return parts;
  }();
  return version;
}

std::string program(const std::string& name) { return std::string(MOULT_BIN_DIR) + "/" + name; }

DaemonProcess::DaemonProcess() : environment_(clean_environment()) {
  environment_["HOME"] = folder_ / "home";
  environment_["XDG_CONFIG_HOME"] = folder_ / "home/.config";
  environment_["XDG_STATE_HOME"] = folder_ / "home/.local/state";
  environment_["XDG_CACHE_HOME"] = folder_ / "home/.cache";
  environment_["MOULT_SOCKET"] = socket_path();
  fs::create_directories(folder_ / "home");
  fs::create_directories(folder_ / "config/apps");
  fs::create_directories(folder_ / "run");
  fs::permissions(folder_ / "run", fs::perms::owner_all);
  write_daemon_config("listen = \"127.0.0.1:0\"\n");
}

DaemonProcess::~DaemonProcess() {
  child_.reset();
  if (!case_has_failed()) return;
  for (int i = 1; i <= starts_; ++i) {
    const std::string name = "moultd-" + std::to_string(i) + ".log";
    std::fprintf(stderr, "---- %s\n%s----\n", name.c_str(), read_file(folder_ / name).c_str());
  }
}

void DaemonProcess::write_daemon_config(std::string_view toml) {
  AppTree(config_folder()).write("moult.toml", toml);
}

AppTree DaemonProcess::tree(const std::string& name) const { return AppTree(folder_.path() / "apps" / name); }

AppTree DaemonProcess::add_app(const std::string& name, std::string_view toml) {
  AppTree made = tree(name);
  write_app_config(name, made.path(), toml);
  return made;
}

void DaemonProcess::write_app_config(const std::string& name, const fs::path& tree, std::string_view toml) {
  std::string text = "tree = " + json_text(tree.string()) + "\n";
  if (toml.find("python =") == std::string_view::npos && toml.find("venv =") == std::string_view::npos) {
    text += "python = " + json_text(test_python()) + "\n";
  }
  AppTree(config_folder()).write("apps/" + name + ".toml", text.append(toml).append("\n"));
}

void DaemonProcess::remove_app_config(const std::string& name) {
  AppTree(config_folder()).remove("apps/" + name + ".toml");
}

std::vector<std::string> DaemonProcess::apps() const {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder_ / "config/apps")) {
    if (entry.path().extension() == ".toml") names.push_back(entry.path().stem());
  }
  return names;
}

std::string DaemonProcess::log_file() const {
  return folder_ / ("moultd-" + std::to_string(starts_) + ".log");
}

void DaemonProcess::start_listening(std::vector<std::string> arguments) {
  if (arguments.empty()) arguments = {"--config", config_folder(), "--state", state_folder()};
  arguments.insert(arguments.begin(), program("moultd"));
  arguments.insert(arguments.begin(), starter_.begin(), starter_.end());
  child_.reset();
  ++starts_;
  child_ = std::make_unique<Child>(
      Command{arguments, environment_, folder_.path().string(), log_file(), log_file()});
  if (!eventually([this] { return !addresses().empty() || !child_->is_running(); }) ||
      !child_->is_running()) {
    throw std::runtime_error("moultd does not listen; its log:\n" + log());
  }
}

void DaemonProcess::start(std::vector<std::string> arguments) {
  start_listening(std::move(arguments));
  const auto settled = [this] {
    if (!fs::exists(socket_path())) return false;
    const Answer list = call("list");
    for (std::size_t i = 0; list.ok() && i < list.size("/apps"); ++i) {
      const std::string state = list.text("/apps/" + std::to_string(i) + "/state");
      if (state == "starting") return false;
    }
    return list.ok() && list.size("/apps") >= apps().size();
  };
  if (!eventually(settled)) throw std::runtime_error("the apps do not get ready; log:\n" + log());
}

std::optional<int> DaemonProcess::stop() {
  child_->send_signal(SIGTERM);
  return child_->wait(soon());
}

void DaemonProcess::kill() {
  child_->send_signal(SIGKILL);
  child_->wait(soon());
}

std::string DaemonProcess::log() const { return read_file(log_file()); }

bool DaemonProcess::logs(std::string_view text) const {
  return eventually([&] { return log().find(text) != std::string::npos; });
}

std::string DaemonProcess::app_log(const std::string& app) const {
  return read_file(call("status", R"({"app":)" + json_text(app) + "}").text("/log_file"));
}

std::vector<std::string> DaemonProcess::addresses() const { return logged(log(), "listening", "address"); }

Answer DaemonProcess::call(std::string_view method, std::string_view parameters, Deadline deadline) const {
  return ControlClient(socket_path()).call(method, parameters, deadline);
}

Answer DaemonProcess::status(const std::string& app) const {
  return call("status", R"({"app":)" + json_text(app) + "}");
}

int DaemonProcess::generation(const std::string& app) const {
  const Answer answer = status(app);
  return answer.has("/generation") ? static_cast<int>(answer.number("/generation")) : 0;
}

Finished DaemonProcess::ctl(std::vector<std::string> arguments) const {
  arguments.insert(arguments.begin(), program("moultctl"));
  return run({arguments, environment_, folder_.path().string(), {}, {}}, folder_.path().string());
}

bool DaemonProcess::wait_for_generation(const std::string& app, int generation) const {
  return eventually([&] { return this->generation(app) >= generation; });
}

bool DaemonProcess::wait_for_body(std::string_view target, std::string_view body) const {
  return eventually([&] { return get(target).body == body; });
}

bool DaemonProcess::wait_for_state(const std::string& app, std::string_view state) const {
  return eventually([&] { return status(app).text("/state") == state; });
}

}  // namespace moult::testing
