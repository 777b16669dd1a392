#include "control/ctl/commands.h"
#include "control/ctl/launch.h"
#include "control/ctl/pages.h"
#include "control/ctl/places.h"
#include "control/ctl/readiness.h"

#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <algorithm>
#include <cerrno>
#include <filesystem>

namespace moult::ctl {

namespace {

constexpr double kPatience = 120;  // seconds, without --timeout
constexpr Milliseconds kRival{1000};
constexpr int kPause = 50;  // ms between two looks
constexpr off_t kLogSize = 10 << 20;
constexpr std::size_t kLogLines = 20;

void pause_for_a_moment() { ::poll(nullptr, 0, kPause); }

// One `ensure`: the daemon found or started, then its apps awaited. Lives as long as the command.
class Ensure {
 public:
  explicit Ensure(Invocation& invocation)
      : invocation_(invocation),
        state_(state_folder(invocation.surroundings())),
        deadline_(*invocation.deadline(invocation.options().timeout.value_or(kPatience))) {}

  int run() {
    const auto ready = find_or_start();
    if (!ready) return invocation_.fail(ready.error(), Json());
    const auto same = check_config_folder();
    if (!same) return invocation_.fail(same.error());
    return wait_for_apps();
  }

 private:
  Result<> in_time() const {
    if (invocation_.is_interrupted()) return fail(Error{ErrorCode::interrupted, "interrupted"});
    if (Steady::now() < deadline_) return {};
    return fail(Error{ErrorCode::timed_out, "the daemon is not ready in time; it goes on starting"});
  }

  // True when a daemon answers; false when there is none.
  Result<bool> answers() {
    const auto client = invocation_.connect();
    if (client) {
      const auto pong = invocation_.call("ping", Json::object());
      if (pong) return true;
      invocation_.disconnect();
      if (pong.error().code != ErrorCode::unreachable) return fail(pong.error());
      return false;
    }
    if (client.error().code != ErrorCode::unreachable) return fail(client.error());
    return false;
  }

  // Of several shells one starts the daemon. The others wait here and then find it.
  Result<Fd> lock() const {
    if (state_.empty())
      return fail(Error{ErrorCode::failed, "this user has no home folder: set XDG_STATE_HOME"});
    MOULT_TRY(make_folders(state_));
    const std::string path = state_ + "/ensure.lock";
    Fd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!fd) return fail(last_os_error(path));
    while (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
      if (errno != EWOULDBLOCK && errno != EINTR) return fail(last_os_error(path));
      MOULT_TRY(in_time());
      pause_for_a_moment();
    }
    return fd;
  }

  Result<> find_or_start() {
    MOULT_ASSIGN(bool there, answers());
    if (there) return {};
    MOULT_ASSIGN(const Fd held, lock());
    MOULT_ASSIGN(there, answers());  // the one before us may have started it
    if (there) return {};
    return start();
  }

  Result<Fd> open_log() const {
    const std::string path = log_path();
    struct stat status {};
    if (::stat(path.c_str(), &status) == 0 && status.st_size > kLogSize)
      ::rename(path.c_str(), (path + ".1").c_str());
    Fd log(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!log) return fail(last_os_error(path));
    return log;
  }

  Result<> start() {
    const std::string program = find_moultd(own_folder(), invocation_.surroundings());
    if (program.empty()) {
      return fail(Error{ErrorCode::failed, "moultd is neither beside moultctl nor in PATH"});
    }
    std::vector<std::string> arguments{program};
    if (const std::string folder = asked_folder(); !folder.empty()) {
      arguments.insert(arguments.end(), {"--config", folder});
    }
    std::error_code ignored;
    const std::string& socket = invocation_.options().socket;
    const std::string absolute = socket.empty() ? "" : std::filesystem::absolute(socket, ignored).string();
    MOULT_ASSIGN(const Fd log, open_log());
    const off_t begin = ::lseek(log.get(), 0, SEEK_END);
    MOULT_ASSIGN(Launched daemon,
                 Launched::start(arguments, daemon_environment(invocation_.surroundings(), absolute), log));
    started_ = daemon.pid();
    SteadyTime rival_until = Steady::now() + kRival;
    for (;;) {
      MOULT_ASSIGN(const bool there, answers());
      if (there && daemon.ended()) started_ = 0;
      if (there) return {};
      const auto code = daemon.ended();
      if (code && (*code == exit_code(ErrorCode::config_invalid) || Steady::now() > rival_until)) {
        return fail(ended_error(*code, begin));
      }
      // Ours may have given way to a daemon that was started by other means and is not listening yet.
      if (!code) rival_until = Steady::now() + kRival;
      MOULT_TRY(in_time());
      pause_for_a_moment();
    }
  }

