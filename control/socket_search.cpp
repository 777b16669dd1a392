#include "control/socket_search.h"

#include <fmt/format.h>

#include <pwd.h>
#include <unistd.h>

extern char** environ;

namespace moult::control {

namespace {

std::string home_of(uid_t uid, const std::map<std::string, std::string>& environment) {
  const auto home = environment.find("HOME");
  if (home != environment.end() && home->second.starts_with("/")) return home->second;
  passwd entry{};
  passwd* found = nullptr;
  char buffer[4096];
  ::getpwuid_r(uid, &entry, buffer, sizeof buffer, &found);
  return found != nullptr && found->pw_dir != nullptr ? found->pw_dir : "";
}

}  // namespace

Surroundings surroundings_of_this_process() {
  Surroundings surroundings;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const std::size_t equals = text.find('=');
    if (equals == std::string_view::npos) continue;
    surroundings.environment.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  surroundings.uid = ::geteuid();
  surroundings.home = home_of(surroundings.uid, surroundings.environment);
  char hostname[256] = {};
  ::gethostname(hostname, sizeof hostname - 1);
  surroundings.hostname = hostname;
  return surroundings;
}

std::vector<std::string> socket_candidates(const Surroundings& surroundings, const std::string& asked) {
  if (!asked.empty()) return {asked};
  const auto variable = [&](const char* name) {
    const auto found = surroundings.environment.find(name);
    return found == surroundings.environment.end() ? std::string() : found->second;
  };
  if (const std::string path = variable("MOULT_SOCKET"); !path.empty()) return {path};
  std::vector<std::string> candidates;
  const auto add = [&](std::string path) {
    for (const std::string& other : candidates) {
      if (other == path) return;
    }
    candidates.push_back(std::move(path));
  };
  if (const std::string runtime = variable("XDG_RUNTIME_DIR"); !runtime.empty()) {
    add(runtime + "/moult/control.sock");
  }
  add(fmt::format("/run/user/{}/moult/control.sock", surroundings.uid));
  if (!surroundings.home.empty()) {
    add(fmt::format("{}/.moult/run/{}/control.sock", surroundings.home, surroundings.hostname));
  }
  return candidates;
}

Result<Client> find_daemon(const std::vector<std::string>& candidates, uid_t uid) {
  std::string tried;
  bool denied = false;
  for (const std::string& candidate : candidates) {
    auto client = Client::connect(candidate, uid);
    if (client) return client;
    denied = denied || client.error().code == ErrorCode::denied;
    tried += fmt::format("{}{}", tried.empty() ? "" : "\n", client.error().message);
  }
  Error error{ErrorCode::unreachable, "no daemon answers"};
  error.hint = "start it with `moultctl ensure`, or name its socket with -s";
  if (denied) {
    error = Error{ErrorCode::denied, "the daemon cannot be used"};
    error.hint =
        "only the user who started a daemon steers it: be that user, or name your own socket with -s";
  }
  error.detail = std::move(tried);
  return fail(std::move(error));
}

}  // namespace moult::control
