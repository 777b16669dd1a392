#include "daemon/tree/ignore_rules.h"

#include "daemon/tree/tree_rules.h"

#include <fmt/format.h>

#include <algorithm>

namespace moult {

namespace {

// Trailing blanks do not count unless escaped (gitignore(5)).
std::string_view without_trailing_blanks(std::string_view line) {
  while (!line.empty() && (line.back() == ' ' || line.back() == '\t')) {
    if (line.size() > 1 && line[line.size() - 2] == '\\') break;
    line.remove_suffix(1);
  }
  return line;
}

}  // namespace

IgnoreRules::IgnoreRules(std::string root, const std::vector<std::string>& patterns)
    : root_(std::move(root)), config_{root_, {}, {}} {
  for (const std::string& text : patterns) {
    if (auto pattern = parse(text)) {
      pattern->label = fmt::format("ignore = \"{}\"", text);
      config_.patterns.push_back(std::move(*pattern));
    }
  }
}

void IgnoreRules::set_file(const std::string& folder, std::string_view text, const std::string& source) {
  static constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  std::erase_if(files_, [&source](const PatternFile& file) { return file.source == source; });
  PatternFile file{folder, source, {}};
  for (int number = 1; !text.empty(); ++number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (auto pattern = parse(line)) {
      pattern->label = fmt::format("{}:{} {}", source, number, without_trailing_blanks(line));
      file.patterns.push_back(std::move(*pattern));
    }
  }
  // By length, so that files deeper in the tree come later; files of one folder in the order given.
  const auto shorter = [](const PatternFile& a, const PatternFile& b) {
    return a.folder.size() < b.folder.size();
  };
  files_.insert(std::upper_bound(files_.begin(), files_.end(), file, shorter), std::move(file));
}

std::optional<IgnoreRules::Pattern> IgnoreRules::parse(std::string_view line) {
  line = without_trailing_blanks(line);
  if (line.empty() || line.front() == '#') return std::nullopt;
  bool negated = false;
  if (line.front() == '!') {
    negated = true;
    line.remove_prefix(1);
  }
  bool folders_only = false;
  if (line.ends_with('/')) {
    folders_only = true;
    line.remove_suffix(1);
  }
  if (line.empty()) return std::nullopt;
  const bool anchored = line.find('/') != std::string_view::npos;
  return Pattern{Glob(line), negated, folders_only, anchored, {}};
}

const IgnoreRules::Pattern* IgnoreRules::last_match(const PatternFile& file, std::string_view path,
                                                    PathType type) {
  if (!is_within(path, file.folder) || path.size() <= file.folder.size()) return nullptr;
  const std::string_view below = path.substr(file.folder.size());
  const std::string_view name = name_of(path);
  for (auto pattern = file.patterns.rbegin(); pattern != file.patterns.rend(); ++pattern) {
    if (pattern->folders_only && type != PathType::folder) continue;
    if (pattern->anchored ? pattern->glob.matches(below) : pattern->glob.matches_name(name)) return &*pattern;
  }
  return nullptr;
}

std::optional<std::string> IgnoreRules::reason_here_by_config(std::string_view path, PathType type) const {
  const std::string_view noise = noise_rule(name_of(path), type);
  if (!noise.empty()) return std::string(noise);
  const Pattern* match = last_match(config_, path, type);
  if (match == nullptr || match->negated) return std::nullopt;
  return match->label;
}

std::optional<std::string> IgnoreRules::reason_here(std::string_view path, PathType type) const {
  const std::string_view noise = noise_rule(name_of(path), type);
  if (!noise.empty()) return std::string(noise);
  const Pattern* match = last_match(config_, path, type);
  for (auto file = files_.rbegin(); match == nullptr && file != files_.rend(); ++file) {
    match = last_match(*file, path, type);
  }
  if (match == nullptr || match->negated) return std::nullopt;
  return match->label;
}

std::optional<std::string> IgnoreRules::reason(std::string_view path, PathType type) const {
  if (!is_within(path, root_)) return reason_here(path, type);
  for (std::size_t slash = path.find('/', root_.size() + 1); slash != std::string_view::npos;
       slash = path.find('/', slash + 1)) {
    if (auto why = reason_here(path.substr(0, slash), PathType::folder)) return why;
  }
  return reason_here(path, type);
}

}  // namespace moult
