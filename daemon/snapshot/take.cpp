#include "daemon/snapshot/take.h"

#include "daemon/snapshot/commit.h"
#include "daemon/snapshot/source_list.h"
#include "daemon/tree/tree_rules.h"
#include "ipc/base/fd.h"

#include <fmt/format.h>

#include <fcntl.h>
#include <unistd.h>
#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <optional>
#include <thread>

namespace moult {

namespace {

// Data larger than this is compared by its stamp: nobody wants a video hashed at each save.
constexpr std::uint64_t kHashedDataMax = 8u << 20;

constexpr int kAttemptsLeast = 5;
constexpr Milliseconds kFirstPause{5};
constexpr Milliseconds kLongestPause{250};

enum class Steadiness { steady, changed };

// The content of a file that did not change while it was read; Steadiness::changed otherwise.
struct ReadFile {
  Steadiness steadiness = Steadiness::steady;
  std::string content;
};

Result<ReadFile> read_steadily(const ListedFile& file) {
  // O_NONBLOCK: a FIFO that has taken the file's place must not hold us up.
  const Fd fd(::open(file.path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  if (!fd && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP))
    return ReadFile{Steadiness::changed, {}};
  if (!fd) return fail(last_os_error(fmt::format("cannot read {}", file.path)));
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) return fail(last_os_error(file.path));
  if (!S_ISREG(status.st_mode) || stamp_of(status) != file.stamp) return ReadFile{Steadiness::changed, {}};
  ReadFile read;
  read.content.resize(file.stamp.size + 1);  // one more, to see that it has grown
  std::size_t size = 0;
  while (size < read.content.size()) {
    const ssize_t count = ::read(fd.get(), read.content.data() + size, read.content.size() - size);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return fail(last_os_error(fmt::format("cannot read {}", file.path)));
    if (count == 0) break;
    size += static_cast<std::size_t>(count);
  }
  read.content.resize(size);
  if (::fstat(fd.get(), &status) != 0 || size != file.stamp.size || stamp_of(status) != file.stamp) {
    read.steadiness = Steadiness::changed;
  }
  return read;
}

ContentHash stamp_hash(const FileStamp& stamp) {
  Hasher hasher;
  hasher.add_number(stamp.size);
  hasher.add_number(static_cast<std::uint64_t>(stamp.modified));
  hasher.add_number(stamp.inode);
  return hasher.finish();
}

// One attempt at a snapshot. Empty: something changed meanwhile, `culprit` says what.
class Attempt {
 public:
  Attempt(const SnapshotSpec& spec, SnapshotStore* store) : spec_(spec), store_(store) {}

  Result<> list();
  Result<std::optional<Snapshot>> take();
  const std::string& culprit() const { return culprit_; }
  // Folders change for many reasons (a log, byte code); later attempts let that pass.
  void ignore_folders() { folders_count_ = false; }

 private:
  Result<Steadiness> add_source(const ListedFile& file);
  void add_data(const ListedFile& file);
  Steadiness check_again();

