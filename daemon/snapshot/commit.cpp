#include "daemon/snapshot/commit.h"

#include "daemon/tree/tree_rules.h"
#include "ipc/base/fd.h"
#include "ipc/base/hex.h"

#include <sys/stat.h>
#include <algorithm>
#include <array>
#include <fstream>

namespace moult {

namespace {

constexpr std::size_t kRefsMax = 16u << 20;

std::string trimmed(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' ')) text.pop_back();
  return text;
}

bool is_commit(std::string_view text) {
  return (text.size() == 40 || text.size() == 64) && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

// Relative to `folder` unless absolute.
std::string resolve(const std::string& folder, const std::string& path) {
  return path.starts_with('/') ? path : join_path(folder, path);
}

// FOLDER/.git is a file "gitdir: …" in worktrees and submodules.
std::string git_state(const std::string& top) {
  std::string path = join_path(top, ".git");
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) return path;
  const auto text = read_file(path, 65536);
  if (!text || !text->starts_with("gitdir: ")) return path;
  return resolve(top, trimmed(text->substr(8)));
}

std::string packed_ref(const std::string& common, const std::string& ref) {
  const auto text = read_file(join_path(common, "packed-refs"), kRefsMax);
  if (!text) return {};
  const std::string wanted = " " + ref + "\n";
  const std::size_t found = text->find(wanted);
  if (found == std::string::npos || found < 40) return {};
  const std::size_t line = text->rfind('\n', found);
  const std::size_t start = line == std::string::npos ? 0 : line + 1;
  return text->substr(start, found - start);
}

std::string git_commit(const std::string& state) {
  const auto head = read_file(join_path(state, "HEAD"), 65536);
  if (!head) return {};
  std::string text = trimmed(*head);
  if (!text.starts_with("ref: ")) return text;
  const std::string ref = text.substr(5);
  std::string common = state;
  if (const auto shared = read_file(join_path(state, "commondir"), 65536))
    common = resolve(state, trimmed(*shared));
  if (const auto loose = read_file(join_path(common, ref), 65536)) return trimmed(*loose);
  return packed_ref(common, ref);
}

// The first parent stands at the start of the dirstate, in its second version after a marker
// (Mercurial's internals, "dirstate" and "dirstate-v2").
std::string hg_commit(const std::string& state) {
  static constexpr std::string_view kMarker = "dirstate-v2\n";
  std::array<char, kMarker.size() + 20> start{};
  std::ifstream file(join_path(state, "dirstate"), std::ios::binary);
  file.read(start.data(), start.size());
  const std::string_view text(start.data(), static_cast<std::size_t>(file.gcount()));
  const std::string_view parent =
      text.starts_with(kMarker) ? text.substr(kMarker.size()) : text.substr(0, 20);
  if (parent.size() < 20) return {};
  return hex_of(parent);
}

}  // namespace

VersionControl find_version_control(const std::string& folder) {
  static constexpr std::array<std::string_view, 4> kNames{".git", ".hg", ".svn", ".jj"};
  for (std::string_view top = folder; !top.empty(); top = folder_of(top)) {
    for (const std::string_view name : kNames) {
      std::string path = join_path(top, name);
      struct stat status {};
      if (::lstat(path.c_str(), &status) != 0) continue;
      return {std::string(top), std::string(name),
              name == ".git" ? git_state(std::string(top)) : std::move(path)};
    }
    if (top == "/") break;
  }
  return {};
}

std::string current_commit(const VersionControl& control) {
  std::string commit;
  if (control.name == ".git") commit = git_commit(control.state);
  if (control.name == ".hg") commit = hg_commit(control.state);
  return is_commit(commit) ? commit : std::string();
}

}  // namespace moult
