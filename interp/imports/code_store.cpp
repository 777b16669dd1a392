#include "interp/imports/code_store.h"

#include <fmt/format.h>

#include <dirent.h>
#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>
#include <algorithm>
#include <cerrno>
#include <ctime>
#include <memory>
#include <vector>

namespace moult {

namespace {

constexpr std::uint64_t kLargestFile = 64u << 20;
constexpr std::time_t kUsedAgain = 3600;   // a file's time says in which hour it was last of use
constexpr std::time_t kLeftBehind = 3600;  // a temporary file of a writer that was killed
constexpr std::string_view kTemporary = ".new-";

struct CloseFolder {
  void operator()(DIR* folder) const { ::closedir(folder); }
};

// Ours, and nobody else may write to it.
bool is_private(const struct stat& status) {
  return status.st_uid == ::geteuid() && (status.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

Result<Fd> open_private_folder(const std::string& path) {
  Fd folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  struct stat status {};
  if (!folder || ::fstat(folder.get(), &status) != 0) return fail(last_os_error(path));
  if (!is_private(status)) {
    return fail(
        Error{ErrorCode::denied, fmt::format("{} belongs to another user, or others may write to it", path)});
  }
  return folder;
}

bool is_gone(const Fd& folder) {
  struct stat status {};
  return ::fstat(folder.get(), &status) != 0 || status.st_nlink == 0;
}

// The whole of a file of ours; nothing when it is anything else. Not to be waited for: O_NONBLOCK.
std::optional<std::string> read_private(int folder, const std::string& name) {
  const Fd fd(::openat(folder, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  struct stat status {};
  if (!fd || ::fstat(fd.get(), &status) != 0 || !S_ISREG(status.st_mode) || !is_private(status))
    return std::nullopt;
  const auto size = static_cast<std::uint64_t>(status.st_size);
  if (size > kLargestFile) return std::nullopt;
  std::string content(size, '\0');
  std::size_t at = 0;
  while (at < content.size()) {
    const ssize_t count = ::read(fd.get(), content.data() + at, content.size() - at);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return std::nullopt;
    at += static_cast<std::size_t>(count);
  }
  if (std::time(nullptr) - status.st_mtime > kUsedAgain) ::futimens(fd.get(), nullptr);
  return content;
}

struct KeptFile {
  timespec used;
  std::uint64_t size;
  std::string name;
};

bool is_older(const KeptFile& a, const KeptFile& b) {
  return a.used.tv_sec != b.used.tv_sec ? a.used.tv_sec < b.used.tv_sec : a.used.tv_nsec < b.used.tv_nsec;
}

}  // namespace

CodeStore::CodeStore(std::string folder, std::uint64_t max_bytes, std::string kind)
    : top_(std::move(folder)), max_bytes_(max_bytes), kind_(std::move(kind)) {
  unswept_ = max_bytes_;  // nobody has looked yet
}

Result<CodeStore::Folder> CodeStore::folder() {
  const std::scoped_lock lock(mutex_);
  if (folder_ && !is_gone(*folder_)) return folder_;
  MOULT_TRY(make_folders(top_));
  MOULT_TRY(open_private_folder(top_));
  MOULT_TRY(make_folders(top_ + "/code"));
  MOULT_ASSIGN(Fd opened, open_private_folder(top_ + "/code"));
  folder_ = std::make_shared<const Fd>(std::move(opened));
  return folder_;
}

std::optional<std::string> CodeStore::find(std::string_view path, std::string_view hash) {
  const auto opened = folder();
  if (!opened) return std::nullopt;
  const auto content = read_private((*opened)->get(), code_file_name(key(path, hash)));
  const auto code = content ? decode_code_file(*content, key(path, hash)) : std::nullopt;
  return code ? std::optional<std::string>(*code) : std::nullopt;
}

Result<> CodeStore::put(std::string_view path, std::string_view hash, std::string_view code) {
  const std::string content = encode_code_file(key(path, hash), code);
  if (content.size() > std::min(kLargestFile, max_bytes_ / 16)) return {};
  MOULT_ASSIGN(const Folder opened, folder());
  unswept_ += content.size();
  ++unswept_files_;
  return write_file(opened->get(), code_file_name(key(path, hash)), content);
}

// Without fsync: what a power cut spoils is found by its sum.
Result<> CodeStore::write_file(int folder, const std::string& name, std::string_view content) {
  std::uint64_t number = 0;
  if (::getrandom(&number, sizeof number, 0) != static_cast<ssize_t>(sizeof number))
    return fail(last_os_error("getrandom"));
  const std::string temporary = fmt::format("{}{:016x}", kTemporary, number);
  const auto give_up = [&](Error error) {
    ::unlinkat(folder, temporary.c_str(), 0);
    return fail(std::move(error));
  };
  const std::string path = top_ + "/code/" + temporary;
  const Fd fd(
      ::openat(folder, temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!fd) return give_up(last_os_error(path));
  if (auto written = write_all(fd.get(), content, path); !written) return give_up(std::move(written.error()));
  if (::renameat(folder, temporary.c_str(), folder, name.c_str()) != 0)
    return give_up(last_os_error(top_ + "/code/" + name));
  return {};
}

Result<> CodeStore::sweep() {
  unswept_ = 0;
  unswept_files_ = 0;
  MOULT_ASSIGN(const Folder shared, folder());
  const int opened = shared->get();
  // A descriptor of its own: closedir() closes it.
  const std::unique_ptr<DIR, CloseFolder> entries(
      ::fdopendir(::openat(opened, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)));
  if (!entries) return fail(last_os_error(top_ + "/code"));
  std::vector<KeptFile> files;
  std::uint64_t bytes = 0;
  const std::time_t now = std::time(nullptr);
  while (const dirent* entry = ::readdir(entries.get())) {
    struct stat status {};
    if (::fstatat(opened, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(status.st_mode))
      continue;
    if (std::string_view(entry->d_name).starts_with(kTemporary)) {
      if (now - status.st_mtime > kLeftBehind) ::unlinkat(opened, entry->d_name, 0);
      continue;
    }
    bytes += static_cast<std::uint64_t>(status.st_size);
    files.push_back({status.st_mtim, static_cast<std::uint64_t>(status.st_size), entry->d_name});
  }
  std::sort(files.begin(), files.end(), is_older);
  std::size_t left = files.size();
  for (const KeptFile& file : files) {
    if (bytes <= max_bytes_ - max_bytes_ / 4 && left <= kFilesMax - kFilesMax / 4) break;
    if (::unlinkat(opened, file.name.c_str(), 0) != 0 && errno != ENOENT)
      return fail(last_os_error(top_ + "/code/" + file.name));
    bytes -= file.size;
    --left;
  }
  return {};
}

}  // namespace moult
