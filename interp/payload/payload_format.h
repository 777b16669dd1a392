#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// The bytes of the messages that calls carry: arguments and results. Both ends are hosts of one
// daemon on one machine, so numbers are in the machine's own byte order and nothing is aligned.
//
//   text    = form body
//   form    = 'V' one value | 'C' the arguments of a call | 'v', 'c' the same by pickle
//   body    = V: value
//             C: u32 positional, u32 keywords, the values, then (key, value) for each keyword
//             v, c: a pickle; of c it is the pair (tuple, dict or None)
//   value   = tag and what stands beside it in the list of tags
//
// A size or a count is one byte after a tag `…_short`, else u32. Strings are sent as Python has
// them, one, two or four bytes a character, because a lone surrogate has no UTF-8. Bytes of 64 KiB
// and more are not in the text: a number says which of the message's buffers has them.

namespace moult {

// One message as it is read: the small part, and large buffers apart from it. Views only; whoever
// gave it keeps the bytes.
struct PayloadView {
  std::string_view text;
  std::span<const std::string_view> buffers;
};

namespace payload {

// What is at least as large travels as a buffer of its own.
inline constexpr std::size_t kBufferMin = 64 * 1024;
// Containers in containers; what is nested deeper goes by pickle.
inline constexpr unsigned kDepthMax = 100;
// Dimensions of a memoryview (PyBUF_MAX_NDIM).
inline constexpr unsigned kDimensionsMax = 64;

enum class Form : std::uint8_t { value = 'V', call = 'C', pickled_value = 'v', pickled_call = 'c' };

enum class Tag : std::uint8_t {
  none,
  no,
  yes,
  int8,
  int32,
  int64,
  big_int,      // u32 size, two's complement, lowest byte first
  real,         // the eight bytes of a double
  ascii_short,  // size, characters
  ascii,
  latin1,  // u32 length in characters; at least one is above 127
  ucs2,    // at least one is above 255
  ucs4,    // at least one is above 65535
  bytes_short,
  bytes,
  bytes_buffer,      // u32 number of the buffer
  bytearray,         // u32 size
  bytearray_buffer,  // u32 number of the buffer
  memory,  // u8 size and text of the format, u8 dimensions, a u64 for each unless there is one; u32 size
  memory_buffer,  // the same, u32 number of the buffer
  list_short,     // count, values
  list,
  tuple_short,
  tuple,
  dict_short,  // count, then key and value by turns
  dict,
  set,         // u32 count, values
  frozen_set,  // the same
  date,        // u16 year, u8 month, u8 day
  time,        // u8 hour, u8 minute, u8 second, u32 microsecond, u8 fold
  date_time,   // both
  duration,    // i32 days, i32 seconds, i32 microseconds
};

// Bytes of one element, 0 for a format that memoryview.cast does not know.
std::size_t item_size(std::string_view format);

// Writes the text of messages, one after another into the same memory, which grows up to the limit
// of the message at hand. One per Payload. Callers ask for room once and then put; a `put` itself
// checks nothing.
class Writer {
 public:
  // Callers may ask for so much more room than they use.
  static constexpr std::size_t kSlack = 16;

  // Starts a message. `max_bytes` is for the text and the buffers together.
  void begin(std::size_t max_bytes);
  // False, and too_large() from now on: the message would be larger than it may be.
  [[nodiscard]] bool room(std::size_t bytes) {
    return bytes <= static_cast<std::size_t>(limit_ - at_) || make_room(bytes);
  }
  // Is the whole message as large as it may be? room() has allowed for slack.
  [[nodiscard]] bool finish();
  // A buffer apart from the text counts as well.
  [[nodiscard]] bool spend(std::size_t bytes);

  template <typename T>
  void put(T value) {
    std::memcpy(at_, &value, sizeof value);
    at_ += sizeof value;
  }
  void put_bytes(const void* data, std::size_t size) {
    if (size != 0) std::memcpy(at_, data, size);
    at_ += size;
  }
  // Bytes for the caller to fill.
  char* put_space(std::size_t size) { return std::exchange(at_, at_ + size); }
  // A tag with a size or a count: at most 5 bytes.
  void put_sized(Tag short_tag, Tag long_tag, std::size_t size) {
    if (size <= 0xFF) {
      put(short_tag);
      put(static_cast<std::uint8_t>(size));
    } else {
      put_sized(long_tag, size);
    }
  }
  void put_sized(Tag tag, std::size_t size) {
    put(tag);
    put(static_cast<std::uint32_t>(size));
  }

  std::string_view text() const { return {memory_.get(), static_cast<std::size_t>(at_ - memory_.get())}; }
  bool too_large() const { return wanted_ != 0; }
  std::size_t wanted() const { return wanted_; }  // the bytes at least that it needs
  std::size_t max_bytes() const { return max_bytes_; }
  // Gives back what an unusually large message needed. Ends the message.
  void shrink();

 private:
  bool make_room(std::size_t bytes);
  void set_limit();
  bool refuse(std::size_t text_bytes);

  std::unique_ptr<char[]> memory_;
  std::size_t capacity_ = 0;
  char* at_ = nullptr;
  char* limit_ = nullptr;  // the end of the memory, or of what the message may use of it
  std::size_t max_bytes_ = 0;
  std::size_t text_max_ = 0;
  std::size_t wanted_ = 0;
};

// Is this a message that the Python decoder would not call malformed? Pickles are taken as they are.
bool validate(const PayloadView& payload);

}  // namespace payload

// A message that came as one string: u32 size of the text, u32 number of buffers, u64 size of each,
// text, buffers. The views point into that string and are valid as long as it and this object are.
class FlatPayload {
 public:
  // Nothing when it is malformed.
  static std::optional<FlatPayload> parse(std::string_view bytes);
  static std::size_t flat_size(const PayloadView& payload);
  // Appends the message to `out`.
  static void flatten(const PayloadView& payload, std::string& out);

  PayloadView view() const { return {text_, buffers_}; }

 private:
  std::string_view text_;
  std::vector<std::string_view> buffers_;
};

}  // namespace moult
