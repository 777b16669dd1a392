#include "daemon/tree/tree_rules.h"

#include <unistd.h>
#include <algorithm>
#include <array>

namespace moult {

bool is_source_name(std::string_view name) { return name.size() > 3 && name.ends_with(".py"); }

bool is_version_control_folder(std::string_view name) {
  static constexpr std::array<std::string_view, 6> kNames{".git", ".hg", ".svn", ".bzr", ".jj", "CVS"};
  return std::find(kNames.begin(), kNames.end(), name) != kNames.end();
}

bool is_left_out_folder(std::string_view name) {
  return name == "__pycache__" || name == "node_modules" || is_version_control_folder(name);
}

bool is_package_folder(std::string_view path) {
  while (path.size() > 1) {
    const std::string_view name = name_of(path);
    if (name == "site-packages" || name == "dist-packages") return true;
    path = folder_of(path);
  }
  return false;
}

std::string tidy_path(std::string_view path) {
  std::string tidy;
  for (std::size_t at = 0; at < path.size();) {
    const std::size_t end = std::min(path.find('/', at), path.size());
    const std::string_view component = path.substr(at, end - at);
    if (!component.empty() && component != ".") {
      if (at > 0 || path.front() == '/') tidy += '/';
      tidy += component;
    }
    at = end + 1;
  }
  return tidy.empty() ? "/" : tidy;
}

std::string join_path(std::string_view folder, std::string_view name) {
  std::string path(folder);
  if (!path.ends_with('/')) path += '/';
  path += name;
  return path;
}

std::string_view folder_of(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) return {};
  return path.substr(0, std::max<std::size_t>(slash, 1));
}

std::string_view name_of(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

bool is_within(std::string_view path, std::string_view folder) {
  if (!path.starts_with(folder)) return false;
  return path.size() == folder.size() || folder.ends_with('/') || path[folder.size()] == '/';
}

std::string rebase_path(std::string_view path, std::string_view tree, std::string_view root) {
  if (!is_within(path, tree)) return std::string(path);
  path.remove_prefix(tree.size());
  while (path.starts_with('/')) path.remove_prefix(1);
  return path.empty() ? std::string(root) : join_path(root, path);
}

bool is_virtual_environment(const std::string& folder) {
  return ::access(join_path(folder, "pyvenv.cfg").c_str(), F_OK) == 0 ||
         ::access(join_path(folder, "conda-meta").c_str(), F_OK) == 0;
}

}  // namespace moult
