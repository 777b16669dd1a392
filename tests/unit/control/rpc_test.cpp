#include "control/rpc.h"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

using namespace moult;
using namespace moult::control;

namespace {

Request good(std::string_view line) {
  auto parsed = parse_request(line);
  REQUIRE(std::holds_alternative<Request>(parsed));
  return std::move(std::get<Request>(parsed));
}

BadRequest bad(std::string_view line) {
  auto parsed = parse_request(line);
  REQUIRE(std::holds_alternative<BadRequest>(parsed));
  return std::get<BadRequest>(parsed);
}

}  // namespace

TEST_CASE("a request has an id, a method and parameters") {
  const Request request = good(R"({"jsonrpc":"2.0","id":"a1","method":"list","params":{"x":1}})");
  CHECK(request.id == R"("a1")");
  CHECK(request.method == "list");
  CHECK((*request.params)["x"] == 1);
  CHECK(good(R"({"jsonrpc":"2.0","id":7,"method":"list"})").params->is_null());
}

TEST_CASE("a request without an id is a notification") {
  CHECK(good(R"({"jsonrpc":"2.0","method":"list"})").id.empty());
  CHECK(good(R"({"jsonrpc":"2.0","id":null,"method":"list"})").id == "null");
}

TEST_CASE("what is no JSON is a parse error") {
  for (const char* line : {"{", "nonsense", R"({"jsonrpc":"2.0",})", "\"\xff\xfe\"", "{} {}"}) {
    CHECK(bad(line).code == -32700);
    CHECK(bad(line).id == "null");
  }
}

TEST_CASE("JSON that is no request is refused, with the id where there is one") {
  CHECK(bad("[]").code == -32600);
  CHECK(bad("7").code == -32600);
  CHECK(bad(R"({"id":1,"method":"list"})").id == "1");
  CHECK(bad(R"({"jsonrpc":"1.0","id":1,"method":"list"})").code == -32600);
  CHECK(bad(R"({"jsonrpc":2,"id":1,"method":"list"})").code == -32600);
  CHECK(bad(R"({"jsonrpc":"2.0","id":1})").code == -32600);
  CHECK(bad(R"({"jsonrpc":"2.0","id":1,"method":3})").code == -32600);
  CHECK(bad(R"({"jsonrpc":"2.0","id":{},"method":"list"})").id == "null");
}

TEST_CASE("JSON nested a million deep neither crashes nor hangs the parser") {
  CHECK(bad(std::string(1'000'000, '[')).code == -32700);
  const std::string deep = std::string(400'000, '[') + std::string(400'000, ']');
  CHECK(bad(deep).error.message == "the line is JSON that is nested deeper than 64 levels");
  for (const char* member : {"jsonrpc", "id", "method", "params", "x"}) {
    CHECK(bad(fmt::format(R"({{"{}":{},"jsonrpc":"2.0","id":1,"method":"x"}})", member, deep)).id == "null");
  }
}

TEST_CASE("answers are single lines, whatever bytes are in them") {
  const std::string line = ok_line("1", {{"text", "a\nb\xff"}});
  CHECK(line.find('\n') == line.size() - 1);
  CHECK(Json::parse(line)["result"]["text"] == "a\nb\xEF\xBF\xBD");
  const Json error = Json::parse(error_line("\"x\"", -32000, Error{ErrorCode::failed, "no\xfe"}, Json()));
  CHECK(error["id"] == "x");
  CHECK(error["error"]["code"] == -32000);
  const Json notice = Json::parse(notice_line("event", "4", {{"event", "a"}}));
  CHECK(notice["method"] == "event");
  CHECK(notice["params"] == Json{{"event", "a"}, {"request", 4}});
}
