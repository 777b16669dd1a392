#include "daemon/snapshot/package_listings.h"

#include <algorithm>
#include <chrono>
#include <filesystem>

namespace moult {

namespace {

constexpr std::size_t kMostFolders = 20'000;

std::vector<PackageListings::Name> read_names(const std::string& folder) {
  std::vector<PackageListings::Name> names;
  std::error_code error;
  for (std::filesystem::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    std::error_code ignored;
    names.push_back({it->path().filename().string(), it->is_directory(ignored), it->is_symlink(ignored)});
  }
  std::sort(names.begin(), names.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return names;
}

}  // namespace

bool is_extension_module(std::string_view name) {
  return name.ends_with(".so") || name.find(".so.") != std::string_view::npos;
}

PackageListings::Names PackageListings::look(Listings& listings, const std::string& folder, Keep keep) {
  const FileStamp stamp = stamp_of(folder);
  if (!stamp.exists()) return std::make_shared<std::vector<Name>>();
  {
    const std::scoped_lock lock(mutex_);
    const auto known = listings.find(folder);
    if (known != listings.end() && known->second.stamp == stamp) return known->second.names;
  }
  const bool is_settled_now = is_settled(stamp);
  std::vector<Name> found = read_names(folder);
  ++times_read_;
  if (keep == Keep::extensions) {
    std::erase_if(found,
                  [](const Name& entry) { return !entry.is_folder && !is_extension_module(entry.name); });
  }
  // Where a link leads may change while the folder does not.
  const bool has_link =
      std::any_of(found.begin(), found.end(), [](const Name& entry) { return entry.is_link; });
  const auto names = std::make_shared<const std::vector<Name>>(std::move(found));
  const std::scoped_lock lock(mutex_);
  if (listings.size() >= kMostFolders) listings.clear();
  if (is_settled_now && !has_link) {
    listings[folder] = {stamp, names};
  } else {
    listings.erase(folder);
  }
  return names;
}

bool PackageListings::is_settled(const FileStamp& stamp) const {
  const std::chrono::nanoseconds now = std::chrono::system_clock::now().time_since_epoch();
  return std::max(stamp.modified, stamp.changed) + std::chrono::nanoseconds(racy_).count() <= now.count();
}

}  // namespace moult
