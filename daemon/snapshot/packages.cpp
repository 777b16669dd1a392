#include "daemon/snapshot/packages.h"

#include "daemon/tree/file_stamp.h"
#include "daemon/tree/tree_rules.h"
#include "ipc/base/fd.h"
#include "ipc/base/json.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

namespace moult {

namespace {

constexpr int kLevels = 3;
constexpr std::size_t kSmallFile = 1u << 20;

using Name = PackageListings::Name;

bool is_distribution(std::string_view name) {
  return name.ends_with(".dist-info") || name.ends_with(".egg-info");
}

// Not the inode and the ctime: a backup that is restored with its times is the same installation.
void add_stamp(Hasher& hasher, const std::string& path) {
  const FileStamp stamp = stamp_of(path);
  hasher.add_text(path);
  hasher.add_number(stamp.size);
  hasher.add_number(static_cast<std::uint64_t>(stamp.modified));
}

void add_extensions(Hasher& hasher, PackageListings& listings, const std::string& folder, int levels) {
  const auto names = listings.extensions_of(folder);
  for (const Name& entry : *names) {
    if (entry.is_folder) {
      if (levels > 1 && !is_left_out_folder(entry.name))
        add_extensions(hasher, listings, join_path(folder, entry.name), levels - 1);
    } else {
      add_stamp(hasher, join_path(folder, entry.name));
    }
  }
}

void add_folder_if_there(std::vector<std::string>& folders, const std::string& path) {
  std::error_code error;
  if (!std::filesystem::is_directory(path, error)) return;
  if (std::find(folders.begin(), folders.end(), path) == folders.end()) folders.push_back(path);
}

// Lines of a .pth file are folders, relative to its own; "import …" and comments are not (site.py).
void add_pth(std::vector<std::string>& folders, const std::string& folder, const std::string& name) {
  const auto text = read_file(join_path(folder, name), kSmallFile);
  if (!text) return;
  for (std::string_view rest = *text; !rest.empty();) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.remove_suffix(1);
    if (line.empty() || line.front() == '#' || line.starts_with("import ") || line.starts_with("import\t"))
      continue;
    add_folder_if_there(folders,
                        tidy_path(line.front() == '/' ? std::string(line) : join_path(folder, line)));
  }
}

std::string path_of_url(std::string_view url) {
  static constexpr std::string_view kScheme = "file://";
  if (!url.starts_with(kScheme)) return {};
  url.remove_prefix(kScheme.size());
  std::string path;
  for (std::size_t i = 0; i < url.size(); ++i) {
    if (url[i] == '%' && i + 2 < url.size()) {
      path += static_cast<char>(std::strtol(std::string(url.substr(i + 1, 2)).c_str(), nullptr, 16));
      i += 2;
    } else {
      path += url[i];
    }
  }
  return path;
}

// PEP 610: {"url": "file:///home/ann/lib", "dir_info": {"editable": true}}.
void add_editable(std::vector<std::string>& folders, const std::string& distribution) {
  const auto text = read_file(join_path(distribution, "direct_url.json"), kSmallFile);
  if (!text) return;
  const auto json = parse_json_or_discard(*text);
  if (!json.is_object() || !json.contains("dir_info") || !json.contains("url")) return;
  const auto& info = json["dir_info"];
  if (!info.is_object() || !json["url"].is_string() || !info.contains("editable") || info["editable"] != true)
    return;
  const std::string project = path_of_url(json["url"].get<std::string>());
  if (project.empty()) return;
  std::error_code error;
  const std::string sources = join_path(project, "src");
  add_folder_if_there(folders, std::filesystem::is_directory(sources, error) ? sources : project);
}

}  // namespace

ContentHash fingerprint_packages(const std::vector<std::string>& folders, PackageListings& listings) {
  Hasher hasher;
  for (const std::string& folder : folders) {
    hasher.add_text(folder);
    const auto names = listings.all_of(folder);
    for (const Name& entry : *names) {
      if (entry.name == "__pycache__") continue;
      const std::string path = join_path(folder, entry.name);
      hasher.add_text(entry.name);
      if (!entry.is_folder) {
        add_stamp(hasher, path);
      } else if (is_distribution(entry.name)) {
        add_stamp(hasher, join_path(path, "RECORD"));
        add_stamp(hasher, join_path(path, "METADATA"));
      } else {
        add_extensions(hasher, listings, path, kLevels);
      }
    }
  }
  return hasher.finish();
}

std::vector<std::string> editable_roots(const std::vector<std::string>& folders, PackageListings& listings) {
  std::vector<std::string> roots;
  for (const std::string& folder : folders) {
    const auto names = listings.all_of(folder);
    for (const Name& entry : *names) {
      const std::string path = join_path(folder, entry.name);
      if (entry.is_folder && entry.name.ends_with(".dist-info")) add_editable(roots, path);
      if (!entry.is_folder && entry.name.ends_with(".pth")) add_pth(roots, folder, entry.name);
    }
  }
  std::erase_if(roots, [](const std::string& root) { return is_package_folder(root); });
  return roots;
}

}  // namespace moult
