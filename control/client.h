#pragma once

#include "control/line_buffer.h"
#include "control/method.h"
#include "ipc/base/clock.h"
#include "ipc/base/fd.h"

#include <atomic>
#include <functional>
#include <optional>
#include <string>

namespace moult::control {

// A blocking connection to a daemon, for moultctl and tests: one request at a time. Every wait ends at a
// deadline, or when `interrupted` becomes true (a signal handler's flag; poll(2) returns EINTR). One thread.
class Client {
 public:
  using OnNotice = std::function<void(const std::string& kind, const Json& params)>;  // "progress", "event"

  // Connects to a socket where a daemon of `uid` answers (ErrorCode::unreachable, ::denied).
  static Result<Client> connect(const std::string& path, uid_t uid);

  void set_interrupted(const std::atomic<bool>* flag) { interrupted_ = flag; }
  void set_on_notice(OnNotice on_notice) { on_notice_ = std::move(on_notice); }

  // Result or the error that the daemon answered; `data` of the error in `error_data()`.
  // nullopt as deadline: none.
  Result<Json> call(const std::string& method, const Json& params, std::optional<SteadyTime> deadline);

  // The whole "data" object of the last error, null when the last call succeeded.
  const Json& error_data() const;

  // Waits until the daemon's process has ended (after shutdown), and what it had locked is free with it.
  // One of another pid namespace cannot be seen: then until it closes the connection.
  Result<> wait_for_end(std::optional<SteadyTime> deadline);

  const std::string& path() const { return path_; }

  Client(Client&&) noexcept;
  Client& operator=(Client&&) noexcept;
  ~Client();

 private:
  Client(Fd fd, Fd process, std::string path);
  Result<> send_all(std::string_view text, std::optional<SteadyTime> deadline);
  Result<std::string> read_line(std::optional<SteadyTime> deadline);
  Result<> wait_for(const Fd& fd, short events, std::optional<SteadyTime> deadline);
  Error gone() const;

  Fd fd_;
  Fd process_;  // a pidfd of the daemon; none when it cannot be seen from here
  std::string path_;
  LineBuffer input_;
  std::int64_t next_id_ = 1;
  const std::atomic<bool>* interrupted_ = nullptr;
  OnNotice on_notice_;
  std::unique_ptr<Json> error_data_;
};

// The error that JSON-RPC's error object stands for.
Error error_from_json(const Json& json);

}  // namespace moult::control
