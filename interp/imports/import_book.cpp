#include "interp/imports/import_book.h"

namespace moult {

void ImportBook::add(std::string_view module, Times times) {
  const std::scoped_lock lock(mutex_);
  if (times_.size() < kMost) times_.insert_or_assign(std::string(module), times);
}

void ImportBook::add_compiled(std::string_view path) {
  const std::scoped_lock lock(mutex_);
  if (compiled_.size() < kMost) compiled_.emplace(path);
}

std::map<std::string, ImportBook::Times, std::less<>> ImportBook::times() const {
  const std::scoped_lock lock(mutex_);
  return times_;
}

bool ImportBook::was_compiled(std::string_view path) const {
  const std::scoped_lock lock(mutex_);
  return compiled_.contains(path);
}

}  // namespace moult
