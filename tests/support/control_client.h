#pragma once

#include "tests/support/eventually.h"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace moult::testing {

// What a control request gave: its result or its error, read with JSON pointers (RFC 6901), so that
// cases need not include the JSON library. A member that is not there, or of another kind, throws.
class Answer {
 public:
  explicit Answer(std::string line);
  ~Answer();
  Answer(Answer&&) noexcept;
  Answer& operator=(Answer&&) noexcept;

  bool ok() const;
  // "" when it went well, else data.code, and the message.
  std::string error_code() const;
  std::string error_message() const;

  bool has(std::string_view pointer) const;  // there, and not null
  std::string text(std::string_view pointer) const;
  double number(std::string_view pointer) const;
  bool flag(std::string_view pointer) const;
  std::size_t size(std::string_view pointer) const;  // of a list or an object
  // The same for the error's data.
  std::string error_text(std::string_view pointer) const;
  const std::string& raw() const { return raw_; }

 private:
  struct Parsed;
  std::string raw_;
  std::unique_ptr<Parsed> parsed_;
};

// One connection to a control socket, one request at a time (docs/control.md). Notifications that come
// before the answer are kept.
class ControlClient {
 public:
  explicit ControlClient(const std::string& socket_path);
  ControlClient(const ControlClient&) = delete;
  ControlClient& operator=(const ControlClient&) = delete;
  ~ControlClient();

  // `parameters`: a JSON object as text.
  Answer call(std::string_view method, std::string_view parameters = "{}", Deadline deadline = soon());
  // Any line; the next line that is no notification.
  Answer send_line(std::string_view line, Deadline deadline = soon());
  const std::vector<std::string>& notifications() const { return notifications_; }
  bool ends(Deadline deadline = soon());

 private:
  std::string read_line(Deadline deadline);

  int fd_ = -1;
  int next_id_ = 1;
  std::string buffer_;
  std::vector<std::string> notifications_;
};

// The string as JSON, with its quotes.
std::string json_text(std::string_view text);

}  // namespace moult::testing
