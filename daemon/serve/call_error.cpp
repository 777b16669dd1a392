#include "daemon/serve/call_error.h"

#include "daemon/config/config.h"
#include "ipc/function_call.h"

#include <fmt/format.h>

#include <algorithm>

namespace moult {

namespace {

CallError unavailable(std::string message, std::string hint = {}) {
  return {"unavailable", 503, "AppUnavailable", std::move(message), {}, std::move(hint)};
}

// An error fits one packet whatever JSON's escapes make of it.
constexpr std::size_t kNameMax = 200;
constexpr std::size_t kTracebackMax = 12 * 1024;
constexpr std::size_t kMessageMax = 2000;

std::string_view end_of(std::string_view text) {
  return text.substr(text.size() - std::min(text.size(), kTracebackMax));
}

std::string last_line(std::string_view text) {
  while (text.ends_with('\n')) text.remove_suffix(1);
  return std::string(text.substr(text.rfind('\n') + 1).substr(0, kMessageMax));  // npos + 1 is 0
}

// The class that the `moult` module has for what a worker refuses.
std::string type_of(std::string_view reason) {
  if (reason == "not_exported") return "NotExported";
  if (reason == "payload") return "PayloadError";
  if (reason == "too_large") return "PayloadTooLarge";
  return reason == "cycle" ? "CallCycle" : "RemoteError";
}

}  // namespace

CallError no_such_app(const std::string& app, const std::vector<std::string>& names) {
  const std::string near = nearest(app.substr(0, kNameMax), names);
  return {"no_such_app",
          404,
          "AppNotFound",
          fmt::format("there is no app \"{}\"", app.substr(0, kNameMax)),
          {},
          near.empty() ? "" : fmt::format("did you mean \"{}\"?", near)};
}

CallError error_of(CallFailure failure, const std::string& app, std::string_view detail) {
  switch (failure) {
    case CallFailure::queue_full:
      return unavailable(fmt::format("too many calls wait for {} already", app), "`queue` sets how many may");
    case CallFailure::queue_timeout:
      return unavailable(fmt::format("{} had no free worker within queue_timeout", app),
                         "`threads` sets how many it has");
    case CallFailure::app_stopped:
      return unavailable(fmt::format("{} is stopped", app), fmt::format("moultctl start {}", app));
    case CallFailure::app_unavailable:
      return unavailable(fmt::format("the code of {} is not loaded", app),
                         fmt::format("moultctl status {}", app));
    case CallFailure::app_moving:
      return unavailable(fmt::format("{} is being moved to a process of its own", app));
    case CallFailure::app_error:
      return {"raised", 500, "InternalError", last_line(end_of(detail)), std::string(end_of(detail))};
    case CallFailure::host_lost:
      return {"host_lost", 502, "HostLost", fmt::format("the process of {} ended during the call", app)};
    case CallFailure::too_large:
      return {"too_large", 413, "PayloadTooLarge",
              fmt::format("the call of {} is too large for a lane", app)};
    case CallFailure::call_timeout:
      return {"timeout", 504, "CallTimeout", fmt::format("the call of {} took too long", app)};
  }
  return {"raised", 500, "InternalError", "the call failed"};
}

std::string encode(const CallError& error) {
  return encode_fault({error.reason, error.type, error.message, error.traceback, {}, {}, {}, 0, error.hint});
}

CallError decode_call_error(std::string_view reason, std::string_view body) {
  CallError error;
  error.reason = reason;
  auto fault = decode_fault(reason, body);
  if (!fault) {
    error.type = "InternalError";
    error.message = fmt::format("the answer was \"{}\" without a description", reason);
    return error;
  }
  error.type = fault->type.empty() ? type_of(reason) : std::move(fault->type);
  error.message = std::move(fault->message);
  error.traceback = std::move(fault->traceback);
  error.hint = std::move(fault->hint);
  if (!fault->path.empty()) error.message += fmt::format(" ({})", fault->path);
  return error;
}

}  // namespace moult
