#include "daemon/pending.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>

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
  // The timer's hold on the object ends with it.
  pending->deadline_.start(deadline, [pending, deadline, what = std::move(what)] {
    pending->fail({ErrorCode::timed_out,
                   fmt::format("{} took longer than {} s; it goes on", what, deadline.count() / 1000.0)});
  });
  return pending;
}

void Pending::ok(const control::Json& result) {
  if (!reply_) return;
  control::Reply reply = std::move(*reply_);
  reply_.reset();
  deadline_.start(Milliseconds(0), [] {});
  reply.ok(result);
}

void Pending::fail(const Error& error) { fail(error, control::Json::object()); }

void Pending::fail(const Error& error, const control::Json& more) {
  if (!reply_) return;
  control::Reply reply = std::move(*reply_);
  reply_.reset();
  deadline_.start(Milliseconds(0), [] {});
  reply.fail(error, more);
}

void Pending::poll(const std::shared_ptr<Pending>& pending, std::function<bool(Pending&)> is_done) {
  if (!pending->is_open() || is_done(*pending)) {
    pending->poll_.start(Milliseconds(0), [] {});  // lets go of the object that the timer is part of
    return;
  }
  pending->poll_.start(kPollPeriod, [pending, is_done] { poll(pending, is_done); });
}

Milliseconds timeout_of(const control::Json& params, Seconds otherwise) {
  const double seconds = params.contains("timeout") ? params.at("timeout").get<double>() : otherwise.count();
  return Milliseconds(static_cast<Milliseconds::rep>(std::clamp(seconds, 0.0, kLongest) * 1000));
}

}  // namespace moult
