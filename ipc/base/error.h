#pragma once

#include <string>
#include <string_view>

namespace moult {

// What kind of thing went wrong. The names (to_string) are stable: scripts see them on the control
// socket as data.code, and moultctl turns them into exit codes (docs/control.md).
enum class ErrorCode {
  failed,          // exit 1: the operation did not work
  usage,           // exit 2: the request itself is wrong
  not_running,     // exit 3: the app is stopped
  no_such_app,     // exit 4
  config_invalid,  // exit 5
  code_rejected,   // exit 6: new code was refused, the old one still serves
  unreachable,     // exit 7: no daemon answers
  denied,          // exit 8
  timed_out,       // exit 124
  interrupted,     // exit 130
  os,              // exit 1: a system call failed
  protocol,        // exit 1: the peer sent what the protocol does not allow
  too_large,       // exit 1: a stated limit was exceeded
};

std::string_view to_string(ErrorCode code);
int exit_code(ErrorCode code);

// Why something failed: a stable code, one sentence (lower case, no full stop, it names the
// object), and where known the place and what to do about it. A value; copied freely.
struct Error {
  ErrorCode code = ErrorCode::failed;
  std::string message;
  std::string detail{};  // long text, a Python traceback for example
  std::string file{};
  int line = 0;  // 1-based; 0: not known
  std::string hint{};
  int os_number = 0;  // errno, where a system call failed

  Error with_context(std::string_view context) &&;
};

// "what: strerror(number)".
Error os_error(std::string_view what, int number);
// The same for the current errno.
Error last_os_error(std::string_view what);

// The same where a thread or a process was to be started: EAGAIN then is a limit, which it names.
Error no_task_error(std::string_view what, int number);

// The system had no descriptors, memory or processes left: the same may work a little later.
bool is_shortage(const Error& error);

// "file:line: message" where a place is known, else the message.
std::string describe(const Error& error);

// Our own bugs: prints the place and the message to stderr and aborts.
[[noreturn]] void abort_with(const char* file, int line, const char* message);

}  // namespace moult

#define MOULT_CHECK(condition, message)                 \
  do {                                                  \
    if (!(condition)) {                                 \
      ::moult::abort_with(__FILE__, __LINE__, message); \
    }                                                   \
  } while (false)
