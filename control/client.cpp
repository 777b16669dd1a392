#include "control/client.h"

#include "control/listening_socket.h"
#include "ipc/base/json.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <algorithm>
#include <cerrno>

namespace moult::control {

namespace {

constexpr std::size_t kLongestAnswer = 256u << 20;
constexpr int kSlice = 200;  // ms

ErrorCode code_from(const std::string& name) {
  for (const ErrorCode code :
       {ErrorCode::failed, ErrorCode::usage, ErrorCode::not_running, ErrorCode::no_such_app,
        ErrorCode::config_invalid, ErrorCode::code_rejected, ErrorCode::unreachable, ErrorCode::denied,
        ErrorCode::timed_out, ErrorCode::interrupted, ErrorCode::os, ErrorCode::protocol,
        ErrorCode::too_large}) {
    if (to_string(code) == name) return code;
  }
  return ErrorCode::failed;
}

template <typename Value>
Value member(const Json& object, const char* name, Value otherwise) {
  const auto found = object.find(name);
  if (found == object.end()) return otherwise;
  if constexpr (std::is_same_v<Value, int>) {
    return found->is_number_integer() ? found->get<int>() : otherwise;
  } else {
    return found->is_string() ? found->get<std::string>() : otherwise;
  }
}

// Of a pidfd: whether its process has ended (pidfd_open(2)).
bool is_readable(const Fd& fd) {
  pollfd entry{fd.get(), POLLIN, 0};
  return ::poll(&entry, 1, 0) > 0;
}

}  // namespace

Error error_from_json(const Json& json) {
  const Json data =
      json.is_object() && json.contains("data") && json["data"].is_object() ? json["data"] : Json::object();
  if (!json.is_object()) return Error{ErrorCode::protocol, "the daemon sent an error that is none"};
  Error error{code_from(member<std::string>(data, "code", "failed")),
              member<std::string>(json, "message", "the daemon gave no reason")};
  error.detail = member<std::string>(data, "detail", "");
  error.file = member<std::string>(data, "file", "");
  error.line = member<int>(data, "line", 0);
  error.hint = member<std::string>(data, "hint", "");
  return error;
}

Client::Client(Fd fd, Fd process, std::string path)
    : fd_(std::move(fd)),
      process_(std::move(process)),
      path_(std::move(path)),
      input_(kLongestAnswer),
      error_data_(std::make_unique<Json>()) {}
Client::Client(Client&&) noexcept = default;
Client& Client::operator=(Client&&) noexcept = default;
Client::~Client() = default;

Result<Client> Client::connect(const std::string& path, uid_t uid) {
  MOULT_ASSIGN(Fd fd, connect_unix(path));
  MOULT_ASSIGN(const uid_t peer, peer_uid(fd.get()));
  // Root's client may speak to anybody's daemon when it was told where; nobody else's answers count.
  if (peer != uid && uid != 0) {
    return fail(Error{ErrorCode::denied, fmt::format("{}: that daemon belongs to uid {}", path, peer)});
  }
  Fd process = peer_process(fd.get());
  return Client(std::move(fd), std::move(process), path);
}

const Json& Client::error_data() const { return *error_data_; }

Result<Json> Client::call(const std::string& method, const Json& params, std::optional<SteadyTime> deadline) {
  *error_data_ = Json();
  const std::int64_t id = next_id_++;
  const Json request{{"jsonrpc", "2.0"}, {"id", id}, {"method", method}, {"params", params}};
  MOULT_TRY(send_all(request.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n", deadline));
  for (;;) {
    MOULT_ASSIGN(const std::string line, read_line(deadline));
    const Json answer = parse_json_or_discard(line);
    if (!answer.is_object())
      return fail(Error{ErrorCode::protocol, "the daemon sent a line that is no JSON object"});
    const Json none;
    const Json& answer_id = answer.contains("id") ? answer["id"] : none;
    if (answer.contains("method")) {
      const Json& about = answer.contains("params") ? answer["params"] : none;
      const bool ours = about.is_object() && about.value("request", Json()) == id;
      if (ours && on_notice_) on_notice_(member<std::string>(answer, "method", ""), about);
      continue;
    }
    // An error without an id belongs to the connection ("too many clients"), so it ends this call too.
    if (answer_id != id && !(answer_id.is_null() && answer.contains("error"))) continue;
    if (!answer.contains("error")) return answer.contains("result") ? answer["result"] : none;
    const Json& error = answer["error"];
    if (error.is_object() && error.contains("data")) *error_data_ = error["data"];
    return fail(error_from_json(error));
  }
}

Result<> Client::wait_for_end(std::optional<SteadyTime> deadline) {
  for (;;) {
    const auto line = read_line(deadline);
    if (line) continue;
    if (line.error().code == ErrorCode::unreachable) break;
    return fail(line.error());
  }
  while (process_ && !is_readable(process_)) MOULT_TRY(wait_for(process_, POLLIN, deadline));
  return {};
}

Result<> Client::send_all(std::string_view text, std::optional<SteadyTime> deadline) {
  while (!text.empty()) {
    const ssize_t count = ::send(fd_.get(), text.data(), text.size(), MSG_NOSIGNAL);
    if (count >= 0) {
      text.remove_prefix(static_cast<std::size_t>(count));
    } else if (errno == EAGAIN) {
      MOULT_TRY(wait_for(fd_, POLLOUT, deadline));
    } else if (errno == EPIPE || errno == ECONNRESET) {
      return {};  // what it said before it closed is read next
    } else if (errno != EINTR) {
      return fail(last_os_error(path_));
    }
  }
  return {};
}

Result<std::string> Client::read_line(std::optional<SteadyTime> deadline) {
  for (;;) {
    if (auto line = input_.next()) return std::move(*line);
    if (input_.is_too_long())
      return fail(Error{ErrorCode::too_large, "the answer of the daemon is too large"});
    char buffer[65536];
    const ssize_t count = ::recv(fd_.get(), buffer, sizeof buffer, 0);
    if (count > 0) {
      input_.add({buffer, static_cast<std::size_t>(count)});
    } else if (count == 0 || errno == ECONNRESET) {
      return fail(gone());
    } else if (errno == EAGAIN) {
      MOULT_TRY(wait_for(fd_, POLLIN, deadline));
    } else if (errno != EINTR) {
      return fail(last_os_error(path_));
    }
  }
}

Result<> Client::wait_for(const Fd& fd, short events, std::optional<SteadyTime> deadline) {
  if (interrupted_ != nullptr && interrupted_->load())
    return fail(Error{ErrorCode::interrupted, "interrupted"});
  int wait = kSlice;  // a signal just before poll(2) does not end it: look at the flag now and then
  if (deadline) {
    const auto left = std::chrono::ceil<Milliseconds>(*deadline - Steady::now()).count();
    if (left <= 0) return fail(Error{ErrorCode::timed_out, "the daemon has not answered in time"});
    wait = static_cast<int>(std::min<Milliseconds::rep>(left, kSlice));
  }
  pollfd entry{fd.get(), events, 0};
  if (::poll(&entry, 1, wait) < 0 && errno != EINTR) return fail(last_os_error("poll"));
  if (interrupted_ != nullptr && interrupted_->load())
    return fail(Error{ErrorCode::interrupted, "interrupted"});
  return {};
}

Error Client::gone() const {
  Error error{ErrorCode::unreachable, fmt::format("{}: the daemon has closed the connection", path_)};
  error.hint = "its log says why";
  return error;
}

}  // namespace moult::control
