#include "daemon/tree/noise.h"

#include "daemon/tree/tree_rules.h"

#include <algorithm>
#include <array>

namespace moult {

namespace {

struct Ending {
  std::string_view text;
  std::string_view rule;
};

constexpr std::array<Ending, 26> kEndings{{
    {".pyc", "byte code"},
    {".pyo", "byte code"},
    {"~", "editor's file"},
    {".swp", "editor's file"},
    {".swo", "editor's file"},
    {".swn", "editor's file"},
    {".swx", "editor's file"},
    {".kate-swp", "editor's file"},
    {"___jb_tmp___", "editor's file"},
    {"___jb_old___", "editor's file"},
    {".bak", "backup copy"},
    {".orig", "backup copy"},
    {".rej", "backup copy"},
    {".sqlite3-wal", "database journal"},
    {".sqlite3-shm", "database journal"},
    {".sqlite3-journal", "database journal"},
    {".sqlite-wal", "database journal"},
    {".sqlite-shm", "database journal"},
    {".sqlite-journal", "database journal"},
    {".db-wal", "database journal"},
    {".db-shm", "database journal"},
    {".db-journal", "database journal"},
    {".part", "half-finished file"},
    {".filepart", "half-finished file"},
    {".crdownload", "half-finished file"},
    {".log", "log"},
}};

struct Beginning {
  std::string_view text;
  std::string_view rule;
};

constexpr std::array<Beginning, 7> kBeginnings{{
    {".#", "editor's file"},               // emacs' locks
    {"#", "editor's file"},                // emacs' auto-saves: #name#
    {"flycheck_", "editor's file"},        // emacs' checker
    {".goutputstream-", "editor's file"},  // GNOME
    {".~lock.", "editor's file"},          // LibreOffice
    {".nfs", "file deleted while open"},   // NFS clients
    {".syncthing.", "half-finished file"},
}};

// vim checks with this name whether it can write to the folder.
bool is_vim_probe(std::string_view name) {
  return name.size() >= 4 &&
         std::all_of(name.begin(), name.end(), [](char c) { return c >= '0' && c <= '9'; }) &&
         name.starts_with("49");
}

// rsync writes ".name.XXXXXX" and renames it.
bool is_rsync_temporary(std::string_view name) {
  if (name.size() < 9 || name.front() != '.') return false;
  const std::size_t dot = name.size() - 7;
  if (name[dot] != '.' || name.substr(1, dot - 1).find('.') == std::string_view::npos) return false;
  return std::all_of(name.begin() + static_cast<std::ptrdiff_t>(dot) + 1, name.end(), [](unsigned char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  });
}

}  // namespace

std::string_view noise_rule(std::string_view name, PathType type) {
  if (type == PathType::folder) {
    if (is_version_control_folder(name)) return "version control";
    return is_left_out_folder(name) ? "never holds sources" : std::string_view();
  }
  for (const Ending& ending : kEndings) {
    if (name.ends_with(ending.text)) return ending.rule;
  }
  for (const Beginning& beginning : kBeginnings) {
    if (!name.starts_with(beginning.text)) continue;
    if (beginning.text == "#" && !name.ends_with('#')) continue;
    return beginning.rule;
  }
  if (is_vim_probe(name)) return "editor's file";
  return is_rsync_temporary(name) ? "half-finished file" : std::string_view();
}

}  // namespace moult
