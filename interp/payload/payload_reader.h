#pragma once

#include "interp/payload/payload_format.h"

#include <cstring>
#include <string_view>
#include <utility>

// How the text of a message is read, once for all who read it: the Python decoder and validate()
// differ in what they make of the values. Nothing that the text claims is believed: sizes are
// compared with what is left of it, and so is the number of values that all open containers still
// promise, before anything is made.

namespace moult::payload {

// What is left of a text.
class Reader {
 public:
  explicit Reader(std::string_view text) : at_(text.data()), end_(text.data() + text.size()) {}

  std::size_t left() const { return static_cast<std::size_t>(end_ - at_); }
  template <typename T>
  bool take(T& value) {
    if (left() < sizeof value) return false;
    std::memcpy(&value, at_, sizeof value);
    at_ += sizeof value;
    return true;
  }
  bool take_bytes(std::size_t size, std::string_view& bytes) {
    if (left() < size) return false;
    bytes = {at_, size};
    at_ += size;
    return true;
  }
  // A size (Size is std::uint8_t or std::uint32_t) and so many units of `width` bytes.
  template <typename Size>
  bool take_sized(std::size_t width, std::string_view& bytes) {
    Size size = 0;
    return take(size) && take_bytes(std::size_t{size} * width, bytes);
  }

 private:
  const char* at_;
  const char* end_;
};

// A str as it was sent: units of `width` bytes, the largest of which is `highest`.
struct Text {
  std::string_view bytes;
  unsigned width;
  std::uint32_t highest;
};

// A memoryview: the text of its format, and its shape unless it has just one dimension.
struct Memory {
  std::string_view format;
  bool has_shape;
  std::span<const std::uint64_t> shape;
  std::string_view bytes;
};

struct Date {
  std::uint16_t year;
  std::uint8_t month, day;
};
struct TimeOfDay {
  std::uint8_t hour, minute, second, fold;
  std::uint32_t microsecond;
};
struct Duration {
  std::int32_t days, seconds, microseconds;
};

// The largest unit of a text of two or four bytes a character.
std::uint32_t highest_unit(std::string_view bytes, unsigned width);
bool is_ascii(std::string_view bytes);
// Can Python make one of it?
bool is_date(const Date& date);
bool is_time(const TimeOfDay& time);
bool is_duration(const Duration& duration);

// Reads values from one message and has `Maker` make each. A Maker has a movable Value, which is
// false when it could not be made, and the functions that are used here. A false value from
// read_value() means just that, or that the message is malformed.
template <typename Maker>
class ValueReader {
 public:
  using Value = typename Maker::Value;
  ValueReader(Reader& reader, std::span<const std::string_view> buffers, Maker& maker)
      : reader_(reader), buffers_(buffers), maker_(maker) {}

