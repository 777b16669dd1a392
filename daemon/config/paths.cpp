#include "daemon/config/paths.h"

#include <fmt/ranges.h>

#include <fcntl.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cerrno>
#include <climits>
#include <vector>

#include "ipc/base/fd.h"

namespace moult {

namespace {

constexpr std::size_t kMaxSocketPath = 107;

// The XDG specification tells programs to ignore variables with relative paths.
std::string xdg(const Surroundings& from, const std::string& variable, const std::string& fallback) {
  const std::string value = from.variable(variable);
  return (value.starts_with('/') ? value : from.home + fallback) + "/moult";
}

// FNV-1a: only tells the lock files of different config folders apart.
std::uint64_t hash(std::string_view text) {
  std::uint64_t value = 0xcbf29ce484222325u;
  for (const char c : text) value = (value ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return value;
}

std::string run_folder(const Surroundings& from) { return from.home + "/.moult/run/" + from.hostname; }

SocketPaths named_socket(const std::string& control) {
  const std::size_t slash = control.rfind('/');
  SocketPaths paths;
  paths.folder = slash == 0 ? "/" : control.substr(0, slash);
  paths.control = control;
  std::string stem = control.substr(slash + 1);
  if (stem.ends_with(".sock")) stem.resize(stem.size() - 5);
  paths.status = control.substr(0, slash + 1) + (stem == "control" ? "status.sock" : stem + "-status.sock");
  return paths;
}

std::string folder_of_passwd() {
  std::vector<char> buffer(16384);
  passwd entry{};
  passwd* found = nullptr;
  if (::getpwuid_r(::getuid(), &entry, buffer.data(), buffer.size(), &found) != 0 || found == nullptr)
    return {};
  return found->pw_dir;
}

}  // namespace

std::string Surroundings::variable(const std::string& name) const {
  const auto found = environment.find(name);
  return found == environment.end() ? std::string() : found->second;
}

Surroundings current_surroundings() {
  Surroundings now;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const std::size_t equals = text.find('=');
    if (equals != std::string_view::npos)
      now.environment.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  now.home = now.variable("HOME");
  if (!now.home.starts_with('/')) now.home = folder_of_passwd();
  while (now.home.size() > 1 && now.home.ends_with('/')) now.home.pop_back();
  if (now.home == "/") now.home.clear();  // so that home + "/x" is right for it too
  now.uid = ::getuid();
  char name[HOST_NAME_MAX + 1] = {};
  now.hostname = ::gethostname(name, sizeof name - 1) == 0 && name[0] != '\0' ? name : "localhost";
  return now;
}

std::string config_folder(const Surroundings& from) { return xdg(from, "XDG_CONFIG_HOME", "/.config"); }

std::string state_folder(const Surroundings& from) { return xdg(from, "XDG_STATE_HOME", "/.local/state"); }

std::string cache_folder(const Surroundings& from) { return xdg(from, "XDG_CACHE_HOME", "/.cache"); }

Result<SocketPaths> socket_paths(const Surroundings& from) {
  SocketPaths paths;
  if (const std::string named = from.variable("MOULT_SOCKET"); !named.empty()) {
    if (!named.starts_with('/') || named.ends_with('/')) {
      return fail(Error{ErrorCode::usage,
                        fmt::format("MOULT_SOCKET is \"{}\": not the absolute path of a socket", named)});
    }
    paths = named_socket(named);
    paths.own_folder = false;
  } else {
    const std::string runtime = from.variable("XDG_RUNTIME_DIR");
    const bool by_systemd = runtime.starts_with('/') && !from.variable("INVOCATION_ID").empty();
    paths = named_socket((by_systemd ? runtime + "/moult" : run_folder(from)) + "/control.sock");
  }
  MOULT_TRY(check_socket_path(paths.control));
  MOULT_TRY(check_socket_path(paths.status));
  return paths;
}

std::string lock_path(const Surroundings& from, const std::string& config) {
  return fmt::format("{}/.moult/lock/{}/moultd-{:016x}.lock", from.home, from.hostname, hash(config));
}

Result<> check_socket_path(const std::string& path) {
  if (path.size() <= kMaxSocketPath) return {};
  return fail(
      Error{ErrorCode::config_invalid,
            fmt::format("{}: {} bytes are too many for the path of a socket", path, path.size()),
            {},
            {},
            0,
            fmt::format("at most {} bytes (unix(7)): choose a shorter path, for the control socket with "
                        "MOULT_SOCKET",
                        kMaxSocketPath)});
}

Result<> make_private_folder(const std::string& path, unsigned uid) {
  MOULT_TRY(make_folders(path, 0700));
  const Fd folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  struct stat status {};
  if (!folder || ::fstat(folder.get(), &status) != 0) return fail(last_os_error(path));
  if (status.st_uid != uid) {
    return fail(
        Error{ErrorCode::denied, fmt::format("{}: belongs to uid {}, not to {}", path, status.st_uid, uid)});
  }
  if ((status.st_mode & 07777) != 0700 && ::fchmod(folder.get(), 0700) != 0) return fail(last_os_error(path));
  return {};
}

Result<std::string> absolute_path(std::string_view path, const std::string& folder, const std::string& home) {
  std::string whole(path);
  if (path.empty()) return fail(Error{ErrorCode::config_invalid, "an empty path"});
  if (path.find('\0') != std::string_view::npos) {
    return fail(Error{ErrorCode::config_invalid, "a path with a NUL byte"});
  }
  if (path == "~" || path.starts_with("~/")) {
    whole = home + whole.substr(1);
  } else if (path.front() == '~') {
    return fail(Error{ErrorCode::config_invalid, fmt::format("\"{}\": only ~ and ~/ are expanded", path)});
  } else if (path.front() != '/') {
    whole = folder + "/" + whole;
  }
  std::vector<std::string_view> parts;
  for (std::size_t at = 0; at < whole.size();) {
    const std::size_t end = std::min(whole.find('/', at), whole.size());
    const std::string_view part = std::string_view(whole).substr(at, end - at);
    if (part == "..") {
      if (!parts.empty()) parts.pop_back();
    } else if (!part.empty() && part != ".") {
      parts.push_back(part);
    }
    at = end + 1;
  }
  return parts.empty() ? std::string("/") : fmt::format("/{}", fmt::join(parts, "/"));
}

}  // namespace moult
