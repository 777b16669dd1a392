#pragma once

#include <string>
#include <string_view>

namespace moult {

// Rules that the snapshot and the watcher share, about names alone. Pure.

// "x.py". Byte code without a source is no source: it is loaded from the disk.
bool is_source_name(std::string_view name);

// Folders that never hold an app's sources: VCS folders, __pycache__, node_modules.
bool is_left_out_folder(std::string_view name);
bool is_version_control_folder(std::string_view name);

// A folder of installed packages: it has a component site-packages or dist-packages. Such a path
// entry is fingerprinted (packages.h), never part of a snapshot.
bool is_package_folder(std::string_view path);

// "/a//b/./c/" -> "/a/b/c"; ".." stays, as it means something else behind a symlink.
std::string tidy_path(std::string_view path);
std::string join_path(std::string_view folder, std::string_view name);
std::string_view folder_of(std::string_view path);  // "/a/b" -> "/a", "/a" -> "/"
std::string_view name_of(std::string_view path);
// `path` is `folder` or lies below it.
bool is_within(std::string_view path, std::string_view folder);

// Where `path` is when `tree` as given is really `root`: "/srv/current/app.py" with a tree /srv/current
// that is /srv/releases/7 gives "/srv/releases/7/app.py". Paths outside the tree stay as they are.
std::string rebase_path(std::string_view path, std::string_view tree, std::string_view root);

// A folder with pyvenv.cfg (or conda-meta). Blocks.
bool is_virtual_environment(const std::string& folder);

}  // namespace moult
