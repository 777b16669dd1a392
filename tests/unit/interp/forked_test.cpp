#include "interp/threads/forked.h"
#include "ipc/base/fd.h"

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <csignal>

using namespace moult;

TEST_CASE("a forked child has Python's signal handlers, none of the host's lanes, and its mutexes free") {
  struct sigaction usual {};
  usual.sa_handler = SIG_DFL;
  ::sigaction(SIGTERM, &usual, nullptr);
  forked::signals_are_pythons();
  struct sigaction nothing {};
  nothing.sa_handler = [](int) {};
  ::sigaction(SIGTERM, &nothing, nullptr);
  forked::signals_are_ours();
  int pair[2];
  REQUIRE(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
  const Fd ours(pair[0]);
  const Fd theirs(pair[1]);
  forked::close_in_child(theirs.get());
  static std::mutex mutex;
  forked::hold(mutex);

  const pid_t child = ::fork();
  if (child == 0) {
    struct sigaction now {};
    ::sigaction(SIGTERM, nullptr, &now);
    const bool wrote = ::send(theirs.get(), "x", 1, MSG_NOSIGNAL) == 1;
    const bool is_free = mutex.try_lock();
    ::_exit(forked::is_child() && now.sa_handler == SIG_DFL && !wrote && is_free ? 0 : 1);
  }
  int status = -1;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(status == 0);
  CHECK_FALSE(forked::is_child());
  CHECK(::send(theirs.get(), "x", 1, MSG_NOSIGNAL) == 1);
  CHECK(mutex.try_lock());
  mutex.unlock();
  ::sigaction(SIGTERM, &usual, nullptr);
}
