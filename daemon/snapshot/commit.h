#pragma once

#include <string>

namespace moult {

// The folder above or at `folder` that has a .git, .hg, .svn or .jj, and the folder in which that
// system keeps its state (for a git worktree not FOLDER/.git). Empty when there is none.
struct VersionControl {
  std::string top;
  std::string name;   // ".git"
  std::string state;  // "/srv/blog/.git", "/srv/main/.git/worktrees/blog"
};
VersionControl find_version_control(const std::string& folder);

// The commit that is checked out, read from git's or Mercurial's files without running them: 40 (or
// 64) hex digits, "" when not known. Blocks.
std::string current_commit(const VersionControl& control);

}  // namespace moult
