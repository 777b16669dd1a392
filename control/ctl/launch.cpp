#include "control/ctl/launch.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

namespace moult::ctl {

namespace {

// What the two children tell us through a pipe that closes at exec.
struct Report {
  pid_t pid;
  int error;
};

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> list;
  list.reserve(texts.size() + 1);
  for (std::string& text : texts) list.push_back(text.data());
  list.push_back(nullptr);
  return list;
}

[[noreturn]] void leave_with(int pipe, int error) {
  const Report report{0, error};
  [[maybe_unused]] const ssize_t written = ::write(pipe, &report, sizeof report);
  ::_exit(127);
}

// In the grandchild: only calls that are safe after fork (signal-safety(7)).
[[noreturn]] void become(char* const* arguments, char* const* environment, int log, int pipe) {
  const int nothing = ::open("/dev/null", O_RDONLY);
  const bool ready = nothing >= 0 && ::dup2(nothing, 0) >= 0 && ::dup2(log, 1) >= 0 && ::dup2(log, 2) >= 0 &&
                     ::chdir("/") == 0;
  if (!ready) leave_with(pipe, errno);
  for (const int number : {SIGPIPE, SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGCHLD}) ::signal(number, SIG_DFL);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
  ::execve(arguments[0], arguments, environment);
  leave_with(pipe, errno);
}

}  // namespace

Result<Launched> Launched::start(const std::vector<std::string>& arguments,
                                 const std::map<std::string, std::string>& environment, const Fd& log) {
  std::vector<std::string> words = arguments;
  std::vector<std::string> variables;
  variables.reserve(environment.size());
  for (const auto& [name, value] : environment) variables.push_back(fmt::format("{}={}", name, value));
  const std::vector<char*> word_list = pointers(words);
  const std::vector<char*> variable_list = pointers(variables);
  MOULT_ASSIGN(PipePair pipe, make_pipe());
  // The daemon's parent is gone at once; this makes us the next one, so that its exit can be seen.
  ::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);

  const pid_t child = ::fork();
  if (child < 0) return fail(last_os_error("fork"));
  if (child == 0) {
    ::setsid();
    const pid_t grandchild = ::fork();
    if (grandchild < 0) leave_with(pipe.write.get(), errno);
    if (grandchild == 0) become(word_list.data(), variable_list.data(), log.get(), pipe.write.get());
    const Report report{grandchild, 0};
    [[maybe_unused]] const ssize_t written = ::write(pipe.write.get(), &report, sizeof report);
    ::_exit(0);
  }
  pipe.write.reset();
  while (::waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
  }
  pid_t pid = 0;
  int error = 0;
  for (;;) {
    Report report{};
    const ssize_t count = ::read(pipe.read.get(), &report, sizeof report);
    if (count < 0 && errno == EINTR) continue;
    if (count != static_cast<ssize_t>(sizeof report)) break;  // closed: it runs the program now
    if (report.pid != 0) pid = report.pid;
    if (report.error != 0) error = report.error;
  }
  if (error != 0) return fail(os_error("cannot start " + arguments[0], error));
  return Launched(pid);
}

std::optional<int> Launched::ended() {
  int status = 0;
  if (!status_ && ::waitpid(pid_, &status, WNOHANG) == pid_) {
    status_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
  return status_;
}

}  // namespace moult::ctl
