#include "interp/payload/payload_format.h"
#include "interp/payload/payload_reader.h"

#include <doctest/doctest.h>

#include <cstring>
#include <initializer_list>
#include <string>
#include <vector>

using namespace moult;
using payload::Form;
using payload::Tag;
using payload::Writer;

namespace {

constexpr std::size_t kMost = 1 << 20;

// A text of one value, written by hand: the format as its header describes it.
struct TextMaker {
  std::string text{"V"};

  TextMaker& tag(Tag tag) { return number(static_cast<std::uint8_t>(tag)); }
  template <typename T>
  TextMaker& number(T value) {
    char raw[sizeof value];
    std::memcpy(raw, &value, sizeof value);
    text.append(raw, sizeof raw);
    return *this;
  }
  TextMaker& add(std::string_view bytes) {
    text.append(bytes);
    return *this;
  }
  bool is_valid(std::vector<std::string_view> buffers = {}) const {
    return payload::validate({text, buffers});
  }
};

std::uint8_t u8(unsigned value) { return static_cast<std::uint8_t>(value); }
std::uint32_t u32(std::size_t value) { return static_cast<std::uint32_t>(value); }

TextMaker nested_lists(unsigned depth) {
  TextMaker made;
  for (unsigned i = 0; i < depth; ++i) made.tag(Tag::list_short).number(u8(1));
  return made.tag(Tag::none), made;
}

TextMaker date_time(std::uint16_t year, unsigned month, unsigned day, unsigned hour,
                    std::uint32_t microsecond) {
  TextMaker made;
  made.tag(Tag::date_time).number(year).number(u8(month)).number(u8(day));
  made.number(u8(hour)).number(u8(59)).number(u8(59)).number(microsecond).number(u8(1));
  return made;
}

// Counts the values that lists were made for; all else is of no interest here.
struct RoomMaker {
  using Value = bool;
  std::size_t room = 0;

  bool none() { return true; }
  bool boolean(bool) { return true; }
  bool integer(std::int64_t) { return true; }
  bool big_integer(std::string_view) { return true; }
  bool real(double) { return true; }
  bool text(const payload::Text&) { return true; }
  bool bytes(std::string_view) { return true; }
  bool byte_array(std::string_view) { return true; }
  bool memory(const payload::Memory&) { return true; }
  bool date(const payload::Date&) { return true; }
  bool time(const payload::TimeOfDay&) { return true; }
  bool date_time(const payload::Date&, const payload::TimeOfDay&) { return true; }
  bool duration(const payload::Duration&) { return true; }
  bool begin_list(std::size_t size) { return room += size, true; }
  bool begin_tuple(std::size_t) { return true; }
  bool begin_dict() { return true; }
  bool begin_set() { return true; }
  bool begin_frozen_set() { return true; }
  bool put_in_list(bool, std::size_t, bool item) { return item; }
  bool put_in_tuple(bool, std::size_t, bool item) { return item; }
  bool put_in_dict(bool, bool key, bool value) { return key && value; }
  bool put_in_set(bool, bool item) { return item; }
};

}  // namespace

