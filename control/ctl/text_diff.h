#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace moult::ctl {

// How one text becomes another, line by line.
struct TextDiff {
  std::string hunks;  // of a unified diff, with three lines around each change; "": there is none
  std::size_t added = 0;
  std::size_t removed = 0;
};
TextDiff diff_texts(std::string_view before, std::string_view after);

// Why a content is shown in no diff: "" when it is; that it is larger than a source should be, or no
// UTF-8 text.
std::string reason_for_no_diff(std::string_view content);
constexpr std::size_t kDiffedMax = 2u << 20;  // bytes

}  // namespace moult::ctl
