#include "daemon/snapshot/index.h"

#include <fmt/format.h>

#include <charconv>

namespace moult {

namespace {

constexpr std::string_view kFirstLine = "moult-snapshot 1";

std::string escape(std::string_view text) {
  std::string escaped;
  escaped.reserve(text.size());
  for (const char c : text) {
    if (c == '\\') {
      escaped += "\\\\";
    } else if (c == '\n') {
      escaped += "\\n";
    } else {
      escaped += c;
    }
  }
  return escaped;
}

std::string unescape(std::string_view text) {
  std::string plain;
  plain.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size()) {
      ++i;
      plain += text[i] == 'n' ? '\n' : text[i];
    } else {
      plain += text[i];
    }
  }
  return plain;
}

std::string_view take_word(std::string_view& line) {
  const std::size_t space = line.find(' ');
  const std::string_view word = line.substr(0, space);
  line.remove_prefix(space == std::string_view::npos ? line.size() : space + 1);
  return word;
}

template <typename Number>
bool take_number(std::string_view& line, Number& number) {
  const std::string_view word = take_word(line);
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), number);
  return error == std::errc() && end == word.data() + word.size();
}

bool take_file(std::string_view line, SnapshotKind kind, Snapshot& snapshot) {
  SnapshotFile file;
  file.kind = kind;
  const auto hash = parse_hash(take_word(line));
  if (!hash || !take_number(line, file.size) || !take_number(line, file.changed) || line.empty())
    return false;
  file.hash = *hash;
  file.path = unescape(line);
  snapshot.files.push_back(std::move(file));
  return true;
}

bool take_line(std::string_view line, Snapshot& snapshot) {
  const std::string_view word = take_word(line);
  if (word == "source") return take_file(line, SnapshotKind::source, snapshot);
  if (word == "data") return take_file(line, SnapshotKind::data, snapshot);
  if (word == "taken") {
    std::int64_t taken = 0;
    if (!take_number(line, taken)) return false;
    snapshot.taken =
        WallTime(std::chrono::duration_cast<WallTime::duration>(std::chrono::nanoseconds(taken)));
    return true;
  }
  if (word == "root") {
    snapshot.root = unescape(line);
  } else if (word == "roots") {
    snapshot.roots.push_back(unescape(line));
  } else if (word == "commit") {
    snapshot.commit = std::string(line);
  } else if (word == "note") {
    snapshot.notes.push_back(unescape(line));
  } else {
    return false;
  }
  return true;
}

Failure damaged(int line, std::string_view what) {
  Error error{ErrorCode::failed, fmt::format("damaged snapshot list: {}", what)};
  error.line = line;
  return fail(std::move(error));
}

}  // namespace

std::string encode_index(const Snapshot& snapshot) {
  const auto taken = std::chrono::duration_cast<std::chrono::nanoseconds>(snapshot.taken.time_since_epoch());
  std::string text = fmt::format("{}\nroot {}\n", kFirstLine, escape(snapshot.root));
  for (const std::string& root : snapshot.roots) text += fmt::format("roots {}\n", escape(root));
  text += fmt::format("taken {}\ncommit {}\n", taken.count(), snapshot.commit);
  for (const std::string& note : snapshot.notes) text += fmt::format("note {}\n", escape(note));
  for (const SnapshotFile& file : snapshot.files) {
    text += fmt::format("{} {} {} {} {}\n", file.kind == SnapshotKind::source ? "source" : "data",
                        file.hash.hex(), file.size, file.changed, escape(file.path));
  }
  text += fmt::format("end {}\n", hash_of(text).hex());
  return text;
}

Result<SnapshotPtr> decode_index(std::string_view text) {
  Snapshot snapshot;
  std::size_t at = 0;
  for (int number = 1;; ++number) {
    const std::size_t end = text.find('\n', at);
    if (end == std::string_view::npos) return damaged(number, "it breaks off");
    std::string_view line = text.substr(at, end - at);
    if (number == 1) {
      if (line != kFirstLine) return damaged(number, "not of this version");
    } else if (line.starts_with("end ")) {
      if (line.substr(4) != hash_of(text.substr(0, at)).hex()) return damaged(number, "wrong sum");
      return finish_snapshot(std::move(snapshot));
    } else if (!take_line(line, snapshot)) {
      return damaged(number, "a line that cannot be understood");
    }
    at = end + 1;
  }
}

}  // namespace moult