  Error ended_error(int code, off_t begin) const {
    Error error{code == exit_code(ErrorCode::config_invalid) ? ErrorCode::config_invalid : ErrorCode::failed,
                fmt::format("moultd has ended at once with code {}", code)};
    const auto log = read_file(log_path());
    const auto from = static_cast<std::size_t>(std::max<off_t>(begin, 0));
    if (log && log->size() > from) error.detail = readable_log(log->substr(from), kLogLines);
    error.hint = "its log: " + log_path();
    return error;
  }

  // A daemon that serves another folder is not the one that was asked for.
  Result<> check_config_folder() {
    const std::string asked = asked_folder();
    if (asked.empty()) return {};
    MOULT_ASSIGN(const Json version, invocation_.call("version", Json::object()));
    std::error_code ignored;
    const std::string its =
        std::filesystem::weakly_canonical(text_at(version, "config_folder"), ignored).string();
    if (its == std::filesystem::weakly_canonical(asked, ignored).string()) return {};
    Error error{ErrorCode::failed, fmt::format("the daemon that answers serves {}, not {}",
                                               its.empty() ? "no config folder" : its, asked)};
    error.hint =
        fmt::format("give the other one a socket of its own: moultctl -s PATH ensure --config {}", asked);
    return fail(std::move(error));
  }

  int wait_for_apps() {
    for (;;) {
      const auto list = invocation_.call("list", Json::object());
      if (!list) return invocation_.fail(list.error());
      const Readiness readiness = readiness_of(*list);
      if (readiness.is_settled()) return report(readiness, *list);
      if (auto late = in_time(); !late) {
        late.error().detail = fmt::format("still starting: {}", fmt::join(readiness.starting, ", "));
        return invocation_.fail(late.error(), Json());
      }
      pause_for_a_moment();
    }
  }

  int report(const Readiness& readiness, const Json& list) {
    int code = 0;
    for (const auto* names : {&readiness.failed, &readiness.degraded}) {
      for (const std::string& name : *names)
        code = graver(code, report_app(name, names == &readiness.failed));
    }
    if (invocation_.options().json) {
      invocation_.print_json({{"started", started_ != 0}, {"code", code}, {"apps", list_at(list, "apps")}});
    } else if (!invocation_.options().quiet) {
      const std::string what =
          started_ == 0 ? "moultd runs already" : fmt::format("moultd started (pid {})", started_);
      invocation_.print(fmt::format("{}, {} served\n", what, count_of(readiness.served, "app")));
    }
    return code;
  }

  int report_app(const std::string& name, bool failed) {
    const auto page = invocation_.call("status", {{"app", name}});
    if (!page) return invocation_.fail(page.error());
    if (!failed && object_at(*page, "rejected").empty()) return 0;  // degraded, but the newest code serves
    const Error error = reason_from(*page);
    if (!invocation_.options().json)
      invocation_.complain(error_text(error, Json(), invocation_.error_look()));
    return exit_code(error.code);
  }

  std::string asked_folder() const {
    const std::string& folder = invocation_.options().folder;
    std::error_code ignored;
    return folder.empty() ? "" : std::filesystem::absolute(folder, ignored).lexically_normal().string();
  }
  std::string log_path() const { return state_ + "/moultd.log"; }

  Invocation& invocation_;
  std::string state_;
  SteadyTime deadline_;
  pid_t started_ = 0;
};

}  // namespace

int run_ensure(Invocation& invocation) { return Ensure(invocation).run(); }

}  // namespace moult::ctl
