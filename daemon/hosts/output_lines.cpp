#include "daemon/hosts/output_lines.h"

#include <algorithm>

namespace moult {

bool Allowance::take(SteadyTime now) {
  if (last_ != SteadyTime{}) left_ += per_second_ * Seconds(now - last_).count();
  left_ = std::min(left_, 2 * per_second_);
  last_ = now;
  if (left_ < 1) {
    ++dropped_;
    return false;
  }
  left_ -= 1;
  return true;
}

void OutputLines::feed(std::string_view bytes, SteadyTime now, const Sink& sink) {
  while (!bytes.empty()) {
    const std::size_t end = bytes.find('\n');
    const std::size_t size = std::min({end, bytes.size(), kLineMax - line_.size()});
    line_.append(bytes.substr(0, size));
    bytes.remove_prefix(size);
    const bool ended = bytes.starts_with('\n');
    if (ended) bytes.remove_prefix(1);
    // One that is just full may end with what comes next.
    if (!ended && (line_.size() < kLineMax || bytes.empty())) continue;
    if (allowance_.take(now)) sink(line_);
    line_.clear();
  }
}

void OutputLines::end(SteadyTime now, const Sink& sink) {
  if (!line_.empty() && allowance_.take(now)) sink(line_);
  line_.clear();
}

}  // namespace moult
