#include "daemon/hosts/host_launcher.h"

#include <fmt/format.h>

#include <unistd.h>
#include <algorithm>
#include <string_view>

namespace moult {

namespace {

bool starts_with_any(std::string_view name, std::initializer_list<std::string_view> prefixes) {
  return std::any_of(prefixes.begin(), prefixes.end(),
                     [&](std::string_view prefix) { return name.starts_with(prefix); });
}

// Ours without what belongs to the daemon's own start, which apps must not take for theirs.
std::vector<std::string> environment_of(const HostKey& key) {
  std::vector<std::string> environment;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    const std::string_view name =
        std::string_view(*variable).substr(0, std::string_view(*variable).find('='));
    if (starts_with_any(name, {"MOULT_", "LISTEN_", "NOTIFY_SOCKET", "INVOCATION_ID", "JOURNAL_STREAM"}))
      continue;
    if (!c_environment_of({{std::string(name), ""}}).empty()) continue;
    environment.emplace_back(*variable);
  }
  for (const auto& [name, value] : key.c_environment) environment.push_back(name + "=" + value);
  return environment;
}

}  // namespace

std::map<std::string, std::string> c_environment_of(const std::map<std::string, std::string>& environment) {
  std::map<std::string, std::string> found;
  for (const auto& [name, value] : environment) {
    const bool exact = name == "TZ" || name == "LANG" || name == "LANGUAGE" || name == "PYTHONMALLOC";
    if (exact || starts_with_any(name, {"LC_", "LD_", "MALLOC_", "ASAN_", "UBSAN_", "TSAN_"}))
      found[name] = value;
  }
  return found;
}

Result<LaunchedHost> ExecLauncher::launch(const HostKey& key, const CodePlace& code_place,
                                          std::function<void(uv::ExitStatus)> on_exit) {
  const std::string module = module_folder_ + "/_moult_host" + key.python.suffix;
  if (::access(module.c_str(), R_OK) != 0) {
    return fail(
        Error{ErrorCode::config_invalid,
              fmt::format("no host module for Python {} ({})", key.python.version(), key.python.executable),
              fmt::format("{} does not exist", module),
              {},
              0,
              fmt::format("install that Python's headers (on Debian: python{}.{}-dev) and build again; "
                          "MOULT_PYTHONS={} names it to CMake",
                          key.python.major, key.python.minor, key.python.executable)});
  }
  MOULT_ASSIGN(SocketPair channel, seqpacket_pair());
  MOULT_ASSIGN(PipePair output, make_pipe());
  MOULT_TRY(set_nonblocking(output.read));

  uv::SpawnSpec spec;
  spec.arguments = {key.python.executable, "-I", "-S", "-X", "utf8"};
  for (std::size_t at = 0; at < key.process_flags.size();) {
    const std::size_t end = std::min(key.process_flags.find(' ', at), key.process_flags.size());
    spec.arguments.push_back(key.process_flags.substr(at, end - at));
    at = end + 1;
  }
  spec.arguments.insert(spec.arguments.end(),
                        {"-c",
                         "import sys; sys.path.insert(0, sys.argv[1]); import _moult_host; "
                         "_moult_host.main(3, sys.argv[2], int(sys.argv[3]))",
                         module_folder_, code_place.folder, std::to_string(code_place.bytes)});
  spec.environment = environment_of(key);
  spec.fds = {-1, output.write.get(), output.write.get(), channel.theirs.get()};
  spec.own_session = true;  // Ctrl-C on a terminal is the daemon's business
  MOULT_ASSIGN(std::unique_ptr<uv::Process> process, uv::Process::spawn(loop_, spec, std::move(on_exit)));
  return LaunchedHost{std::move(process), std::move(channel.ours), std::move(output.read)};
}

}  // namespace moult
