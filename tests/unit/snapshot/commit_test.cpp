#include "daemon/snapshot/commit.h"

#include "temp_tree.h"

#include <doctest/doctest.h>

using namespace moult;

namespace {

const std::string kOne(40, '1');
const std::string kTwo(40, '2');

std::string commit_of(const std::string& folder) { return current_commit(find_version_control(folder)); }

}  // namespace

TEST_CASE("git's commit is found by a branch, loose or packed, and without one") {
  const TempTree temp;
  const std::string app = temp.folder("repo/app");
  CHECK(commit_of(app).empty());
  temp.write("repo/.git/HEAD", "ref: refs/heads/main\n");
  CHECK(commit_of(app).empty());  // no commit yet
  temp.write("repo/.git/packed-refs", "# pack-refs with: peeled\n" + kTwo + " refs/heads/other\n" + kOne +
                                          " refs/heads/main\n^" + kTwo + "\n");
  CHECK(commit_of(app) == kOne);
  temp.write("repo/.git/refs/heads/main", kTwo + "\n");
  CHECK(commit_of(app) == kTwo);
  temp.write("repo/.git/HEAD", kOne + "\n");
  CHECK(commit_of(app) == kOne);
  temp.write("repo/.git/HEAD", "something else\n");
  CHECK(commit_of(app).empty());
}

TEST_CASE("git's worktrees and submodules keep their state elsewhere") {
  const TempTree temp;
  temp.write("main/.git/refs/heads/side", kOne + "\n");
  temp.write("main/.git/worktrees/side/HEAD", "ref: refs/heads/side\n");
  temp.write("main/.git/worktrees/side/commondir", "../..\n");
  temp.write("side/.git", "gitdir: " + temp.path("main/.git/worktrees/side") + "\n");
  CHECK(commit_of(temp.path("side")) == kOne);
  temp.write("main/part/.git", "gitdir: ../.git/modules/part\n");
  temp.write("main/.git/modules/part/HEAD", kTwo + "\n");
  CHECK(commit_of(temp.path("main/part")) == kTwo);
}

TEST_CASE("Mercurial's commit is the first parent, in both forms of its dirstate") {
  const TempTree temp;
  const std::string parents = std::string(20, '\x11') + std::string(20, '\0');
  temp.write("repo/.hg/dirstate", parents + "rest");
  CHECK(commit_of(temp.path("repo")) == kOne);
  temp.write("repo/.hg/dirstate", "dirstate-v2\n" + std::string(20, '\x22') + "rest");
  CHECK(commit_of(temp.path("repo")) == kTwo);
  temp.write("repo/.hg/dirstate", "");
  CHECK(commit_of(temp.path("repo")).empty());
}
