#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace moult::control {

// Cuts a stream of bytes into lines. One per connection and direction. Holds at most one line of
// `limit` bytes and what was read behind it.
class LineBuffer {
 public:
  explicit LineBuffer(std::size_t limit) : limit_(limit) {}

  void add(std::string_view bytes) { text_.append(bytes); }

  // The next whole line without its "\n" or "\r\n".
  std::optional<std::string> next();

  // The line under way is over the limit: the stream is lost. True also when the line has ended.
  bool is_too_long() const { return too_long_; }
  bool is_empty() const { return begin_ == text_.size(); }
  std::string_view rest() const { return std::string_view(text_).substr(begin_); }

 private:
  std::size_t limit_;
  std::string text_;
  std::size_t begin_ = 0;    // of the line under way
  std::size_t scanned_ = 0;  // no newline before here
  bool too_long_ = false;
};

}  // namespace moult::control
