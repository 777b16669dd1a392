#include "control/ctl/commands.h"
#include "control/ctl/text_diff.h"
#include "ipc/base/fd.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <tuple>

// The daemon says which files differ and where their contents lie; what differs in them is found here,
// so that it costs the daemon nothing.

namespace moult::ctl {

namespace {

// What is said of one file.
struct Compared {
  TextDiff diff;
  std::string note;  // why there is no diff; "": there is one
};

// "" for a file that is not there.
Result<std::string> content_of(const Json& file, const char* side) {
  if (!has(file, side)) return std::string();
  const std::string place = text_at(object_at(file, side), "content");
  if (place.empty()) return fail(Error{ErrorCode::failed, "a data file, of which no content is kept"});
  if (whole_at(object_at(file, side), "size") > kDiffedMax)
    return fail(Error{ErrorCode::too_large, fmt::format("larger than {} MiB", kDiffedMax >> 20)});
  auto content = read_file(place, kDiffedMax + 1);
  if (!content) return content;
  const std::string reason = reason_for_no_diff(*content);
  if (!reason.empty()) return fail(Error{ErrorCode::failed, reason});
  return content;
}

Compared compare(const Json& file) {
  const auto before = content_of(file, "before");
  if (!before) return {{}, before.error().message};
  const auto after = content_of(file, "after");
  if (!after) return {{}, after.error().message};
  return {diff_texts(*before, *after), {}};
}

std::string side_name(const Json& side) {
  return has(side, "generation") ? fmt::format("generation {}", whole_at(side, "generation")) : "disk";
}

// Patches for a program that reads them stay as they are, byte by byte.
std::string shown(const std::string& text, const Look& look) {
  return look.terminal ? printable(text) : text;
}

// As git and GNU patch read names in which there is more than they take as it is.
std::string quoted(const std::string& name) {
  const auto is_odd = [](char c) {
    return static_cast<unsigned char>(c) <= ' ' || c == '"' || c == '\\' || c == '\x7f';
  };
  if (std::none_of(name.begin(), name.end(), is_odd)) return name;
  std::string text = "\"";
  for (const char c : name) {
    if (c == ' ' || !is_odd(c)) {
      text += c;
    } else if (c == '"' || c == '\\') {
      text += {'\\', c};
    } else {
      text += fmt::format("\\{:03o}", static_cast<unsigned char>(c));
    }
  }
  return text + '"';
}

// git's header, by which files without a line come and go too: patch wants the hashes for these, of
// which one is that of nothing and the other that of an empty content.
std::string git_header(const Json& file) {
  const std::string path = text_at(file, "path");
  std::string text = fmt::format("diff --git {} {}", quoted("a/" + path), quoted("b/" + path));
  for (const auto& [side, other, mode, hashes] :
       {std::tuple("before", "after", "new", "0000000..e69de29"),
        std::tuple("after", "before", "deleted", "e69de29..0000000")}) {
    if (has(file, side)) continue;
    text += fmt::format("\n{} file mode 100644", mode);
    if (whole_at(object_at(file, other), "size") == 0) text += fmt::format("\nindex {}", hashes);
  }
  return text;
}

std::string patch_of(const Json& result, const Json& file, const Compared& compared, const Look& look) {
  const std::string path = text_at(file, "path");
  const auto heading = [&](const char* sign, const char* prefix, const char* side, const char* end) {
    const std::string name = has(file, side) ? quoted(prefix + path) : "/dev/null";
    return in_tone(shown(fmt::format("{} {}\t{}", sign, name, side_name(object_at(result, end))), look),
                   Tone::strong, look) +
           "\n";
  };
  std::string text = in_tone(shown(git_header(file), look), Tone::strong, look) + "\n";
  if (!compared.diff.hunks.empty())
    text += heading("---", "a/", "before", "from") + heading("+++", "b/", "after", "to");
  if (!look.colour) return text + shown(compared.diff.hunks, look);
  std::string_view rest = compared.diff.hunks;
  while (!rest.empty()) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    const Tone tone = line.starts_with('+')   ? Tone::good
                      : line.starts_with('-') ? Tone::bad
                      : line.starts_with('@') ? Tone::dim
                                              : Tone::plain;
    text += in_tone(shown(std::string(line), look), tone, look) + "\n";
    rest.remove_prefix(line.size() + 1);
  }
  return text;
}

std::string stat_line(const Json& file, const Compared& compared) {
  const std::string counts = compared.note.empty()
                                 ? fmt::format("+{} -{}", compared.diff.added, compared.diff.removed)
                                 : compared.note;
  return fmt::format("{:<8} {}  {}\n", text_at(file, "change"), text_at(file, "path"), counts);
}

int print_diff(Invocation& invocation, const Json& result) {
  const Options& options = invocation.options();
  const Look& look = invocation.look();
  if (list_at(result, "files").empty()) {
    invocation.complain(fmt::format("no source differs between {} and {}\n",
                                    side_name(object_at(result, "from")),
                                    side_name(object_at(result, "to"))));
  }
  for (const Json& file : list_at(result, "files")) {
    if (invocation.is_interrupted()) return exit_code(ErrorCode::interrupted);
    const std::string path = text_at(file, "path");
    if (options.names_alone) {
      invocation.print(fmt::format("{:<8} {}\n", text_at(file, "change"), shown(path, look)));
      continue;
    }
    const Compared compared = compare(file);
    if (options.counts_alone) {
      invocation.print(shown(stat_line(file, compared), look));
    } else if (compared.note.empty()) {
      invocation.print(patch_of(result, file, compared, look));
    } else {
      invocation.print(shown(fmt::format("{} {}: {}\n", path, text_at(file, "change"), compared.note), look));
    }
  }
  if (const std::uint64_t left_out = whole_at(result, "left_out"); left_out > 0)
    invocation.complain(fmt::format("and {} more, which are left out\n", count_of(left_out, "file")));
  return 0;
}

}  // namespace

int run_diff(Invocation& invocation) {
  const auto app = one_app(invocation);
  if (!app) return invocation.fail(app.error());
  Json params{{"app", *app}};
  const auto& sides = invocation.options().sides;
  if (!sides.empty()) params["from"] = sides[0];
  if (sides.size() > 1) params["to"] = sides[1];
  auto result = invocation.call("diff", params);
  if (!result) return invocation.fail(result.error());
  if (!invocation.options().json) return print_diff(invocation, *result);
  for (Json& file : (*result)["files"]) {
    const Compared compared = compare(file);
    file["note"] = compared.note;
    file["diff"] = compared.diff.hunks;
    file["lines_added"] = compared.diff.added;
    file["lines_removed"] = compared.diff.removed;
  }
  invocation.print_json(*result);
  return 0;
}

}  // namespace moult::ctl
