#include "ipc/function_call.h"

#include <doctest/doctest.h>

using namespace moult;

TEST_CASE("an error comes back as it went, with bytes that are no UTF-8 replaced") {
  const CallFault fault{"raised",
                        "shop.Missing",
                        "no tea",
                        "Traceback…",
                        "argument 'x'",
                        "shop.Order",
                        "/srv/app.py",
                        12,
                        "did you mean \"coffee\"?"};
  const auto back = decode_fault("raised", encode_fault(fault));
  REQUIRE(back);
  CHECK(back->reason == "raised");
  CHECK(back->type == fault.type);
  CHECK(back->message == fault.message);
  CHECK(back->traceback == fault.traceback);
  CHECK(back->path == fault.path);
  CHECK(back->class_name == fault.class_name);
  CHECK(back->file == fault.file);
  CHECK(back->line == 12);
  CHECK(back->hint == fault.hint);
  CHECK(decode_fault("raised", encode_fault({"raised", "E", "\xff"}))->message == "\xef\xbf\xbd");
}

TEST_CASE("what is no error is none, and members of another kind are empty") {
  for (const char* text : {"", "[]", "7", "{", "null"}) CHECK_FALSE(decode_fault("raised", text));
  const auto odd = decode_fault("payload", R"({"type": 3, "line": "x", "message": null})");
  REQUIRE(odd);
  CHECK(odd->type.empty());
  CHECK(odd->message.empty());
  CHECK(odd->line == 0);
}

TEST_CASE("items are taken one by one, each once it is whole") {
  std::string stream;
  append_item(stream, {StreamItem::kValue, "one"});
  append_item(stream, {StreamItem::kValue, ""});
  append_item(stream, {StreamItem::kError, encode_item_fault({"raised", "KeyError", "k"})});
  for (std::size_t size = 0; size < 8; ++size) {
    std::string_view part = std::string_view(stream).substr(0, size);
    CHECK_FALSE(take_item(part));
    CHECK(part.size() == size);
  }
  std::string_view rest = stream;
  CHECK(take_item(rest)->bytes == "one");
  CHECK(take_item(rest)->bytes.empty());
  const auto error = take_item(rest);
  REQUIRE(error);
  CHECK(error->kind == StreamItem::kError);
  const ReasonAndError parts = split_item_fault(error->bytes);
  CHECK(parts.reason == "raised");
  CHECK(decode_fault(parts.reason, parts.error)->type == "KeyError");
  CHECK(rest.empty());
  CHECK(split_item_fault("raised").error.empty());
}

TEST_CASE("a deadline is a number of nanoseconds") {
  const SteadyTime deadline(std::chrono::nanoseconds(123456789));
  CHECK(encode_deadline(deadline) == "123456789");
  CHECK(decode_deadline("123456789") == deadline);
  for (const char* text : {"", "-1", "1x", " 1", "99999999999999999999"}) CHECK_FALSE(decode_deadline(text));
}
