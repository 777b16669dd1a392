#include "daemon/snapshot/store.h"

#include "daemon/snapshot/index.h"
#include "daemon/tree/file_stamp.h"
#include "daemon/tree/tree_rules.h"
#include "ipc/base/fd.h"

#include <fmt/format.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <set>

namespace moult {

namespace {

constexpr std::size_t kIndexMax = 64u << 20;
constexpr std::string_view kTemporary = ".new";

bool is_id(std::string_view name) { return parse_hash(name).has_value(); }

std::vector<std::string> names_in(const std::string& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (std::filesystem::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    names.push_back(it->path().filename().string());
  }
  return names;
}

// Without fsync: see SnapshotStore::sync.
Result<> write_beside_and_rename(const std::string& path, std::string_view content) {
  const std::string temporary = path + std::string(kTemporary);
  {
    const Fd fd(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (!fd) return fail(last_os_error(temporary));
    if (auto written = write_all(fd.get(), content, temporary); !written) {
      ::unlink(temporary.c_str());
      return written;
    }
  }
  if (::rename(temporary.c_str(), path.c_str()) != 0) return fail(last_os_error(path));
  return {};
}

bool has_size(const std::string& path, std::uint64_t size) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 && static_cast<std::uint64_t>(status.st_size) == size;
}

}  // namespace

SnapshotStore::SnapshotStore(std::string folder) : folder_(std::move(folder)) {}

std::string SnapshotStore::object_path(const ContentHash& hash) const {
  const std::string hex = hash.hex();
  return fmt::format("{}/objects/{}/{}", folder_, hex.substr(0, 2), hex.substr(2));
}

std::string SnapshotStore::index_path(const std::string& id) const {
  return fmt::format("{}/snapshots/{}", folder_, id);
}

Result<> SnapshotStore::put(const ContentHash& hash, std::string_view content) {
  const std::string path = object_path(hash);
  if (has_size(path, content.size())) return {};
  auto written = write_beside_and_rename(path, content);
  if (!written && ::access(std::string(folder_of(path)).c_str(), F_OK) != 0) {
    MOULT_TRY(make_folders(std::string(folder_of(path))));
    written = write_beside_and_rename(path, content);
  }
  return written;
}

Result<> SnapshotStore::put_index(const Snapshot& snapshot) {
  MOULT_TRY(make_folders(folder_ + "/snapshots"));
  taken_last_ = snapshot.id;
  return write_beside_and_rename(index_path(snapshot.id), encode_index(snapshot));
}

Result<std::string> SnapshotStore::read(const SnapshotFile& file) const {
  const std::string path = object_path(file.hash);
  MOULT_ASSIGN(std::string content, read_file(path, file.size + 1));
  if (hash_of(content) == file.hash) return content;
  ::unlink(path.c_str());
  return fail(Error{ErrorCode::failed, fmt::format("the kept copy of {} is damaged", file.path), {}, path});
}

void SnapshotStore::discard_damaged(const Snapshot& snapshot) const {
  for (const SnapshotFile& file : snapshot.files) {
    if (file.kind != SnapshotKind::source) continue;
    [[maybe_unused]] const auto removed_if_damaged = read(file);
  }
}

Result<SnapshotPtr> SnapshotStore::load(const std::string& id) const {
  if (!is_id(id)) return fail(Error{ErrorCode::usage, fmt::format("\"{}\" is no snapshot id", id)});
  const std::string path = index_path(id);
  MOULT_ASSIGN(const std::string text, read_file(path, kIndexMax));
  auto snapshot = decode_index(text);
  if (!snapshot) {
    snapshot.error().file = path;
    return snapshot;
  }
  if ((*snapshot)->id != id)
    return fail(Error{ErrorCode::failed, "the list is of another snapshot", {}, path});
  for (const SnapshotFile& file : (*snapshot)->files) {
    if (file.kind != SnapshotKind::source || has_size(object_path(file.hash), file.size)) continue;
    return fail(Error{ErrorCode::failed,
                      fmt::format("the kept copy of {} is missing or cut off", file.path),
                      {},
                      object_path(file.hash)});
  }
  return snapshot;
}

std::vector<std::string> SnapshotStore::list() const {
  std::vector<std::pair<std::int64_t, std::string>> found;
  for (const std::string& name : names_in(folder_ + "/snapshots")) {
    if (is_id(name)) found.emplace_back(stamp_of(index_path(name)).modified, name);
  }
  std::sort(found.rbegin(), found.rend());
  std::vector<std::string> ids;
  ids.reserve(found.size());
  for (auto& [time, id] : found) ids.push_back(std::move(id));
  return ids;
}

Result<std::vector<std::string>> SnapshotStore::prune(const std::vector<std::string>& keep,
                                                      std::uint64_t max_bytes) {
  const std::scoped_lock lock(busy_);
  std::vector<SnapshotPtr> kept;
  std::set<std::string> kept_ids;
  std::set<ContentHash> counted;
  std::uint64_t bytes = 0;
  for (const std::string& id : keep) {
    const auto snapshot = load(id);
    if (!snapshot || kept_ids.contains(id)) continue;
    std::uint64_t added = 0;
    std::vector<ContentHash> hashes;
    for (const SnapshotFile& file : (*snapshot)->files) {
      if (file.kind != SnapshotKind::source || !counted.insert(file.hash).second) continue;
      hashes.push_back(file.hash);
      added += file.size;
    }
    if (!kept.empty() && bytes + added > max_bytes) {
      for (const ContentHash& hash : hashes) counted.erase(hash);
      continue;
    }
    bytes += added;
    kept_ids.insert(id);
    kept.push_back(*snapshot);
  }
  if (!taken_last_.empty() && kept_ids.insert(taken_last_).second) {
    if (const auto snapshot = load(taken_last_)) kept.push_back(*snapshot);
  }
  std::vector<std::string> removed;
  for (const std::string& name : names_in(folder_ + "/snapshots")) {
    if (kept_ids.contains(name)) continue;
    // The list goes before its objects: a kill in between leaves objects that nobody names.
    if (::unlink(index_path(name).c_str()) != 0 && errno != ENOENT)
      return fail(last_os_error(index_path(name)));
    if (is_id(name)) removed.push_back(name);
  }
  MOULT_TRY(sweep(kept));
  return removed;
}

Result<> SnapshotStore::sweep(const std::vector<SnapshotPtr>& kept) {
  std::set<std::string> wanted;
  for (const SnapshotPtr& snapshot : kept) {
    for (const SnapshotFile& file : snapshot->files) {
      if (file.kind == SnapshotKind::source) wanted.insert(object_path(file.hash));
    }
  }
  const std::string objects = folder_ + "/objects";
  for (const std::string& prefix : names_in(objects)) {
    const std::string folder = join_path(objects, prefix);
    for (const std::string& name : names_in(folder)) {
      const std::string path = join_path(folder, name);
      if (!wanted.contains(path) && ::unlink(path.c_str()) != 0 && errno != ENOENT)
        return fail(last_os_error(path));
    }
    ::rmdir(folder.c_str());  // where it is empty
  }
  return {};
}

Result<> SnapshotStore::sync() const {
  const Fd fd(::open(folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return fail(last_os_error(folder_));
  if (::syncfs(fd.get()) != 0) return fail(last_os_error(folder_));
  return {};
}

}  // namespace moult
