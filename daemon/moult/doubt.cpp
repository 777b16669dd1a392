#include "daemon/moult/doubt.h"

#include <algorithm>
#include <utility>

namespace moult {

namespace {

constexpr Milliseconds kFirstPause{1'000};  // doubled with each further one

}  // namespace

void Doubt::on_change(std::string path) {
  last_change_ = std::move(path);
  ++seen_;
}

bool Doubt::spoil(SteadyTime now) {
  ++spoiled_;
  if (spoiled_ < kPatience) return false;
  not_before_ = now + std::min(kLongestPause, kFirstPause * (1 << std::min(spoiled_ - kPatience, 6)));
  return spoiled_ == kPatience;
}

}  // namespace moult
