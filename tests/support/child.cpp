#include "tests/support/child.h"

#include "tests/support/app_tree.h"
#include "tests/support/eventually.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <mutex>
#include <set>
#include <stdexcept>
#include <system_error>

namespace moult::testing {

namespace {

struct ProcessRow {
  pid_t pid = 0;
  pid_t parent = 0;
  pid_t session = 0;
  bool alive = false;
};

// One line of /proc/PID/stat (proc(5): the name in brackets may hold anything, so the fields are
// counted from the last bracket).
std::optional<ProcessRow> row_of(const std::filesystem::path& folder) {
  const std::string text = read_file(folder / "stat");
  const std::size_t bracket = text.rfind(')');
  if (bracket == std::string::npos) return std::nullopt;
  ProcessRow row;
  char state = 0;
  int group = 0;
  row.pid = static_cast<pid_t>(std::atol(text.c_str()));
  if (std::sscanf(text.c_str() + bracket + 1, " %c %d %d %d", &state, &row.parent, &group, &row.session) !=
      4) {
    return std::nullopt;
  }
  row.alive = state != 'Z' && state != 'X';
  return row;
}

std::vector<ProcessRow> all_processes() {
  std::vector<ProcessRow> rows;
  std::error_code gone;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", gone)) {
    const std::string name = entry.path().filename();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    if (const auto row = row_of(entry.path())) rows.push_back(*row);
  }
  return rows;
}

// The children that this process started itself. Any other child of it is an orphan: a process whose
// parent, a child of ours, has ended (we are their subreaper, prctl(2)).
class OwnChildren {
 public:
  static OwnChildren& all() {
    static OwnChildren children;
    return children;
  }
  void add(pid_t pid) {
    const std::lock_guard lock(mutex_);
    pids_.insert(pid);
  }
  void remove(pid_t pid) {
    const std::lock_guard lock(mutex_);
    pids_.erase(pid);
  }
  bool has(pid_t pid) {
    const std::lock_guard lock(mutex_);
    return pids_.contains(pid);
  }

 private:
  OwnChildren() { ::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); }

  std::mutex mutex_;
  std::set<pid_t> pids_;
};

void redirect(const std::string& path, int to) {
  const int fd = path.empty() ? ::open("/dev/null", O_WRONLY)
                              : ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  if (fd < 0 || ::dup2(fd, to) < 0) ::_exit(126);
  if (fd != to) ::close(fd);
}

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> all;
  for (const std::string& text : texts) all.push_back(const_cast<char*>(text.c_str()));
  all.push_back(nullptr);
  return all;
}

}  // namespace

Child::Child(const Command& command) : orphans_(command.orphans) {
  std::vector<std::string> environment;
  for (const auto& [name, value] : command.environment) environment.push_back(name + "=" + value);
  const std::vector<char*> arguments = pointers(command.arguments);
  const std::vector<char*> variables = pointers(environment);
  OwnChildren& own = OwnChildren::all();
  pid_ = ::fork();
  if (pid_ < 0) throw std::system_error(errno, std::generic_category(), "fork");
  if (pid_ == 0) {
    ::setsid();
    if (!command.folder.empty() && ::chdir(command.folder.c_str()) != 0) ::_exit(126);
    redirect("", STDOUT_FILENO);
    const int null = ::open("/dev/null", O_RDONLY);
    ::dup2(null, STDIN_FILENO);
    redirect(command.output, STDOUT_FILENO);
    redirect(command.errors, STDERR_FILENO);
    ::close_range(3, ~0U, 0);
    ::execvpe(arguments[0], arguments.data(), variables.data());
    ::_exit(127);
  }
  own.add(pid_);
}

Child::~Child() {
  const auto kill_all = [this] {
    const std::vector<pid_t> alive = family();
    for (const pid_t pid : alive) ::kill(pid, SIGKILL);
    reap();
    return alive.empty();
  };
  eventually(kill_all);
  OwnChildren::all().remove(pid_);
}

bool Child::reap() {
  if (status_) return true;
  int status = 0;
  if (::waitpid(pid_, &status, WNOHANG) != pid_) return false;
  status_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return true;
}

bool Child::is_running() { return !reap(); }

void Child::send_signal(int number) const {
  if (!status_) ::kill(pid_, number);
}

std::optional<int> Child::wait(Deadline deadline) {
  eventually([this] { return reap(); }, deadline);
  return status_;
}

std::vector<pid_t> Child::family() const {
  const std::vector<ProcessRow> rows = all_processes();
  std::set<pid_t> members{pid_};
  const auto belongs = [&](const ProcessRow& row) {
    const bool is_orphan = row.parent == ::getpid() && !OwnChildren::all().has(row.pid);
    if (is_orphan && !row.alive) ::waitpid(row.pid, nullptr, WNOHANG);
    return row.session == pid_ || (is_orphan && orphans_ == Orphans::killed) || members.contains(row.parent);
  };
  for (std::size_t before = 0; before != members.size();) {  // children of children
    before = members.size();
    for (const ProcessRow& row : rows) {
      if (belongs(row)) members.insert(row.pid);
    }
  }
  std::vector<pid_t> alive;
  for (const ProcessRow& row : rows) {
    if (row.alive && members.contains(row.pid)) alive.push_back(row.pid);
  }
  return alive;
}

Finished run(Command command, const std::string& scratch_folder) {
  static std::atomic<int> number{0};
  const std::string base = scratch_folder + "/run-" + std::to_string(++number);
  command.output = base + ".out";
  command.errors = base + ".err";
  command.orphans = Orphans::left;
  Child child(command);
  const std::optional<int> status = child.wait(Clock::now() + 4 * patience());
  Finished finished{status.value_or(-1), read_file(command.output), read_file(command.errors)};
  if (!status) {
    throw std::runtime_error(command.arguments[0] + " did not end; it wrote:\n" + finished.output +
                             finished.errors);
  }
  return finished;
}

}  // namespace moult::testing
