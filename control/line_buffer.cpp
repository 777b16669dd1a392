#include "control/line_buffer.h"

#include <algorithm>

namespace moult::control {

std::optional<std::string> LineBuffer::next() {
  const std::size_t end = text_.find('\n', std::max(begin_, scanned_));
  const std::size_t length = (end == std::string::npos ? text_.size() : end) - begin_;
  if (length > limit_) too_long_ = true;
  if (too_long_) return std::nullopt;
  if (end == std::string::npos) {
    text_.erase(0, begin_);
    begin_ = 0;
    scanned_ = text_.size();
    return std::nullopt;
  }
  std::string line = text_.substr(begin_, length);
  begin_ = end + 1;
  scanned_ = begin_;
  if (!line.empty() && line.back() == '\r') line.pop_back();
  return line;
}

}  // namespace moult::control
