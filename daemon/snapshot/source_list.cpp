#include "daemon/snapshot/source_list.h"

#include "daemon/tree/noise.h"
#include "daemon/tree/tree_rules.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <memory>
#include <set>

namespace moult {

namespace {

constexpr std::size_t kNotesMax = 20;
constexpr std::size_t kOffenders = 3;
constexpr std::size_t kOutsideMax = 5'000;  // sources from elsewhere

struct Free {
  void operator()(char* text) const { std::free(text); }
};

Result<std::string> real_path(const std::string& path) {
  const std::unique_ptr<char, Free> real(::realpath(path.c_str(), nullptr));
  if (!real) return fail(last_os_error(path));
  return std::string(real.get());
}

void add_note(std::vector<std::string>& notes, std::string note) {
  if (notes.size() < kNotesMax) notes.push_back(std::move(note));
}

// The folder right below `root` that `path` is in, else the root itself.
std::string folder_below(const std::string& root, std::string_view path) {
  const std::size_t slash = path.find('/', root.size() + 1);
  if (slash != std::string_view::npos) return std::string(path.substr(0, slash));
  return std::string(path);
}

// "/srv/blog/data (18001 files), /srv/blog/vendor (2000 files)".
std::string largest_of(const std::map<std::string, std::size_t>& counts, std::string_view what) {
  std::vector<std::pair<std::size_t, std::string>> sorted;
  sorted.reserve(counts.size());
  for (const auto& [folder, count] : counts) sorted.emplace_back(count, folder);
  std::sort(sorted.rbegin(), sorted.rend());
  std::string text;
  for (std::size_t i = 0; i < std::min(kOffenders, sorted.size()); ++i) {
    text += fmt::format("{}{} ({} {})", i == 0 ? "" : ", ", sorted[i].second, sorted[i].first, what);
  }
  return text;
}

// A path becomes text of Python and of JSON.
bool is_utf8(const std::string& path) {
  try {
    return !nlohmann::json(path).dump().empty();
  } catch (const nlohmann::json::type_error&) {
    return false;
  }
}

Result<> check_names(const SourceList& listed) {
  for (const std::string& root : listed.roots) {
    if (is_utf8(root)) continue;
    Error error{ErrorCode::failed, fmt::format("the path of {} is not UTF-8", root)};
    error.hint = "rename the folder";
    return fail(std::move(error));
  }
  return {};
}

// Collects sources, or with `everything` all files that are no noise (folders named in `watch`).
class Collector : public TreeVisitor {
 public:
  Collector(SourceList& listed, std::vector<ListedFile>& files, const SnapshotLimits& limits, bool everything)
      : listed_(listed), files_(files), limits_(limits), everything_(everything) {}

  bool enter(const std::string& folder, const FileStamp& stamp) override {
    if (root_.empty()) root_ = folder;
    listed_.folders.push_back({folder, stamp});
    return true;
  }
  bool wants(const std::string& folder, std::string_view name) override {
    count(folder);
    return everything_ ? noise_rule(name, PathType::file).empty() : is_source_name(name);
  }
  void file(const std::string& path, const FileStamp& stamp, bool) override {
    files_.push_back({path, stamp});
  }
  void left_out(const std::string& folder, const std::string& why) override {
    add_note(listed_.notes, fmt::format("{} {}: left out", folder, why));
  }
  bool goes_on() override { return ++entries_ <= limits_.entries; }
  bool is_whole() const { return entries_ <= limits_.entries; }
  // Which folders right below the root have the most entries.
  std::string largest() const { return largest_of(counts_, "entries"); }

 private:
  void count(const std::string& folder) {
    if (folder != counted_folder_) {
      counted_folder_ = folder;
      counter_ = &counts_[folder_below(root_, folder)];
    }
    ++*counter_;
  }

