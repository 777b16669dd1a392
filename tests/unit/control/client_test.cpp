#include "control/client.h"
#include "control/listening_socket.h"

#include "tests/unit/control/server_bench.h"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

namespace moult::control {

namespace {

// A process that takes one connection, closes it at once, and lives on until it may end.
class SlowToEnd {
 public:
  SlowToEnd() {
    auto listens = make_pipe();
    auto may_end = make_pipe();
    REQUIRE((listens && may_end));
    pid_ = ::fork();
    REQUIRE(pid_ >= 0);
    if (pid_ == 0) {
      may_end->write.reset();
      be_it(listens->write, may_end->read);
    }
    may_end_ = std::move(may_end->write);
    listens->write.reset();
    char byte = 0;
    REQUIRE(::read(listens->read.get(), &byte, 1) == 1);
  }
  SlowToEnd(const SlowToEnd&) = delete;
  SlowToEnd& operator=(const SlowToEnd&) = delete;
  ~SlowToEnd() {
    end();
    ::waitpid(pid_, nullptr, 0);
  }
  const std::string& path() const { return path_; }
  void end() { may_end_.reset(); }

 private:
  [[noreturn]] void be_it(const Fd& listens, const Fd& may_end) const {
    char byte = 0;
    {
      const auto socket = ListeningSocket::bind(path_);
      if (!socket || ::write(listens.get(), &byte, 1) != 1) ::_exit(1);
      pollfd entry{socket->fd(), POLLIN, 0};
      ::poll(&entry, 1, 20'000);
      const Fd client(::accept(socket->fd(), nullptr, nullptr));
    }
    [[maybe_unused]] const ssize_t end = ::read(may_end.get(), &byte, 1);
    ::_exit(0);
  }

  std::string path_ = make_folder() + "/control.sock";
  Fd may_end_;
  pid_t pid_ = -1;
};

}  // namespace

TEST_CASE("a daemon has ended when its process has, not when it has closed the connection") {
  SlowToEnd daemon;
  auto client = Client::connect(daemon.path(), ::getuid());
  REQUIRE(client);
  const auto too_early = client->wait_for_end(Steady::now() + Milliseconds(50));
  REQUIRE_FALSE(too_early);
  CHECK(too_early.error().code == ErrorCode::timed_out);
  daemon.end();
  CHECK(client->wait_for_end(soon()));
}

}  // namespace moult::control
