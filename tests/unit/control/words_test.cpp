#include "control/words.h"

#include <doctest/doctest.h>

using namespace moult::control;
using Words = std::vector<std::string>;

TEST_CASE("the nearest word forgives slips and does not guess wildly") {
  const Words words{"reload", "restart", "config.show", "blog"};
  CHECK(nearest_word("relaod", words) == "reload");
  CHECK(nearest_word("blo", words) == "blog");
  CHECK(nearest_word("config", words) == "config.show");
  CHECK(nearest_word("rstart", words) == "restart");
  CHECK(nearest_word("completely", words).empty());
  CHECK(nearest_word("x", words).empty());
  CHECK(nearest_word("x", {}).empty());
}

TEST_CASE("selectors are names and patterns") {
  const Words all{"blog", "shop-a", "shop-b"};
  CHECK(select({"blog"}, all).names == Words{"blog"});
  CHECK(select({"shop-*", "shop-a"}, all).names == Words{"shop-a", "shop-b"});
  CHECK(select({"*"}, all).names == all);
  CHECK(select({"shop-[ab]"}, all).names.size() == 2);
  CHECK(select({"shop-a", "wiki", "x"}, all).unknown == "wiki");
  CHECK(select({"shop"}, all).unknown == "shop");
  CHECK(select({}, all).names.empty());
}
