#include "interp/imports/import_book.h"

#include <doctest/doctest.h>

using namespace moult;
using namespace std::chrono_literals;

TEST_CASE("a module that is imported again has the times of its last import") {
  ImportBook book;
  book.add("a", {3ms, 1ms});
  book.add("b", {1ms, 1ms});
  book.add("a", {5ms, 2ms});
  const auto times = book.times();
  CHECK(times.size() == 2);
  CHECK(times.find("a")->second.total == 5ms);
  CHECK(times.find("a")->second.self == 2ms);
}

TEST_CASE("the book is bounded") {
  ImportBook book;
  for (int i = 0; i < 50'100; ++i) {
    book.add("module" + std::to_string(i), {1ms, 1ms});
    book.add_compiled("/file" + std::to_string(i));
  }
  CHECK(book.times().size() == 50'000);
  CHECK(book.was_compiled("/file7"));
  CHECK_FALSE(book.was_compiled("/file50050"));
}
