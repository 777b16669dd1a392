#include "interp/payload/payload_format.h"

#include "interp/payload/payload_reader.h"

#include <algorithm>

namespace moult {

namespace payload {

namespace {

constexpr std::size_t kFirstCapacity = 4 * 1024;
constexpr std::size_t kKeptCapacity = 1024 * 1024;

// Makes nothing: says only whether the Python decoder could.
struct Checker {
  struct Value {
    bool good = false;
    bool hashable = false;  // what keys of dicts and members of sets must be
    bool is_text = false;   // what keywords must be
    explicit operator bool() const { return good; }
  };
  static Value plain() { return {true, true, false}; }
  static Value changeable() { return {true, false, false}; }

  Value none() { return plain(); }
  Value boolean(bool) { return plain(); }
  Value integer(std::int64_t) { return plain(); }
  Value big_integer(std::string_view) { return plain(); }
  Value real(double) { return plain(); }
  Value text(const Text&) { return {true, true, true}; }
  Value bytes(std::string_view) { return plain(); }
  Value byte_array(std::string_view) { return changeable(); }
  Value memory(const Memory& memory) {
    return {true, std::string_view("Bbc").find(memory.format.back()) != std::string_view::npos, false};
  }
  Value date(const Date&) { return plain(); }
  Value time(const TimeOfDay&) { return plain(); }
  Value date_time(const Date&, const TimeOfDay&) { return plain(); }
  Value duration(const Duration&) { return plain(); }
  Value begin_list(std::size_t) { return changeable(); }
  Value begin_tuple(std::size_t) { return plain(); }
  Value begin_dict() { return changeable(); }
  Value begin_set() { return changeable(); }
  Value begin_frozen_set() { return plain(); }
  bool put_in_list(Value&, std::size_t, Value item) { return item.good; }
  bool put_in_tuple(Value& tuple, std::size_t, Value item) {
    tuple.hashable = tuple.hashable && item.hashable;
    return item.good;
  }
  bool put_in_dict(Value&, Value key, Value value) { return key.hashable && value.good; }
  bool put_in_set(Value&, Value item) { return item.good && item.hashable; }
};

// Checks the arguments of a call as Checker checks values.
struct ArgumentChecker {
  bool begin(std::size_t, std::size_t) { return true; }
  bool put_positional(std::size_t, Checker::Value value) { return value.good; }
  bool put_keyword(Checker::Value key, Checker::Value value) { return key.is_text && value.good; }
};

template <typename Unit>
std::uint32_t highest_of(std::string_view bytes) {
  Unit highest = 0;
  for (std::size_t i = 0; i + sizeof(Unit) <= bytes.size(); i += sizeof(Unit)) {
    Unit unit = 0;
    std::memcpy(&unit, bytes.data() + i, sizeof unit);
    highest = std::max(highest, unit);
  }
  return highest;
}

unsigned days_in(unsigned year, unsigned month) {
  if (month == 2) return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28;
  return month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
}

}  // namespace

std::size_t item_size(std::string_view format) {
  if (format.starts_with('@')) format.remove_prefix(1);
  if (format.size() != 1) return 0;
  switch (format[0]) {
    case 'c':
    case 'b':
    case 'B': return sizeof(char);
    case '?': return sizeof(bool);
    case 'h':
    case 'H': return sizeof(short);
    case 'i':
    case 'I': return sizeof(int);
    case 'l':
    case 'L': return sizeof(long);
    case 'q':
    case 'Q': return sizeof(long long);
    case 'n':
    case 'N': return sizeof(std::size_t);
    case 'f': return sizeof(float);
    case 'd': return sizeof(double);
    case 'P': return sizeof(void*);
    default: return 0;
  }
}

bool is_ascii(std::string_view bytes) {
  constexpr std::uint64_t kHighBits = 0x8080808080808080;
  const char* at = bytes.data();
  std::size_t left = bytes.size();
  for (; left >= sizeof(std::uint64_t); at += sizeof(std::uint64_t), left -= sizeof(std::uint64_t)) {
    std::uint64_t word = 0;
    std::memcpy(&word, at, sizeof word);
    if ((word & kHighBits) != 0) return false;
  }
  unsigned char any = 0;
  for (; left > 0; ++at, --left) any |= static_cast<unsigned char>(*at);
  return any < 0x80;
}

std::uint32_t highest_unit(std::string_view bytes, unsigned width) {
  return width == 2 ? highest_of<std::uint16_t>(bytes) : highest_of<std::uint32_t>(bytes);
}

bool is_date(const Date& date) {
  return date.year >= 1 && date.year <= 9999 && date.month >= 1 && date.month <= 12 && date.day >= 1 &&
         date.day <= days_in(date.year, date.month);
}

bool is_time(const TimeOfDay& time) {
  return time.hour < 24 && time.minute < 60 && time.second < 60 && time.microsecond < 1'000'000 &&
         time.fold <= 1;
}

bool is_duration(const Duration& duration) {
  constexpr std::int32_t kDaysMost = 999'999'999;
  return duration.days >= -kDaysMost && duration.days <= kDaysMost && duration.seconds >= 0 &&
         duration.seconds < 24 * 60 * 60 && duration.microseconds >= 0 && duration.microseconds < 1'000'000;
}

bool validate(const PayloadView& payload) {
  Reader reader(payload.text);
  Form form{};
  if (!reader.take(form)) return false;
  Checker checker;
  ArgumentChecker arguments;
  switch (form) {
    case Form::value: return read_single(reader, payload.buffers, checker).good;
    case Form::call: return read_call(reader, payload.buffers, checker, arguments);
    case Form::pickled_value:
    case Form::pickled_call: return reader.left() > 0;
  }
  return false;
}

void Writer::begin(std::size_t max_bytes) {
  // Sizes and counts in the text have four bytes.
  max_bytes_ = text_max_ = std::min<std::size_t>(max_bytes, UINT32_MAX);
  wanted_ = 0;
  at_ = memory_.get();
  set_limit();
}

void Writer::set_limit() {
  limit_ = memory_ == nullptr ? nullptr : memory_.get() + std::min(capacity_, text_max_ + kSlack);
}

// The text alone would need these bytes.
bool Writer::refuse(std::size_t text_bytes) {
  wanted_ = max_bytes_ - text_max_ + text_bytes;
  return false;
}

bool Writer::make_room(std::size_t bytes) {
  const std::size_t used = text().size();
  if (too_large()) return false;
  if (used + bytes > text_max_ + kSlack) return refuse(used + bytes - kSlack);
  if (used + bytes > capacity_) {
    const std::size_t capacity = std::max({kFirstCapacity, capacity_ * 2, used + bytes});
    auto memory = std::make_unique_for_overwrite<char[]>(capacity);
    if (used != 0) std::memcpy(memory.get(), memory_.get(), used);
    memory_ = std::move(memory);
    capacity_ = capacity;
    at_ = memory_.get() + used;
  }
  set_limit();
  return true;
}

bool Writer::spend(std::size_t bytes) {
  const std::size_t used = text().size();
  if (too_large()) return false;
  if (used + bytes > text_max_) return refuse(used + bytes);
  text_max_ -= bytes;
  set_limit();
  return true;
}

bool Writer::finish() {
  if (too_large()) return false;
  return text().size() <= text_max_ || refuse(text().size());
}

void Writer::shrink() {
  if (capacity_ > kKeptCapacity) {
    memory_.reset();
    capacity_ = 0;
  }
  begin(0);
}

}  // namespace payload

std::size_t FlatPayload::flat_size(const PayloadView& payload) {
  std::size_t size = 2 * sizeof(std::uint32_t) + payload.text.size();
  for (const std::string_view buffer : payload.buffers) size += sizeof(std::uint64_t) + buffer.size();
  return size;
}

void FlatPayload::flatten(const PayloadView& payload, std::string& out) {
  const auto put = [&out](const auto value) {
    char raw[sizeof value];
    std::memcpy(raw, &value, sizeof value);
    out.append(raw, sizeof raw);
  };
  out.reserve(out.size() + flat_size(payload));
  put(static_cast<std::uint32_t>(payload.text.size()));
  put(static_cast<std::uint32_t>(payload.buffers.size()));
  for (const std::string_view buffer : payload.buffers) put(static_cast<std::uint64_t>(buffer.size()));
  out.append(payload.text);
  for (const std::string_view buffer : payload.buffers) out.append(buffer);
}

std::optional<FlatPayload> FlatPayload::parse(std::string_view bytes) {
  payload::Reader reader(bytes);
  std::uint32_t text_size = 0;
  std::uint32_t count = 0;
  if (!reader.take(text_size) || !reader.take(count)) return std::nullopt;
  std::string_view sizes;
  FlatPayload flat;
  if (!reader.take_bytes(std::size_t{count} * sizeof(std::uint64_t), sizes) ||
      !reader.take_bytes(text_size, flat.text_))
    return std::nullopt;
  payload::Reader size_reader(sizes);
  flat.buffers_.reserve(count);
  for (std::uint64_t size = 0; size_reader.take(size);) {
    std::string_view buffer;
    if (!reader.take_bytes(size, buffer)) return std::nullopt;
    flat.buffers_.push_back(buffer);
  }
  if (reader.left() != 0) return std::nullopt;
  return flat;
}

}  // namespace moult