  Value read_value(unsigned depth = 0) {
    Tag tag{};
    if (!reader_.take(tag)) return {};
    std::string_view bytes;
    switch (tag) {
      case Tag::none: return maker_.none();
      case Tag::no: return maker_.boolean(false);
      case Tag::yes: return maker_.boolean(true);
      case Tag::int8: return integer<std::int8_t>();
      case Tag::int32: return integer<std::int32_t>();
      case Tag::int64: return integer<std::int64_t>();
      case Tag::big_int:
        return reader_.take_sized<std::uint32_t>(1, bytes) ? maker_.big_integer(bytes) : Value();
      case Tag::real: {
        double value = 0;
        return reader_.take(value) ? maker_.real(value) : Value();
      }
      case Tag::ascii_short: return reader_.take_sized<std::uint8_t>(1, bytes) ? ascii(bytes) : Value();
      case Tag::ascii: return reader_.take_sized<std::uint32_t>(1, bytes) ? ascii(bytes) : Value();
      case Tag::latin1: return reader_.take_sized<std::uint32_t>(1, bytes) ? latin1(bytes) : Value();
      case Tag::ucs2: return wide(2, 0x100, 0xFFFF);
      case Tag::ucs4: return wide(4, 0x10000, 0x10FFFF);
      case Tag::bytes_short:
        return reader_.take_sized<std::uint8_t>(1, bytes) ? maker_.bytes(bytes) : Value();
      case Tag::bytes: return reader_.take_sized<std::uint32_t>(1, bytes) ? maker_.bytes(bytes) : Value();
      case Tag::bytes_buffer: return take_buffer(bytes) ? maker_.bytes(bytes) : Value();
      case Tag::bytearray:
        return reader_.take_sized<std::uint32_t>(1, bytes) ? maker_.byte_array(bytes) : Value();
      case Tag::bytearray_buffer: return take_buffer(bytes) ? maker_.byte_array(bytes) : Value();
      case Tag::memory: return memory(false);
      case Tag::memory_buffer: return memory(true);
      case Tag::list_short: return list<std::uint8_t>(depth);
      case Tag::list: return list<std::uint32_t>(depth);
      case Tag::tuple_short: return tuple<std::uint8_t>(depth);
      case Tag::tuple: return tuple<std::uint32_t>(depth);
      case Tag::dict_short: return dict<std::uint8_t>(depth);
      case Tag::dict: return dict<std::uint32_t>(depth);
      case Tag::set: return set(maker_.begin_set(), depth);
      case Tag::frozen_set: return set(maker_.begin_frozen_set(), depth);
      case Tag::date: {
        Date date{};
        return take(date) ? maker_.date(date) : Value();
      }
      case Tag::time: {
        TimeOfDay time{};
        return take(time) ? maker_.time(time) : Value();
      }
      case Tag::date_time: {
        Date date{};
        TimeOfDay time{};
        return take(date) && take(time) ? maker_.date_time(date, time) : Value();
      }
      case Tag::duration: {
        Duration duration{};
        return take(duration) ? maker_.duration(duration) : Value();
      }
    }
    return {};
  }

  // `count` values, which the message promised outside of a container.
  template <typename Put>
  bool read_promised(std::size_t count, unsigned values_each, const Put& put) {
    if (!promise(count * values_each)) return false;
    for (std::size_t i = 0; i < count; ++i) {
      promised_ -= values_each;
      if (!put(i)) return false;
    }
    return true;
  }

 private:
  // Each value has at least its tag.
  bool promise(std::size_t values) {
    if (values > reader_.left() || promised_ > reader_.left() - values) return false;
    promised_ += values;
    return true;
  }

  template <typename T>
  Value integer() {
    T value = 0;
    return reader_.take(value) ? maker_.integer(value) : Value();
  }

  Value ascii(std::string_view bytes) { return is_ascii(bytes) ? maker_.text({bytes, 1, 0x7F}) : Value(); }
  Value latin1(std::string_view bytes) { return is_ascii(bytes) ? Value() : maker_.text({bytes, 1, 0xFF}); }
  Value wide(unsigned width, std::uint32_t least, std::uint32_t most) {
    std::string_view bytes;
    if (!reader_.take_sized<std::uint32_t>(width, bytes)) return {};
    const std::uint32_t highest = highest_unit(bytes, width);
    return highest >= least && highest <= most ? maker_.text({bytes, width, highest}) : Value();
  }

  bool take_buffer(std::string_view& bytes) {
    std::uint32_t number = 0;
    if (!reader_.take(number) || number >= buffers_.size()) return false;
    bytes = buffers_[number];
    return true;
  }

  Value memory(bool in_buffer) {
    Memory memory{};
    std::uint8_t dimensions = 0;
    if (!reader_.take_sized<std::uint8_t>(1, memory.format) || !reader_.take(dimensions)) return {};
    std::size_t size = item_size(memory.format);
    if (size == 0 || dimensions > kDimensionsMax) return {};
    memory.has_shape = dimensions != 1;
    std::uint64_t shape[kDimensionsMax];
    for (unsigned i = 0; memory.has_shape && i < dimensions; ++i) {
      if (!reader_.take(shape[i]) || shape[i] == 0 || __builtin_mul_overflow(size, shape[i], &size))
        return {};
    }
    if (memory.has_shape) memory.shape = {shape, dimensions};
    if (!(in_buffer ? take_buffer(memory.bytes) : reader_.take_sized<std::uint32_t>(1, memory.bytes)))
      return {};
    if (memory.has_shape ? size != memory.bytes.size() : memory.bytes.size() % size != 0) return {};
    return maker_.memory(memory);
  }

