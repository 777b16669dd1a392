#include "daemon/config/toml_file.h"

#include <doctest/doctest.h>

using namespace moult;

TEST_CASE("keys come in the order of the file with their places") {
  const auto table = parse_toml("zebra = 1\n  apple = \"x\"\n[table]\nkey = [true, 2.5]\n", "a.toml");
  REQUIRE(table);
  REQUIRE(table->size() == 3);
  CHECK(table->at(0).key == "zebra");
  CHECK(table->at(1).key == "apple");
  CHECK(table->at(1).line == 2);
  CHECK(table->at(1).column == 3);
  CHECK(table->at(1).value.column == 11);
  const auto* inner = table->at(2).value.get_if<Value::Table>();
  REQUIRE(inner != nullptr);
  const auto* list = inner->at(0).value.get_if<Value::Array>();
  REQUIRE(list != nullptr);
  CHECK(list->at(0).kind() == "a boolean");
  CHECK(list->at(1).kind() == "a float");
  CHECK(list->at(1).line == 4);
}

TEST_CASE("a syntax error names file, line and column") {
  const auto table = parse_toml("a = 1\nb = = 2\n", "apps/blog.toml");
  REQUIRE_FALSE(table);
  CHECK(table.error().file == "apps/blog.toml");
  CHECK(table.error().line == 2);
  CHECK(table.error().message.find("not valid TOML") == 0);
  CHECK(table.error().message.find("(column ") != std::string::npos);
}

TEST_CASE("a key that is there twice is a syntax error") {
  const auto table = parse_toml("threads = 1\nthreads = 2\n", "x.toml");
  REQUIRE_FALSE(table);
  CHECK(table.error().line == 2);
}

TEST_CASE("a date is a value of no setting's type") {
  const auto table = parse_toml("when = 2026-11-21\n", "x.toml");
  REQUIRE(table);
  CHECK(table->at(0).value.kind() == "a date or time");
}

TEST_CASE("a file that is not there is an error of that file") {
  const auto table = read_toml_file("/nonexistent/x.toml");
  REQUIRE_FALSE(table);
  CHECK(table.error().file == "/nonexistent/x.toml");
  CHECK(table.error().code == ErrorCode::config_invalid);
  CHECK(describe(table.error()) == "/nonexistent/x.toml: No such file or directory");
}

TEST_CASE("tables in tables, without an end, are refused and cost no stack") {
  std::string parts = "a";
  for (int i = 0; i < 200'000; ++i) parts += ".a";
  for (const std::string& text :
       {parts + " = 1\n", "x = 1\n[" + parts + "]\n", "x = { " + parts + " = 1 }\n"}) {
    const auto table = parse_toml(text, "moult.toml");
    REQUIRE_FALSE(table);
    CHECK(table.error().message.starts_with("a line has more than 1000 dots"));
  }
  CHECK_FALSE(parse_toml("a = " + std::string(200'000, '['), "moult.toml"));
  CHECK(parse_toml("# " + parts.substr(0, 1000) + "\n" + parts.substr(0, 101) + " = 1\n", "moult.toml"));
}