TEST_CASE("A message of each plain type is valid") {
  CHECK(TextMaker().tag(Tag::none).is_valid());
  CHECK(TextMaker().tag(Tag::int64).number(std::int64_t{-1}).is_valid());
  CHECK(TextMaker().tag(Tag::big_int).number(u32(3)).add("abc").is_valid());
  CHECK(TextMaker().tag(Tag::real).number(0.5).is_valid());
  CHECK(TextMaker().tag(Tag::ascii_short).number(u8(2)).add("ab").is_valid());
  CHECK(TextMaker().tag(Tag::latin1).number(u32(2)).add("a\xE9").is_valid());
  CHECK(TextMaker().tag(Tag::ucs2).number(u32(1)).number(std::uint16_t{0xDC80}).is_valid());
  CHECK(TextMaker().tag(Tag::ucs4).number(u32(1)).number(std::uint32_t{0x1F40D}).is_valid());
  CHECK(TextMaker().tag(Tag::list_short).number(u8(2)).tag(Tag::yes).tag(Tag::no).is_valid());
  CHECK(
      TextMaker().tag(Tag::dict_short).number(u8(1)).tag(Tag::int8).number(u8(1)).tag(Tag::none).is_valid());
  CHECK(TextMaker().tag(Tag::set).number(u32(1)).tag(Tag::none).is_valid());
  CHECK(date_time(2024, 2, 29, 23, 999'999).is_valid());
}

TEST_CASE("A text that ends too early, or goes on, is malformed") {
  TextMaker whole;
  whole.tag(Tag::dict_short).number(u8(1)).tag(Tag::ascii_short).number(u8(3)).add("key");
  whole.tag(Tag::list).number(u32(2)).tag(Tag::real).number(1.5).tag(Tag::int32).number(u32(7));
  REQUIRE(whole.is_valid());
  for (std::size_t size = 0; size < whole.text.size(); ++size) {
    CHECK_FALSE(payload::validate({std::string_view(whole.text).substr(0, size), {}}));
  }
  CHECK_FALSE(whole.tag(Tag::none).is_valid());
}

TEST_CASE("An unknown form or tag is malformed") {
  CHECK_FALSE(payload::validate({"X", {}}));
  CHECK_FALSE(payload::validate({"", {}}));
  CHECK_FALSE(TextMaker().number(u8(200)).is_valid());
}

TEST_CASE("A string must need the width that it came with") {
  CHECK_FALSE(TextMaker().tag(Tag::ascii_short).number(u8(9)).add("12345678\xE9").is_valid());
  CHECK_FALSE(TextMaker()
                  .tag(Tag::ascii_short)
                  .number(u8(9))
                  .add("1234\xE9"
                       "678a")
                  .is_valid());
  CHECK_FALSE(TextMaker().tag(Tag::latin1).number(u32(2)).add("ab").is_valid());
  CHECK_FALSE(TextMaker().tag(Tag::ucs2).number(u32(1)).number(std::uint16_t{0xFF}).is_valid());
  CHECK_FALSE(TextMaker().tag(Tag::ucs4).number(u32(1)).number(std::uint32_t{0xFFFF}).is_valid());
  CHECK_FALSE(TextMaker().tag(Tag::ucs4).number(u32(1)).number(std::uint32_t{0x110000}).is_valid());
}

TEST_CASE("A count that the text cannot hold is malformed") {
  for (const Tag tag : {Tag::list, Tag::tuple, Tag::dict, Tag::set, Tag::frozen_set}) {
    CHECK_FALSE(TextMaker().tag(tag).number(UINT32_MAX).tag(Tag::none).is_valid());
  }
}

TEST_CASE("Containers in containers are not made when they promise more values than there are bytes") {
  // Each list by itself could be filled from what is left.
  TextMaker made;
  for (int i = 0; i < 50; ++i) made.tag(Tag::list).number(u32(100));
  made.add(std::string(200, '\0'));
  payload::Reader reader(std::string_view(made.text).substr(1));
  RoomMaker maker;
  CHECK_FALSE(payload::read_single(reader, {}, maker));
  CHECK(maker.room > 0);
  CHECK(maker.room <= made.text.size());
}

TEST_CASE("Containers are nested as deep as the limit and no deeper") {
  CHECK(nested_lists(payload::kDepthMax).is_valid());
  CHECK_FALSE(nested_lists(payload::kDepthMax + 1).is_valid());
}

TEST_CASE("What cannot be hashed is no key and no member") {
  const auto with_key = [](auto key) {
    TextMaker made;
    made.tag(Tag::dict_short).number(u8(1));
    key(made);
    return made.tag(Tag::none).is_valid();
  };
  CHECK(with_key([](TextMaker& text) { text.tag(Tag::tuple_short).number(u8(1)).tag(Tag::none); }));
  CHECK_FALSE(with_key([](TextMaker& text) { text.tag(Tag::list_short).number(u8(0)); }));
  CHECK_FALSE(with_key(
      [](TextMaker& text) { text.tag(Tag::tuple_short).number(u8(1)).tag(Tag::list_short).number(u8(0)); }));
  CHECK_FALSE(TextMaker().tag(Tag::set).number(u32(1)).tag(Tag::set).number(u32(0)).is_valid());
}

TEST_CASE("Dates and times that the calendar does not have are malformed") {
  CHECK_FALSE(date_time(2023, 2, 29, 0, 0).is_valid());
  CHECK_FALSE(date_time(1900, 2, 29, 0, 0).is_valid());
  CHECK(date_time(2000, 2, 29, 0, 0).is_valid());
  CHECK_FALSE(date_time(2023, 4, 31, 0, 0).is_valid());
  CHECK_FALSE(date_time(0, 1, 1, 0, 0).is_valid());
  CHECK_FALSE(date_time(2023, 13, 1, 0, 0).is_valid());
  CHECK_FALSE(date_time(2023, 1, 1, 24, 0).is_valid());
  CHECK_FALSE(date_time(2023, 1, 1, 0, 1'000'000).is_valid());
  const auto duration = [](std::int32_t days, std::int32_t seconds, std::int32_t microseconds) {
    return TextMaker().tag(Tag::duration).number(days).number(seconds).number(microseconds).is_valid();
  };
  CHECK(duration(-999'999'999, 0, 0));
  CHECK_FALSE(duration(1'000'000'000, 0, 0));
  CHECK_FALSE(duration(0, -1, 0));
  CHECK_FALSE(duration(0, 86'400, 0));
  CHECK_FALSE(duration(0, 0, 1'000'000));
}

TEST_CASE("A memory has as many bytes as its shape says") {
  const auto memory = [](std::string_view format, std::vector<std::uint64_t> shape, std::string_view bytes) {
    TextMaker made;
    made.tag(Tag::memory).number(u8(static_cast<unsigned>(format.size()))).add(format);
    made.number(u8(static_cast<unsigned>(shape.size())));
    if (shape.size() != 1) {
      for (const std::uint64_t length : shape) made.number(length);
    }
    return made.number(u32(bytes.size())).add(bytes).is_valid();
  };
  CHECK(memory("B", {0}, "any"));
  CHECK(memory("i", {0}, "12345678"));
  CHECK_FALSE(memory("i", {0}, "123"));
  CHECK(memory("@h", {2, 3}, "123456789012"));
  CHECK_FALSE(memory("h", {2, 3}, "12345678901"));
  CHECK_FALSE(memory("h", {2, 0}, ""));
  CHECK_FALSE(memory("<i", {0}, "1234"));
  CHECK_FALSE(memory("", {0}, ""));
  CHECK_FALSE(memory("B", {1ULL << 32, 1ULL << 32}, ""));  // the product is 0 modulo 2**64
  CHECK(memory("d", std::vector<std::uint64_t>{}, "12345678"));
}

TEST_CASE("A buffer that the message does not have is malformed") {
  TextMaker made;
  made.tag(Tag::bytes_buffer).number(u32(1));
  CHECK(made.is_valid({"one", "two"}));
  CHECK_FALSE(made.is_valid({"one"}));
}

TEST_CASE("The arguments of a call are values, and pairs with a string in front") {
  const auto call = [](std::size_t positional, std::size_t keywords, const TextMaker& values) {
    TextMaker made;
    made.text = "C";
    made.number(u32(positional)).number(u32(keywords)).add(std::string_view(values.text).substr(1));
    return made.is_valid();
  };
  CHECK(call(0, 0, TextMaker()));
  CHECK(call(2, 0, TextMaker().tag(Tag::none).tag(Tag::yes)));
  CHECK(call(1, 1, TextMaker().tag(Tag::none).tag(Tag::ascii_short).number(u8(1)).add("k").tag(Tag::no)));
  CHECK_FALSE(call(0, 1, TextMaker().tag(Tag::none).tag(Tag::no)));
  CHECK_FALSE(call(1, 0, TextMaker().tag(Tag::none).tag(Tag::yes)));
  CHECK_FALSE(call(UINT32_MAX, 0, TextMaker().tag(Tag::none)));
}

TEST_CASE("The writer keeps to the limit of each message, also in memory that an earlier one needed") {
  Writer writer;
  writer.begin(kMost);
  REQUIRE(writer.room(10'000));
  writer.put_bytes(std::string(10'000, 'x').data(), 10'000);
  writer.begin(100);
  CHECK(writer.room(100 + Writer::kSlack));
  CHECK_FALSE(writer.too_large());
  CHECK_FALSE(writer.room(101 + Writer::kSlack));
  CHECK(writer.too_large());
  CHECK(writer.wanted() == 101);
  writer.begin(kMost);
  CHECK_FALSE(writer.too_large());
}

TEST_CASE("Buffers apart from the text count to the limit") {
  Writer writer;
  writer.begin(1000);
  REQUIRE(writer.room(1));
  writer.put(Form::value);
  CHECK(writer.spend(900));
  CHECK(writer.room(99 + Writer::kSlack));
  CHECK_FALSE(writer.room(100 + Writer::kSlack));
  CHECK(writer.wanted() == 1001);
  writer.begin(1000);
  CHECK_FALSE(writer.spend(1001));
}

TEST_CASE("The slack that room() allows for is not the message's") {
  Writer writer;
  for (const std::size_t size : {100, 101}) {
    writer.begin(100);
    REQUIRE(writer.room(size));
    writer.put_bytes(std::string(size, 'x').data(), size);
    CHECK(writer.finish() == (size == 100));
  }
  CHECK(writer.wanted() == 101);
}

TEST_CASE("What was written stays when the memory grows") {
  Writer writer;
  writer.begin(kMost);
  std::string expected;
  for (unsigned i = 0; i < 5000; ++i) {
    REQUIRE(writer.room(5));
    writer.put_sized(Tag::list_short, Tag::list, i);
    expected += static_cast<char>(i <= 0xFF ? Tag::list_short : Tag::list);
    expected.append(reinterpret_cast<const char*>(&i), i <= 0xFF ? 1 : 4);
  }
  CHECK(writer.text() == expected);
}

TEST_CASE("A message is one string and is read from it") {
  const std::vector<std::string_view> buffers{"first", "", "third"};
  const PayloadView payload{"Vtext", buffers};
  std::string flat = "before";
  FlatPayload::flatten(payload, flat);
  REQUIRE(flat.substr(0, 6) == "before");
  flat.erase(0, 6);
  CHECK(flat.size() == FlatPayload::flat_size(payload));
  const auto parsed = FlatPayload::parse(flat);
  REQUIRE(parsed.has_value());
  CHECK(parsed->view().text == "Vtext");
  CHECK(std::vector<std::string_view>(parsed->view().buffers.begin(), parsed->view().buffers.end()) ==
        buffers);
  for (std::size_t size = 0; size < flat.size(); ++size) {
    CHECK_FALSE(FlatPayload::parse(std::string_view(flat).substr(0, size)).has_value());
  }
  CHECK_FALSE(FlatPayload::parse(flat + "x").has_value());
}

TEST_CASE("A string that claims more buffers than it can have is malformed") {
  TextMaker made;
  made.text.clear();
  made.number(u32(0)).number(UINT32_MAX);
  CHECK_FALSE(FlatPayload::parse(made.text).has_value());
  made.text.clear();
  made.number(u32(0)).number(u32(2)).number(UINT64_MAX).number(std::uint64_t{1});
  CHECK_FALSE(FlatPayload::parse(made.text).has_value());
}
