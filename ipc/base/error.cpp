#include "ipc/base/error.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace moult {

std::string_view to_string(ErrorCode code) {
  switch (code) {
    case ErrorCode::failed: return "failed";
    case ErrorCode::usage: return "usage";
    case ErrorCode::not_running: return "not_running";
    case ErrorCode::no_such_app: return "no_such_app";
    case ErrorCode::config_invalid: return "config_invalid";
    case ErrorCode::code_rejected: return "code_rejected";
    case ErrorCode::unreachable: return "unreachable";
    case ErrorCode::denied: return "denied";
    case ErrorCode::timed_out: return "timed_out";
    case ErrorCode::interrupted: return "interrupted";
    case ErrorCode::os: return "os";
    case ErrorCode::protocol: return "protocol";
    case ErrorCode::too_large: return "too_large";
  }
  return "failed";
}

int exit_code(ErrorCode code) {
  switch (code) {
    case ErrorCode::usage: return 2;
    case ErrorCode::not_running: return 3;
    case ErrorCode::no_such_app: return 4;
    case ErrorCode::config_invalid: return 5;
    case ErrorCode::code_rejected: return 6;
    case ErrorCode::unreachable: return 7;
    case ErrorCode::denied: return 8;
    case ErrorCode::timed_out: return 124;
    case ErrorCode::interrupted: return 130;
    default: return 1;
  }
}

Error Error::with_context(std::string_view context) && {
  message = fmt::format("{}: {}", context, message);
  return std::move(*this);
}

Error os_error(std::string_view what, int number) {
  Error error{ErrorCode::os, fmt::format("{}: {}", what, std::strerror(number))};
  error.os_number = number;
  return error;
}

Error last_os_error(std::string_view what) { return os_error(what, errno); }

Error no_task_error(std::string_view what, int number) {
  Error error = os_error(what, number);
  if (number == EAGAIN) {
    error.message +=
        ": the limit of tasks of this account (ulimit -u) or of its service (TasksMax) is reached";
  }
  return error;
}

bool is_shortage(const Error& error) {
  const int number = error.os_number;
  return number == EMFILE || number == ENFILE || number == ENOMEM || number == ENOBUFS || number == EAGAIN;
}

std::string describe(const Error& error) {
  if (error.file.empty()) return error.message;
  if (error.line == 0) return fmt::format("{}: {}", error.file, error.message);
  return fmt::format("{}:{}: {}", error.file, error.line, error.message);
}

void abort_with(const char* file, int line, const char* message) {
  std::fprintf(stderr, "moult: bug at %s:%d: %s\n", file, line, message);
  std::abort();
}

}  // namespace moult
