#include "interp/code_cache.h"

namespace moult {

std::optional<std::string> CodeCache::find(std::string_view path, std::string_view hash) {
  const std::scoped_lock lock(mutex_);
  const auto found = entries_.find(std::string(path));
  if (found == entries_.end() || found->second.hash != hash) return std::nullopt;
  return found->second.code;
}

void CodeCache::keep(std::string_view path, std::string_view hash, std::string_view code) {
  const std::scoped_lock lock(mutex_);
  if (bytes_ + code.size() > kMostBytes) {
    entries_.clear();
    bytes_ = 0;
  }
  if (code.size() > kMostBytes) return;
  // One version per path: the old generation has loaded its own long ago.
  Entry& entry = entries_[std::string(path)];
  bytes_ += code.size() - entry.code.size();
  entry = {std::string(hash), std::string(code)};
}

}  // namespace moult
