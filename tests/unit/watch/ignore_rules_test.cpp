#include "daemon/tree/ignore_rules.h"

#include <doctest/doctest.h>

using namespace moult;

namespace {

struct Row {
  const char* pattern;
  const char* path;  // below the root; a '/' at its end makes it a folder
  bool ignored;
};

bool is_ignored(const IgnoreRules& rules, std::string path) {
  const bool folder = path.ends_with('/');
  if (folder) path.pop_back();
  return rules.reason("/app/" + path, folder ? PathType::folder : PathType::file).has_value();
}

}  // namespace

TEST_CASE("patterns mean what gitignore(5) says") {
  static constexpr Row kRows[] = {
      {"build", "build/", true},
      {"build", "build", true},
      {"build", "a/b/build", true},
      {"build", "builds", false},
      {"build/", "build", false},
      {"build/", "a/build/", true},
      {"build/", "build/x.py", true},
      {"/build", "build/x.py", true},
      {"/build", "a/build", false},
      {"a/build", "a/build", true},
      {"a/build", "b/a/build", false},
      {"*.py", "a/b/x.py", true},
      {"*.py", "x.pyc.txt", false},
      {"x*y.py", "xy.py", true},
      {"x*y.py", "x/y.py", false},
      {"a/*.py", "a/x.py", true},
      {"a/*.py", "a/b/x.py", false},
      {"?.py", "x.py", true},
      {"?.py", "xx.py", false},
      {"[a-c].py", "b.py", true},
      {"[a-c].py", "d.py", false},
      {"[!a-c].py", "d.py", true},
      {"[^a-c].py", "b.py", false},
      {"[]x].py", "].py", true},
      {"[[:digit:]]*", "1x", true},
      {"[[:digit:]]*", "x1", false},
      {"[a", "[a", false},
      {"**/x.py", "x.py", true},
      {"**/x.py", "a/b/x.py", true},
      {"a/**/x.py", "a/x.py", true},
      {"a/**/x.py", "a/b/c/x.py", true},
      {"a/**/x.py", "b/a/x.py", false},
      {"a/**", "a/b", true},
      {"a/**", "a/", false},
      {"a/**", "a/b/c", true},
      {"a**z", "abcz", true},
      {"a**z", "ab/cz", false},
      {"\\!x", "!x", true},
      {"\\#x", "#x", true},
      {"#x", "#x", false},
      {"x\\*", "x*", true},
      {"x\\*", "xy", false},
      {"x   ", "x", true},
      {"x\\ ", "x ", true},
      {"", "x", false},
      {"/", "x", false},
      {"*a*a*a*a*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false},
  };
  for (const Row& row : kRows) {
    CAPTURE(row.pattern);
    CAPTURE(row.path);
    IgnoreRules rules("/app", {});
    rules.set_file("/app", row.pattern, ".gitignore");
    CHECK(is_ignored(rules, row.path) == row.ignored);
  }
}

TEST_CASE("the last pattern that matches decides, but nothing below an ignored folder comes back") {
  IgnoreRules rules("/app", {});
  rules.set_file("/app", "*.py\n!keep.py\n/media/\n!/media/keep.py\r\n", ".gitignore");
  CHECK(is_ignored(rules, "x.py"));
  CHECK_FALSE(is_ignored(rules, "a/keep.py"));
  CHECK(is_ignored(rules, "media/keep.py"));
}

TEST_CASE("a file deeper in the tree overrules those above it, and only below itself") {
  IgnoreRules rules("/app", {});
  rules.set_file("/app/a", "!x.py\n/y.py\n", "a/.gitignore");
  rules.set_file("/app", "x.py\n", ".gitignore");
  CHECK(is_ignored(rules, "x.py"));
  CHECK_FALSE(is_ignored(rules, "a/x.py"));
  CHECK(is_ignored(rules, "a/y.py"));
  CHECK_FALSE(is_ignored(rules, "y.py"));
  CHECK_FALSE(is_ignored(rules, "ab/y.py"));
}

TEST_CASE("a file that is set again replaces what it said") {
  IgnoreRules rules("/app", {});
  rules.set_file("/app", "x.py\n", ".gitignore");
  rules.set_file("/app", "y.py\n", ".gitignore");
  CHECK_FALSE(is_ignored(rules, "x.py"));
  CHECK(is_ignored(rules, "y.py"));
}

TEST_CASE("the config's patterns stand above .gitignore, and the built-in rules above both") {
  IgnoreRules rules("/app", {"!x.py", "uploads/"});
  rules.set_file("/app", "x.py\n!*.pyc\n!a.py~\n", ".gitignore");
  CHECK_FALSE(is_ignored(rules, "x.py"));
  CHECK(is_ignored(rules, "a/uploads/"));
  CHECK(is_ignored(rules, "a.py~"));
  CHECK(is_ignored(rules, ".git/config"));
  CHECK(is_ignored(rules, "a/__pycache__/x.py"));
}

TEST_CASE("the reason names file, line and pattern") {
  IgnoreRules rules("/app", {"*.tmp.py"});
  rules.set_file("/app", "\xef\xbb\xbf# notes\n\n*.gen.py  \n", ".gitignore");
  CHECK(rules.reason("/app/x.gen.py", PathType::file) == ".gitignore:3 *.gen.py");
  CHECK(rules.reason("/app/x.tmp.py", PathType::file) == "ignore = \"*.tmp.py\"");
  CHECK(rules.reason("/app/x.py~", PathType::file) == "editor's file");
  CHECK_FALSE(rules.reason("/app/x.py", PathType::file));
}

TEST_CASE("what the user named in watch is only ignored by the config and the built-in rules") {
  IgnoreRules rules("/app", {"*.bin"});
  rules.set_file("/app", "*.html\n", ".gitignore");
  CHECK_FALSE(rules.reason_here_by_config("/app/a.html", PathType::file));
  CHECK(rules.reason_here_by_config("/app/a.bin", PathType::file));
  CHECK(rules.reason_here_by_config("/app/db.sqlite3-wal", PathType::file));
}
