#include "recorded_reply.h"

#include <doctest/doctest.h>

#include <set>

using namespace moult;
using namespace moult::control;

namespace {

struct Call {
  std::shared_ptr<RecordedChannel> channel = std::make_shared<RecordedChannel>();

  Call(const Methods& methods, const std::string& name, const Json& params, Access allowed = Access::change) {
    methods.call(name, params, allowed, Reply(channel));
  }
  const Json& result() const { return channel->result; }
  int code() const { return channel->error.value("code", 0); }
  std::string hint() const { return channel->error["data"].value("hint", ""); }
  std::string field() const { return channel->error["data"].value("field", ""); }
};

Methods some_methods() {
  Methods methods;
  serve_common(methods);
  methods.serve("reload", [](const Json& params, Reply reply) { reply.ok(params); });
  methods.serve("wait", [](const Json& params, Reply reply) { reply.ok(params); });
  methods.serve("recycle", [](const Json& params, Reply reply) { reply.ok(params); });
  methods.serve("events", [](const Json& params, Reply reply) { reply.ok(params); });
  return methods;
}

}  // namespace

TEST_CASE("a known method gets its parameters and answers") {
  const Call call(some_methods(), "reload", {{"app", "blog"}, {"timeout", 2.5}, {"wait", "drained"}});
  CHECK(call.channel->answers == 1);
  CHECK(call.result()["timeout"] == 2.5);
}

TEST_CASE("absent parameters are an empty object") {
  const Call call(some_methods(), "ping", Json());
  CHECK(call.result()["pong"] == true);
}

TEST_CASE("an unknown method is answered with the nearest name") {
  const Call call(some_methods(), "relaod", Json::object());
  CHECK(call.code() == -32601);
  CHECK(call.hint() == "did you mean `reload`?");
}

TEST_CASE("a wrong parameter is refused and named") {
  const Methods methods = some_methods();
  const auto refused = [&](const std::string& method, const Json& params) {
    const Call call(methods, method, params);
    CHECK(call.code() == -32602);
    CHECK(call.channel->error["data"]["code"] == "usage");
    return call.field();
  };
  CHECK(refused("reload", {{"ap", "blog"}}) == "ap");
  CHECK(refused("reload", {{"app", 7}}) == "app");
  CHECK(refused("reload", {{"apps", {"a", 1}}}) == "apps");
  CHECK(refused("reload", {{"timeout", -1}}) == "timeout");
  CHECK(refused("reload", {{"wait", "later"}}) == "wait");
  CHECK(refused("reload", {{"force", "yes"}}) == "force");
  CHECK(refused("recycle", {{"host", -1}}) == "host");
  CHECK(refused("recycle", {{"host", 1.5}}) == "host");
  CHECK(refused("wait", {{"until", "ready"}}) == "app");
  CHECK(refused("events", {{"filter", {1}}}) == "filter");
  CHECK(refused("ping", Json::array()) == "params");
  CHECK(Call(methods, "reload", {{"ap", "blog"}}).hint() == "did you mean `app`?");
}

TEST_CASE("the status-only socket serves reading methods and denies the others") {
  const Methods methods = some_methods();
  CHECK(Call(methods, "ping", Json(), Access::read).result()["pong"] == true);
  const Call denied(methods, "reload", {{"app", "blog"}}, Access::read);
  CHECK(denied.code() == -32005);
  CHECK(denied.channel->error["data"]["code"] == "denied");
}

TEST_CASE("methods describes what is served") {
  const Call call(some_methods(), "methods", Json());
  REQUIRE(call.result()["methods"].size() == 6);
  const Json& reload = call.result()["methods"][4];
  CHECK(reload["name"] == "reload");
  CHECK(reload["access"] == "change");
  CHECK(reload["parameters"][3]["choices"].size() == 4);
}

TEST_CASE("every standard method has a name of its own and a help text") {
  std::set<std::string> names;
  for (const Method& method : standard_methods()) {
    CHECK(names.insert(method.name).second);
    CHECK_FALSE(method.help.empty());
  }
  CHECK(names.size() == 36);
}

TEST_CASE("a reply that is dropped answers that the operation was given up") {
  const auto channel = std::make_shared<RecordedChannel>();
  { const Reply reply(channel); }
  CHECK(channel->answers == 1);
  CHECK(channel->error["data"]["code"] == "interrupted");
}

TEST_CASE("a reply that is moved answers once") {
  const auto channel = std::make_shared<RecordedChannel>();
  {
    Reply reply(channel);
    Reply other(std::move(reply));
    other.progress({{"state", "making"}});
    other.ok({{"a", 1}});
    CHECK_FALSE(other.is_open());
    other.progress({{"state", "too late"}});
  }
  CHECK(channel->answers == 1);
  CHECK(channel->progresses.size() == 1);
  CHECK(channel->error.is_null());
}

TEST_CASE("assigning over an open reply answers the old one") {
  const auto first = std::make_shared<RecordedChannel>();
  const auto second = std::make_shared<RecordedChannel>();
  Reply reply(first);
  reply = Reply(second);
  CHECK(first->answers == 1);
  CHECK(second->answers == 0);
  reply.ok(Json());
  CHECK(second->answers == 1);
}

TEST_CASE("an error carries place, detail, hint and what the handler adds") {
  const auto channel = std::make_shared<RecordedChannel>();
  Reply reply(channel);
  reply.fail(Error{ErrorCode::code_rejected, "rejected", "Traceback", "/a.py", 3, "mend it"},
             {{"serving", 14}});
  CHECK(channel->error == Json{{"code", -32004},
                               {"message", "rejected"},
                               {"data",
                                {{"code", "code_rejected"},
                                 {"detail", "Traceback"},
                                 {"file", "/a.py"},
                                 {"line", 3},
                                 {"hint", "mend it"},
                                 {"serving", 14}}}});
}

TEST_CASE("an unknown app is answered with the nearest, or with what there is") {
  const auto hint_for = [](const std::string& app, const std::vector<std::string>& names) {
    const auto channel = std::make_shared<RecordedChannel>();
    Reply reply(channel);
    reply.fail_no_such_app(app, names);
    CHECK(channel->error["data"]["code"] == "no_such_app");
    return channel->error["data"]["hint"].get<std::string>();
  };
  CHECK(hint_for("blgo", {"blog", "shop"}) == "did you mean `blog`?");
  CHECK(hint_for("zzzzzz", {"blog", "shop"}) == "there are: blog, shop");
  CHECK(hint_for("blog", {}) == "no app is configured");
}
