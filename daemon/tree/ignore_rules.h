#pragma once

#include "daemon/tree/glob.h"
#include "daemon/tree/noise.h"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace moult {

// Which paths do not wake the watcher: what is built in (VCS folders, __pycache__, editors' files,
// databases' journals, …), the config's `ignore`, and .gitignore files with git's rules: the last
// pattern that matches decides, files deeper in the tree after those above them, nothing below an
// ignored folder comes back. `ignore` stands above .gitignore, the built-in rules above both.
//
// Built while a tree is scanned, then constant and shared. Paths are absolute.
class IgnoreRules {
 public:
  // `patterns` are relative to `root`, in gitignore syntax.
  IgnoreRules(std::string root, const std::vector<std::string>& patterns);

  // Sets the text of FOLDER/.gitignore; `source` is its name in reasons, and tells it from other files
  // of the same folder, of which the one that was set first is the weakest.
  void set_file(const std::string& folder, std::string_view text, const std::string& source);

  const std::string& root() const { return root_; }

  // The rule that ignores `path`, looking at it and at the folders between it and the root: for
  // example ".gitignore:3 *.log", "editor's file *~". None: it counts.
  std::optional<std::string> reason(std::string_view path, PathType type) const;
  // The same for the last component alone, when the folder is known to be no ignored one.
  std::optional<std::string> reason_here(std::string_view path, PathType type) const;
  // By the built-in rules and `ignore` alone: for what the user named in `watch`.
  std::optional<std::string> reason_here_by_config(std::string_view path, PathType type) const;

 private:
  struct Pattern {
    Glob glob;
    bool negated;
    bool folders_only;
    bool anchored;  // matched against the path from the file's folder, else against the name
    std::string label;
  };
  struct PatternFile {
    std::string folder;
    std::string source;
    std::vector<Pattern> patterns;
  };
  static std::optional<Pattern> parse(std::string_view line);
  static const Pattern* last_match(const PatternFile& file, std::string_view path, PathType type);

  std::string root_;
  PatternFile config_;
  std::vector<PatternFile> files_;  // sorted by folder, so that deeper ones come later
};
using IgnoreRulesPtr = std::shared_ptr<const IgnoreRules>;

}  // namespace moult
