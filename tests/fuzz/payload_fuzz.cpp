#include "interp/payload/payload_format.h"
#include "interp/payload/payload_reader.h"

#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

// Gives arbitrary bytes to the reader of messages, which the Python decoder uses. Once as a message
// in one string, once as a text with two buffers. What it hands out must lie within the message, and
// what it has made room for must not be more than the message can fill.

using namespace moult;

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

// Stands for the maker of Python objects: reads all that it gets, and counts what would be allocated.
struct CountingMaker {
  using Value = bool;
  std::size_t items = 0;
  unsigned sum = 0;

  bool read(std::string_view bytes) {
    for (const char c : bytes) sum += static_cast<unsigned char>(c);
    return true;
  }
  bool begin(std::size_t size) {
    items += size;
    return true;
  }
  bool none() { return true; }
  bool boolean(bool) { return true; }
  bool integer(std::int64_t) { return true; }
  bool big_integer(std::string_view bytes) { return read(bytes); }
  bool real(double) { return true; }
  bool text(const payload::Text& text) {
    require(text.bytes.size() % text.width == 0 && text.highest <= 0x10FFFF);
    return read(text.bytes);
  }
  bool bytes(std::string_view bytes) { return read(bytes); }
  bool byte_array(std::string_view bytes) { return read(bytes); }
  bool memory(const payload::Memory& memory) {
    require(memory.bytes.size() % payload::item_size(memory.format) == 0);
    require(memory.shape.size() <= payload::kDimensionsMax);
    return read(memory.bytes);
  }
  bool date(const payload::Date& date) { return payload::is_date(date); }
  bool time(const payload::TimeOfDay& time) { return payload::is_time(time); }
  bool date_time(const payload::Date& date, const payload::TimeOfDay& time) {
    return payload::is_date(date) && payload::is_time(time);
  }
  bool duration(const payload::Duration& duration) { return payload::is_duration(duration); }
  bool begin_list(std::size_t size) { return begin(size); }
  bool begin_tuple(std::size_t size) { return begin(size); }
  bool begin_dict() { return true; }
  bool begin_set() { return true; }
  bool begin_frozen_set() { return true; }
  bool put_in_list(bool, std::size_t, bool item) { return item; }
  bool put_in_tuple(bool, std::size_t, bool item) { return item; }
  bool put_in_dict(bool, bool key, bool value) { return key && value; }
  bool put_in_set(bool, bool item) { return item; }
};

struct CountingArguments {
  CountingMaker& maker;
  bool begin(std::size_t positional, std::size_t) { return maker.begin(positional); }
  bool put_positional(std::size_t, bool value) { return value; }
  bool put_keyword(bool key, bool value) { return key && value; }
};

void judge(const PayloadView& message) {
  const bool valid = payload::validate(message);
  payload::Reader reader(message.text);
  payload::Form form{};
  if (!reader.take(form)) return require(!valid);
  if (form != payload::Form::value && form != payload::Form::call) return;
  CountingMaker maker;
  CountingArguments arguments{maker};
  const bool read = form == payload::Form::value
                        ? payload::read_single(reader, message.buffers, maker)
                        : payload::read_call(reader, message.buffers, maker, arguments);
  require(read || !valid);  // the other way round: keys that cannot be hashed
  require(maker.items <= message.text.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  if (const auto flat = FlatPayload::parse(text)) {
    judge(flat->view());
    std::string again;
    FlatPayload::flatten(flat->view(), again);
    require(again == text);
  }
  const std::vector<std::string_view> buffers{std::string_view(text).substr(size / 2), "another buffer"};
  judge({text, buffers});
  return 0;
}
