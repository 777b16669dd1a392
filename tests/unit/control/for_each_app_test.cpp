#include "recorded_reply.h"

#include <doctest/doctest.h>

using namespace moult;
using namespace moult::control;

namespace {

const std::vector<std::string> kNames{"shop-b", "blog", "shop-a"};

// The answer to a selector, when the operation on shop-b fails and all others succeed.
std::shared_ptr<RecordedChannel> run(const Json& params, NoSelector none = NoSelector::is_error) {
  const auto channel = std::make_shared<RecordedChannel>();
  for_each_app(params, kNames, none, Reply(channel), [](const std::string& app, Reply reply) {
    reply.progress({{"app", app}});
    if (app == "shop-b") return reply.fail(Error{ErrorCode::not_running, "stopped"});
    reply.ok({{"app", app}, {"outcome", "switched"}});
  });
  return channel;
}

std::vector<std::string> apps_of(const Json& result) {
  std::vector<std::string> apps;
  for (const Json& one : result["results"]) apps.push_back(one["app"]);
  return apps;
}

}  // namespace

TEST_CASE("a single app answers with its own result or error") {
  CHECK(run({{"app", "blog"}})->result == Json{{"app", "blog"}, {"outcome", "switched"}});
  CHECK(run({{"app", "shop-b"}})->error["data"]["code"] == "not_running");
  CHECK(run({{"app", "shop"}})->error["data"]["code"] == "no_such_app");
}

TEST_CASE("several apps answer once, with one entry each, sorted") {
  const auto channel = run({{"apps", {"shop-*", "blog"}}});
  CHECK(channel->answers == 1);
  CHECK(apps_of(channel->result) == std::vector<std::string>{"blog", "shop-a", "shop-b"});
  CHECK(channel->result["results"][0]["ok"] == true);
  CHECK(channel->result["results"][2]["ok"] == false);
  CHECK(channel->result["results"][2]["error"]["code"] == -32001);
  CHECK(channel->progresses.size() == 3);
}

TEST_CASE("all means all, and a selector that fits none does nothing") {
  CHECK(apps_of(run({{"all", true}})->result).size() == 3);
  const auto unknown = run({{"apps", {"blog", "wiki-*"}}});
  CHECK(unknown->error["data"]["app"] == "wiki-*");
  CHECK(unknown->progresses.empty());
}

TEST_CASE("none or two of app, apps and all are refused, unless none means all") {
  CHECK(run(Json::object())->error["code"] == -32602);
  CHECK(run({{"all", false}})->error["code"] == -32602);
  CHECK(run({{"app", "blog"}, {"all", true}})->error["code"] == -32602);
  CHECK(apps_of(run(Json::object(), NoSelector::is_all)->result).size() == 3);
}

TEST_CASE("without any app the answer is an empty list") {
  const auto channel = std::make_shared<RecordedChannel>();
  for_each_app({{"all", true}}, {}, NoSelector::is_error, Reply(channel), [](const std::string&, Reply) {});
  CHECK(channel->result == Json{{"results", Json::array()}});
}

TEST_CASE("the answer waits for the slowest operation") {
  const auto channel = std::make_shared<RecordedChannel>();
  std::vector<Reply> waiting;
  for_each_app({{"apps", {"blog", "shop-a"}}}, kNames, NoSelector::is_error, Reply(channel),
               [&](const std::string&, Reply reply) { waiting.push_back(std::move(reply)); });
  REQUIRE(waiting.size() == 2);
  waiting[1].ok(Json::object());
  CHECK(channel->answers == 0);
  CHECK(waiting[0].is_open());
  waiting.clear();  // dropped: that one was given up
  CHECK(channel->answers == 1);
  CHECK(channel->result["results"][0]["error"]["data"]["code"] == "interrupted");
  CHECK(channel->result["results"][1]["ok"] == true);
}