  const SnapshotSpec& spec_;
  SnapshotStore* store_;  // null: the content is not kept
  SourceList listed_;
  Snapshot snapshot_;
  std::string culprit_;
  bool folders_count_ = true;
};

Result<Steadiness> Attempt::add_source(const ListedFile& file) {
  MOULT_ASSIGN(const ReadFile read, read_steadily(file));
  if (read.steadiness == Steadiness::changed) return Steadiness::changed;
  const ContentHash hash = hash_of(read.content);
  if (store_ != nullptr) {
    MOULT_TRY(store_->put(hash, read.content));
  }
  snapshot_.files.push_back({file.path, SnapshotKind::source, file.stamp.size, file.stamp.changed, hash});
  return Steadiness::steady;
}

// A data file that cannot be read or is just being written counts by its stamp.
void Attempt::add_data(const ListedFile& file) {
  SnapshotFile entry{file.path, SnapshotKind::data, file.stamp.size, file.stamp.changed, {}};
  if (file.stamp.exists()) {
    entry.hash = stamp_hash(file.stamp);
    if (file.stamp.size <= kHashedDataMax) {
      const auto read = read_steadily(file);
      if (read && read->steadiness == Steadiness::steady) entry.hash = hash_of(read->content);
    }
  }
  snapshot_.files.push_back(std::move(entry));
}

Steadiness Attempt::check_again() {
  const auto differs_now = [this](const ListedFile& listed_file) {
    if (stamp_of(listed_file.path) == listed_file.stamp) return false;
    culprit_ = listed_file.path;
    return true;
  };
  if (std::any_of(listed_.sources.begin(), listed_.sources.end(), differs_now)) return Steadiness::changed;
  if (folders_count_ && std::any_of(listed_.folders.begin(), listed_.folders.end(), differs_now)) {
    return Steadiness::changed;
  }
  return Steadiness::steady;
}

Result<> Attempt::list() {
  snapshot_ = Snapshot{};
  snapshot_.taken = std::chrono::system_clock::now();
  MOULT_ASSIGN(listed_, list_sources(spec_));
  return {};
}

Result<std::optional<Snapshot>> Attempt::take() {
  SourceList& listed = listed_;
  snapshot_.commit = current_commit(find_version_control(listed.root));
  for (const ListedFile& file : listed.sources) {
    MOULT_ASSIGN(const Steadiness steadiness, add_source(file));
    if (steadiness == Steadiness::changed) {
      culprit_ = file.path;
      return std::nullopt;
    }
  }
  for (const ListedFile& file : listed.data) {
    const auto is_it = [&file](const ListedFile& source, const std::string& path) {
      return source.path < path;
    };
    const auto source = std::lower_bound(listed.sources.begin(), listed.sources.end(), file.path, is_it);
    if (source == listed.sources.end() || source->path != file.path) add_data(file);
  }
  if (check_again() == Steadiness::changed) return std::nullopt;
  snapshot_.root = std::move(listed.root);
  snapshot_.roots = std::move(listed.roots);
  snapshot_.notes = std::move(listed.notes);
  return std::move(snapshot_);
}

Result<SnapshotPtr> take_with_attempts(const SnapshotSpec& spec, SnapshotStore* store,
                                       const TakeClock& clock) {
  Attempt attempt(spec, store);
  const SteadyTime deadline = clock.now() + spec.limits.longest;
  Milliseconds pause = kFirstPause;
  for (int number = 1;; ++number) {
    MOULT_TRY(attempt.list());
    const bool is_last = clock.now() >= deadline && number >= kAttemptsLeast;
    if (number >= kAttemptsLeast) attempt.ignore_folders();
    MOULT_ASSIGN(std::optional<Snapshot> taken, attempt.take());
    if (taken) return finish_snapshot(std::move(*taken));
    if (is_last) break;
    clock.sleep(pause);
    pause = std::min(pause * 2, kLongestPause);
  }
  Error error{ErrorCode::timed_out, fmt::format("{} keeps changing while it is read", attempt.culprit())};
  error.file = attempt.culprit();
  return fail(std::move(error));
}

}  // namespace

TakeClock real_clock() {
  return {[] { return Steady::now(); }, [](Milliseconds pause) { std::this_thread::sleep_for(pause); }};
}

Result<SnapshotPtr> take_snapshot(const SnapshotSpec& spec, SnapshotStore& store, const TakeClock& clock) {
  const auto lock = store.hold();
  MOULT_TRY(make_folders(store.folder()));
  MOULT_ASSIGN(SnapshotPtr snapshot, take_with_attempts(spec, &store, clock));
  MOULT_TRY(store.put_index(*snapshot));
  return snapshot;
}

Result<SnapshotPtr> look_at_tree(const SnapshotSpec& spec) {
  return take_with_attempts(spec, nullptr, real_clock());
}

std::string reason_for_files_only(const std::string& tree) {
  const std::string folder = tidy_path(tree);
  const char* home = std::getenv("HOME");
  if (home != nullptr && *home != '\0' && folder == tidy_path(home)) return "it is the home folder";
  if (folder == "/") return "it is the root folder";
  const char* temporary = std::getenv("TMPDIR");
  if (folder == "/tmp" || folder == "/var/tmp" ||
      (temporary != nullptr && *temporary != '\0' && folder == tidy_path(temporary))) {
    return "it is the folder for temporary files";
  }
  SnapshotLimits limits;
  limits.entries = limits.files;
  SourceList listed;
  if (!list_folder(folder, listed, limits)) return fmt::format("it holds more than {} files", limits.files);
  return {};
}

}  // namespace moult
