#include "control/method.h"
#include "control/words.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>

namespace moult::control {

namespace {

// The common answer of several operations: one entry per app. Kept alive by the replies of the
// operations; the last one answers.
class Gathering {
 public:
  Gathering(Reply reply, std::size_t expected) : reply_(std::move(reply)), expected_(expected) {}

  void add(const std::string& app, Json entry) {
    entry["app"] = app;
    results_[app] = std::move(entry);
    if (results_.size() < expected_) return;
    Json list = Json::array();
    for (auto& [name, result] : results_) list.push_back(std::move(result));
    reply_.ok(Json{{"results", std::move(list)}});
  }
  const Reply& reply() const { return reply_; }
  Reply& reply() { return reply_; }

 private:
  Reply reply_;
  std::size_t expected_;
  std::map<std::string, Json> results_;
};

// Where one app's operation answers.
class PartChannel : public ReplyChannel {
 public:
  PartChannel(std::shared_ptr<Gathering> gathering, std::string app)
      : gathering_(std::move(gathering)), app_(std::move(app)) {}

  void ok(const Json& result) override {
    Json entry = result;
    entry["ok"] = true;
    gathering_->add(app_, std::move(entry));
  }
  void fail(int code, const Error& error, const Json& more) override {
    gathering_->add(app_, Json{{"ok", false}, {"error", error_to_json(code, error, more)}});
  }
  void progress(const Json& what) override { gathering_->reply().progress(what); }
  void event(const Json& what) override { gathering_->reply().event(what); }
  bool is_open() const override { return gathering_->reply().is_open(); }
  // An operation on several apps goes on when its client has gone; nothing needs to know.
  void on_gone(std::function<void()>) override {}

 private:
  std::shared_ptr<Gathering> gathering_;
  std::string app_;
};

void fail_usage(Reply& reply, std::string message, const std::string& field) {
  reply.fail(Error{ErrorCode::usage, std::move(message)}, Json{{"field", field}});
}

}  // namespace

void for_each_app(const Json& params, const std::vector<std::string>& names, NoSelector none_given,
                  Reply reply, const ForOneApp& one) {
  const int given = static_cast<int>(params.contains("app")) + static_cast<int>(params.contains("apps")) +
                    static_cast<int>(params.value("all", false));
  if (given > 1) return fail_usage(reply, "only one of `app`, `apps` and `all` can be given", "apps");
  if (given == 0 && none_given == NoSelector::is_error) {
    return fail_usage(reply, "one of `app`, `apps` and `all` must be given", "app");
  }
  if (params.contains("app")) {
    const auto app = params["app"].get<std::string>();
    if (std::find(names.begin(), names.end(), app) == names.end()) return reply.fail_no_such_app(app, names);
    return one(app, std::move(reply));
  }
  std::vector<std::string> chosen = names;
  std::sort(chosen.begin(), chosen.end());
  if (params.contains("apps")) {
    const Selection selection = select(params["apps"].get<std::vector<std::string>>(), names);
    if (!selection.unknown.empty()) return reply.fail_no_such_app(selection.unknown, names);
    chosen = selection.names;
  }
  if (chosen.empty()) return reply.ok(Json{{"results", Json::array()}});
  const auto gathering = std::make_shared<Gathering>(std::move(reply), chosen.size());
  for (const std::string& app : chosen) one(app, Reply(std::make_shared<PartChannel>(gathering, app)));
}

}  // namespace moult::control