  std::string root_;
  std::map<std::string, std::size_t> counts_;
  std::string counted_folder_;
  std::size_t* counter_ = nullptr;
  SourceList& listed_;
  std::vector<ListedFile>& files_;
  const SnapshotLimits& limits_;
  bool everything_;
  std::size_t entries_ = 0;
};

void remove_doubles(std::vector<ListedFile>& files) {
  const auto by_path = [](const ListedFile& a, const ListedFile& b) { return a.path < b.path; };
  const auto same_path = [](const ListedFile& a, const ListedFile& b) { return a.path == b.path; };
  std::stable_sort(files.begin(), files.end(), by_path);
  files.erase(std::unique(files.begin(), files.end(), same_path), files.end());
}

// Which folders right below the roots have the most sources.
std::string largest_folders(const SourceList& listed) {
  std::map<std::string, std::size_t> counts;
  for (const ListedFile& file : listed.sources) {
    std::string_view path = file.path;
    for (const std::string& root : listed.roots) {
      if (!is_within(path, root)) continue;
      const std::size_t slash = path.find('/', root.size() + 1);
      path = slash == std::string_view::npos ? std::string_view(root) : path.substr(0, slash);
      break;
    }
    ++counts[std::string(path)];
  }
  return largest_of(counts, "files");
}

std::string largest_files(std::vector<ListedFile> files) {
  std::sort(files.begin(), files.end(),
            [](const ListedFile& a, const ListedFile& b) { return a.stamp.size > b.stamp.size; });
  std::string text;
  for (std::size_t i = 0; i < std::min(kOffenders, files.size()); ++i) {
    text += fmt::format("{}{} ({} bytes)", i == 0 ? "" : ", ", files[i].path, files[i].stamp.size);
  }
  return text;
}

Failure too_large(std::string message) {
  Error error{ErrorCode::too_large, std::move(message)};
  error.hint = "point `tree` at the folder that holds the app's own code";
  return fail(std::move(error));
}

Result<> check_limits(const SourceList& listed, const SnapshotLimits& limits) {
  if (listed.sources.size() > limits.files) {
    return too_large(fmt::format("{} has {} source files, more than {}; most are in {}", listed.root,
                                 listed.sources.size(), limits.files, largest_folders(listed)));
  }
  if (listed.data.size() > limits.files) {
    return too_large(fmt::format("`watch` names {} files, more than {}", listed.data.size(), limits.files));
  }
  std::uint64_t bytes = 0;
  for (const ListedFile& file : listed.sources) bytes += file.stamp.size;
  const auto largest = std::max_element(listed.sources.begin(), listed.sources.end(),
                                        [](auto& a, auto& b) { return a.stamp.size < b.stamp.size; });
  if (bytes > limits.bytes || (bytes > 0 && largest->stamp.size > limits.file_bytes)) {
    return too_large(
        fmt::format("the sources of {} have {} bytes (at most {}, {} in one file); the largest are {}",
                    listed.root, bytes, limits.bytes, limits.file_bytes, largest_files(listed.sources)));
  }
  return {};
}

// The further roots that are there, resolved, without those of packages and those inside others.
void add_roots(const SnapshotSpec& spec, SourceList& listed) {
  std::vector<std::string> further;
  for (const std::string& given : spec.roots) {
    const auto real = real_path(given);
    if (real && !is_package_folder(*real)) further.push_back(*real);
  }
  std::sort(further.begin(), further.end());
  for (const std::string& root : further) {
    const auto holds = [&root](const std::string& other) { return is_within(root, other); };
    if (std::none_of(listed.roots.begin(), listed.roots.end(), holds)) listed.roots.push_back(root);
  }
}

Result<> list_data(const SnapshotSpec& spec, SourceList& listed) {
  std::vector<std::string> named = spec.data;
  named.insert(named.end(), spec.opened.begin(), spec.opened.end());
  for (const std::string& given : named) {
    const std::string path = rebase_path(tidy_path(given), tidy_path(spec.tree), listed.root);
    struct stat status {};
    const bool exists = ::stat(path.c_str(), &status) == 0;
    if (exists && S_ISDIR(status.st_mode)) {
      Collector collector(listed, listed.data, spec.limits, true);
      TreeWalk(collector).walk(path);
      if (!collector.is_whole()) {
        return too_large(fmt::format("{} in `watch` has more than {} entries; most are in {}", path,
                                     spec.limits.entries, collector.largest()));
      }
    } else if (!exists || S_ISREG(status.st_mode)) {
      listed.data.push_back({path, exists ? stamp_of(status) : FileStamp{}});
    }
  }
  remove_doubles(listed.data);
  return {};
}

// One that has gone is looked for like a data file, so that its going is a change.
void list_outside(const SnapshotSpec& spec, SourceList& listed) {
  const std::size_t count = std::min(spec.outside.size(), kOutsideMax);
  for (std::size_t i = 0; i < count; ++i) {
    struct stat status {};
    const bool exists = ::stat(spec.outside[i].c_str(), &status) == 0 && S_ISREG(status.st_mode);
    auto& files = exists ? listed.sources : listed.data;
    files.push_back({spec.outside[i], exists ? stamp_of(status) : FileStamp{}});
  }
  if (count < spec.outside.size())
    add_note(listed.notes, fmt::format("{} sources outside the tree: the first {} are looked at",
                                       spec.outside.size(), kOutsideMax));
}

}  // namespace

Result<> list_folder(const std::string& root, SourceList& listed, const SnapshotLimits& limits) {
  Collector collector(listed, listed.sources, limits, false);
  TreeWalk(collector).walk(root);
  if (collector.is_whole()) return {};
  return too_large(
      fmt::format("{} has more than {} entries; most are in {}", root, limits.entries, collector.largest()));
}

Result<SourceList> list_sources(const SnapshotSpec& spec) {
  SourceList listed;
  MOULT_ASSIGN(listed.root, real_path(spec.tree));
  listed.roots.push_back(listed.root);
  add_roots(spec, listed);
  MOULT_TRY(check_names(listed));
  std::string entry;
  if (!spec.entry_file.empty()) {
    entry = rebase_path(tidy_path(spec.entry_file), tidy_path(spec.tree), listed.root);
    struct stat status {};
    const bool exists = ::stat(entry.c_str(), &status) == 0;
    if (!exists && !spec.entry_may_be_module) return fail(last_os_error(entry));
    if (exists && (S_ISREG(status.st_mode) || !spec.entry_may_be_module)) {
      listed.sources.push_back({entry, stamp_of(status)});
    } else {
      entry.clear();
    }
  }
  if (spec.reach == Reach::files) follow_imports(listed.root, entry, listed, spec.limits);
  for (const std::string& root : listed.roots) {
    if (spec.reach == Reach::files && root == listed.root) continue;
    MOULT_TRY(list_folder(root, listed, spec.limits));
  }
  list_outside(spec, listed);
  remove_doubles(listed.sources);
  MOULT_TRY(list_data(spec, listed));
  MOULT_TRY(check_limits(listed, spec.limits));
  return listed;
}

}  // namespace moult
