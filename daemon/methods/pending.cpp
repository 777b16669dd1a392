#include "daemon/methods/pending.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <utility>

namespace moult {

namespace {

constexpr Milliseconds kPollPeriod{20};
constexpr double kLongest = 86'400;

}  // namespace

Pending::Pending(uv::Loop& loop, control::Reply reply)
    : reply_(std::move(reply)), began_(Steady::now()), deadline_(loop), poll_(loop) {}

std::shared_ptr<Pending> Pending::make(uv::Loop& loop, control::Reply reply, Milliseconds deadline,
                                       std::string what) {
  auto pending = std::make_shared<Pending>(loop, std::move(reply));
  // Also told when the control server goes, before what is asked for goes.
  pending->reply_->on_gone([weak = std::weak_ptr(pending)] {
    if (const auto self = weak.lock()) self->finish();
  });
  pending->deadline_.start(deadline, [pending, deadline, what = std::move(what)] {
    pending->fail({ErrorCode::timed_out,
                   fmt::format("{} took longer than {} s; it goes on", what, deadline.count() / 1000.0)});
  });
  return pending;
}

std::optional<control::Reply> Pending::finish() {
  deadline_.start(Milliseconds(0), [] {});
  poll_.start(Milliseconds(0), [] {});
  return std::exchange(reply_, std::nullopt);
}

void Pending::ok(const control::Json& result) {
  if (auto reply = finish()) reply->ok(result);
}

void Pending::fail(const Error& error) { fail(error, control::Json::object()); }

void Pending::fail(const Error& error, const control::Json& more) {
  if (auto reply = finish()) reply->fail(error, more);
}

void Pending::poll(const std::shared_ptr<Pending>& pending, std::function<bool(Pending&)> is_done) {
  if (!pending->is_open() || is_done(*pending)) return;
  pending->poll_.start(kPollPeriod, [pending, is_done] { poll(pending, is_done); });
}

Milliseconds timeout_of(const control::Json& params, Seconds otherwise) {
  const double seconds = params.contains("timeout") ? params.at("timeout").get<double>() : otherwise.count();
  return Milliseconds(static_cast<Milliseconds::rep>(std::clamp(seconds, 0.0, kLongest) * 1000));
}

}  // namespace moult
