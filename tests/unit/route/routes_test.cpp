#include "daemon/route/routes.h"

#include <doctest/doctest.h>

using namespace moult;

TEST_CASE("the longest prefix wins and prefixes match whole segments") {
  RouteTarget root, shop, deep;
  Routes routes;
  routes.add("", "", &root);
  routes.add("", "/shop", &shop);
  routes.add("", "/shop/admin", &deep);
  CHECK(routes.find("any.example", "/").target == &root);
  CHECK(routes.find("any.example", "/shop").target == &shop);
  CHECK(routes.find("any.example", "/shop/").target == &shop);
  CHECK(routes.find("any.example", "/shop/x").target == &shop);
  CHECK(routes.find("any.example", "/shopping").target == &root);
  CHECK(routes.find("any.example", "/shop/admin/x").target == &deep);
  CHECK(routes.find("any.example", "/shop/admin/x").prefix == "/shop/admin");
  CHECK(routes.find("any.example", "/shop/administration").target == &shop);
}

TEST_CASE("a named host wins over any host, even with a shorter prefix") {
  RouteTarget anywhere, named;
  Routes routes;
  routes.add("", "/shop", &anywhere);
  routes.add("example.org", "", &named);
  CHECK(routes.find("example.org", "/shop").target == &named);
  CHECK(routes.find("example.com", "/shop").target == &anywhere);
  CHECK(routes.find("", "/shop").target == &anywhere);
}

TEST_CASE("a named host without a matching prefix falls back to any host") {
  RouteTarget anywhere, named;
  Routes routes;
  routes.add("example.org", "/shop", &named);
  routes.add("", "", &anywhere);
  CHECK(routes.find("example.org", "/other").target == &anywhere);
  CHECK(routes.find("example.org", "/shop/1").target == &named);
}

TEST_CASE("no route is no target") {
  RouteTarget named;
  Routes routes;
  CHECK(routes.find("example.org", "/").target == nullptr);
  routes.add("example.org", "/shop", &named);
  CHECK(routes.find("example.org", "/").target == nullptr);
  CHECK(routes.find("example.com", "/shop").target == nullptr);
}

TEST_CASE("of two equal routes the first one stays") {
  RouteTarget first, second;
  Routes routes;
  routes.add("", "/a", &first);
  routes.add("", "/a", &second);
  CHECK(routes.find("", "/a").target == &first);
}
