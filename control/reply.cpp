#include "control/method.h"
#include "control/words.h"

#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

namespace moult::control {

int rpc_code(ErrorCode code) {
  switch (code) {
    case ErrorCode::usage: return -32602;
    case ErrorCode::not_running: return -32001;
    case ErrorCode::no_such_app: return -32002;
    case ErrorCode::config_invalid: return -32003;
    case ErrorCode::code_rejected: return -32004;
    case ErrorCode::denied: return -32005;
    case ErrorCode::timed_out: return -32006;
    case ErrorCode::interrupted: return -32007;
    case ErrorCode::os: return -32008;
    case ErrorCode::protocol: return -32009;
    case ErrorCode::too_large: return -32010;
    case ErrorCode::failed:
    case ErrorCode::unreachable: return -32000;
  }
  return -32000;
}

Json error_to_json(int code, const Error& error, const Json& more) {
  Json data{{"code", to_string(error.code)}};
  if (!error.detail.empty()) data["detail"] = error.detail;
  if (!error.file.empty()) data["file"] = error.file;
  if (error.line != 0) data["line"] = error.line;
  if (!error.hint.empty()) data["hint"] = error.hint;
  if (more.is_object()) data.update(more);
  return Json{{"code", code}, {"message", error.message}, {"data", std::move(data)}};
}

Reply::Reply(std::shared_ptr<ReplyChannel> channel) : channel_(std::move(channel)) {}

Reply& Reply::operator=(Reply&& other) noexcept {
  if (this != &other) {
    const Reply old(std::exchange(channel_, std::move(other.channel_)));  // answered if it was not
    access_ = other.access_;
  }
  return *this;
}

Reply::~Reply() {
  if (channel_ == nullptr) return;
  fail(Error{ErrorCode::interrupted, "the daemon gave the operation up"});
}

void Reply::ok(const Json& result) {
  MOULT_CHECK(channel_ != nullptr, "a control request is answered twice");
  std::exchange(channel_, nullptr)->ok(result);
}

void Reply::fail(const Error& error) { fail(error, Json()); }

void Reply::fail(const Error& error, const Json& more) { fail_as(rpc_code(error.code), error, more); }

void Reply::fail_as(int code, const Error& error, const Json& more) {
  MOULT_CHECK(channel_ != nullptr, "a control request is answered twice");
  std::exchange(channel_, nullptr)->fail(code, error, more);
}

void Reply::fail_no_such_app(const std::string& app, const std::vector<std::string>& names) {
  Error error{ErrorCode::no_such_app, fmt::format("no app is called `{}`", app)};
  const std::string near = nearest_word(app, names);
  error.hint = !near.empty()   ? fmt::format("did you mean `{}`?", near)
               : names.empty() ? "no app is configured"
                               : fmt::format("there are: {}", fmt::join(names, ", "));
  fail(error, Json{{"app", app}});
}

void Reply::progress(const Json& what) {
  if (channel_ != nullptr) channel_->progress(what);
}

void Reply::event(const Json& what) {
  if (channel_ != nullptr) channel_->event(what);
}

bool Reply::is_open() const { return channel_ != nullptr && channel_->is_open(); }

void Reply::on_gone(std::function<void()> gone) {
  if (channel_ != nullptr) channel_->on_gone(std::move(gone));
}

}  // namespace moult::control
