#include "daemon/methods/saved_reply.h"

#include "daemon/daemon.h"
#include "daemon/methods/pending.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <memory>
#include <utility>

namespace moult {

namespace {

using control::Json;

constexpr Milliseconds kSaveDeadline{10'000};

class SavedChannel final : public control::ReplyChannel {
 public:
  SavedChannel(Daemon& daemon, std::string app, control::Reply reply)
      : daemon_(daemon), app_(std::move(app)), reply_(std::move(reply)) {}

  void ok(const Json& result) override {
    App* app = daemon_.supervisor().find(app_);
    if (app == nullptr) {
      reply_.ok(result);
      return;
    }
    const auto pending =
        daemon_.pending(std::move(reply_), kSaveDeadline, fmt::format("to save the state of {}", app_));
    app->moulting().when_saved([pending, result] { pending->ok(result); });
  }
  void fail(int, const Error& error, const Json& more) override { reply_.fail(error, more); }
  void progress(const Json& what) override { reply_.progress(what); }
  void event(const Json& what) override { reply_.event(what); }
  bool is_open() const override { return reply_.is_open(); }
  void on_gone(std::function<void()> gone) override { reply_.on_gone(std::move(gone)); }

 private:
  Daemon& daemon_;
  std::string app_;
  control::Reply reply_;
};

}  // namespace

control::Reply when_saved(Daemon& daemon, std::string app, control::Reply reply) {
  return control::Reply(std::make_shared<SavedChannel>(daemon, std::move(app), std::move(reply)));
}

}  // namespace moult
