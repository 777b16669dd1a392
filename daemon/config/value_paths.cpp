// The getters of ValueReader that look at the disk.
#include "daemon/config/paths.h"
#include "daemon/config/python_choice.h"
#include "daemon/config/value_reader.h"

#include <fmt/format.h>

#include <sys/stat.h>
#include <unistd.h>
#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace moult {

namespace {

enum class FileKind { missing, folder, file, other };

// What is at `path`, symlinks followed; `missing` leaves the reason in errno.
FileKind kind_of(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return FileKind::missing;
  if (S_ISDIR(status.st_mode)) return FileKind::folder;
  return S_ISREG(status.st_mode) ? FileKind::file : FileKind::other;
}

bool is_link(const std::string& path) {
  struct stat status {};
  return ::lstat(path.c_str(), &status) == 0 && S_ISLNK(status.st_mode);
}

bool is_executable(const std::string& path) {
  return kind_of(path) == FileKind::file && ::access(path.c_str(), X_OK) == 0;
}

}  // namespace

std::string find_executable(const std::string& name, std::string_view search) {
  if (name.find('/') != std::string::npos) return is_executable(name) ? name : std::string();
  while (!search.empty()) {
    const std::size_t end = std::min(search.find(':'), search.size());
    std::string candidate = fmt::format("{}/{}", search.substr(0, end), name);
    // A relative entry of PATH would mean another file after a change of folder.
    if (candidate.front() == '/' && end > 0 && is_executable(candidate)) return candidate;
    search.remove_prefix(std::min(end + 1, search.size()));
  }
  return {};
}

std::optional<std::string> ValueReader::path(const Value& value, const std::string& written, Exists exists) {
  auto whole = absolute_path(written, folder_, home_);
  if (!whole) {
    error(value, whole.error());
    return {};
  }
  if (exists == Exists::need_not) return std::move(*whole);
  const FileKind kind = kind_of(*whole);
  if (kind == FileKind::missing) {
    error(value, fmt::format("{}: {}", *whole, std::strerror(errno)),
          written.front() == '/' || written.front() == '~'
              ? ""
              : fmt::format("relative paths start at {}", folder_));
  } else if (exists == Exists::folder && kind != FileKind::folder) {
    error(value, fmt::format("{}: not a folder", *whole));
  } else {
    return std::move(*whole);
  }
  return {};
}

std::optional<std::string> ValueReader::path(const Value& value, Exists exists) {
  const auto written = text(value);
  if (!written) return {};
  return path(value, *written, exists);
}

std::optional<std::string> ValueReader::python(const Value& value) {
  auto written = text(value);
  if (!written || written->empty()) return written;
  if (written->find('/') == std::string::npos) {
    const char* search = std::getenv("PATH");
    std::string found =
        find_executable(*written, search == nullptr ? "/usr/local/bin:/usr/bin:/bin" : search);
    if (found.empty()) {
      error(value, fmt::format("no executable \"{}\" in PATH", *written),
            "write the path of a Python, \"/usr/bin/python3\"");
      return {};
    }
    return found;
  }
  auto whole = path(value, *written, Exists::need_not);
  // A virtual environment whose Python has gone is a fault of one app, which is told how to mend it.
  if (whole && is_link(*whole) && kind_of(*whole) == FileKind::missing && !venv_of(*whole).empty())
    return whole;
  whole = path(value, *written, Exists::file_or_folder);
  if (!whole) return {};
  if (is_executable(*whole)) return whole;
  error(value, fmt::format("{}: not an executable file", *whole),
        kind_of(*whole) == FileKind::folder ? "for a virtual environment write `venv`" : "");
  return {};
}

std::optional<std::string> ValueReader::venv(const Value& value) {
  auto written = text(value);
  if (!written || written->empty()) return written;
  auto whole = path(value, *written, Exists::folder);
  if (!whole) return {};
  if (kind_of(*whole + "/conda-meta") == FileKind::folder) return whole;
  for (const char* part : {"/pyvenv.cfg", "/bin/python"}) {
    if (kind_of(*whole + part) == FileKind::file || is_link(*whole + part)) continue;
    error(value, fmt::format("{}: not a virtual environment, it has no {}", *whole, part + 1),
          fmt::format("make it with: python3 -m venv {}", *whole));
    return {};
  }
  return whole;
}

}  // namespace moult