  template <typename Count>
  Value list(unsigned depth) {
    Count count = 0;
    if (depth >= kDepthMax || !reader_.take(count) || !promise(count)) return {};
    Value list = maker_.begin_list(count);
    for (std::size_t i = 0; list && i < count; ++i) {
      --promised_;
      if (!maker_.put_in_list(list, i, read_value(depth + 1))) return {};
    }
    return list;
  }

  template <typename Count>
  Value tuple(unsigned depth) {
    Count count = 0;
    if (depth >= kDepthMax || !reader_.take(count) || !promise(count)) return {};
    Value tuple = maker_.begin_tuple(count);
    for (std::size_t i = 0; tuple && i < count; ++i) {
      --promised_;
      if (!maker_.put_in_tuple(tuple, i, read_value(depth + 1))) return {};
    }
    return tuple;
  }

  template <typename Count>
  Value dict(unsigned depth) {
    Count count = 0;
    if (depth >= kDepthMax || !reader_.take(count) || !promise(std::size_t{count} * 2)) return {};
    Value dict = maker_.begin_dict();
    for (std::size_t i = 0; dict && i < count; ++i) {
      promised_ -= 2;
      Value key = read_value(depth + 1);
      if (!key || !maker_.put_in_dict(dict, std::move(key), read_value(depth + 1))) return {};
    }
    return dict;
  }

  Value set(Value set, unsigned depth) {
    std::uint32_t count = 0;
    if (depth >= kDepthMax || !reader_.take(count) || !promise(count)) return {};
    for (std::size_t i = 0; set && i < count; ++i) {
      --promised_;
      if (!maker_.put_in_set(set, read_value(depth + 1))) return {};
    }
    return set;
  }

  bool take(Date& date) {
    return reader_.take(date.year) && reader_.take(date.month) && reader_.take(date.day) && is_date(date);
  }
  bool take(TimeOfDay& time) {
    return reader_.take(time.hour) && reader_.take(time.minute) && reader_.take(time.second) &&
           reader_.take(time.microsecond) && reader_.take(time.fold) && is_time(time);
  }
  bool take(Duration& duration) {
    return reader_.take(duration.days) && reader_.take(duration.seconds) &&
           reader_.take(duration.microseconds) && is_duration(duration);
  }

  Reader& reader_;
  std::span<const std::string_view> buffers_;
  Maker& maker_;
  std::size_t promised_ = 0;  // values that open containers have still to get
};

// Reads a message of one value, to its end.
template <typename Maker>
typename Maker::Value read_single(Reader& reader, std::span<const std::string_view> buffers, Maker& maker) {
  auto value = ValueReader<Maker>(reader, buffers, maker).read_value();
  return reader.left() == 0 ? std::move(value) : typename Maker::Value();
}

// Reads the arguments of a call: `begin(positional, keywords)`, then `put_positional(index, value)` and
// `put_keyword(key, value)` for each; all say whether to go on.
template <typename Maker, typename Arguments>
bool read_call(Reader& reader, std::span<const std::string_view> buffers, Maker& maker,
               Arguments& arguments) {
  std::uint32_t positional = 0;
  std::uint32_t keywords = 0;
  if (!reader.take(positional) || !reader.take(keywords)) return false;
  if (positional > reader.left() || keywords > reader.left() / 2) return false;
  if (!arguments.begin(positional, keywords)) return false;
  ValueReader<Maker> values(reader, buffers, maker);
  return values.read_promised(positional, 1, [&](std::size_t i) {
    return arguments.put_positional(i, values.read_value());
  }) && values.read_promised(keywords, 2, [&](std::size_t) {
    auto key = values.read_value();
    return key && arguments.put_keyword(std::move(key), values.read_value());
  }) && reader.left() == 0;
}

}  // namespace moult::payload
