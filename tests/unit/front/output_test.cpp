#include "daemon/front/output.h"

#include <doctest/doctest.h>

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <array>
#include <cstdlib>

using namespace moult;
using namespace moult::http;

namespace {

struct Pair {
  Pair() {
    int pair[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) == 0);
    ours = Fd(pair[0]);
    theirs = Fd(pair[1]);
  }
  std::string read() const {
    std::string text;
    char buffer[65536];
    for (ssize_t count = 0; (count = ::recv(theirs.get(), buffer, sizeof buffer, 0)) > 0;) {
      text.append(buffer, static_cast<std::size_t>(count));
    }
    return text;
  }
  Fd ours;
  Fd theirs;
};

std::shared_ptr<const Fd> file_with(std::string_view content) {
  char name[] = "/tmp/moult-output-XXXXXX";
  Fd fd(::mkostemp(name, O_CLOEXEC));
  REQUIRE(fd);
  ::unlink(name);
  REQUIRE(::write(fd.get(), content.data(), content.size()) == static_cast<ssize_t>(content.size()));
  return std::make_shared<const Fd>(std::move(fd));
}

}  // namespace

TEST_CASE("what the socket takes at once is not kept") {
  const Pair pair;
  Output output;
  const std::array<std::string_view, 3> slices{"one ", "", "two"};
  CHECK(output.send(pair.ours.get(), slices) == Output::State::empty);
  CHECK(output.is_empty());
  CHECK(output.written() == 7);
  CHECK(pair.read() == "one two");
}

TEST_CASE("what the socket does not take waits in order and is sent later") {
  const Pair pair;
  Output output;
  std::string expected;
  Output::State state = Output::State::empty;
  for (int i = 0; i < 40; ++i) {
    const std::string piece(50'000, static_cast<char>('a' + i % 26));
    expected += piece;
    const std::string_view view = piece;
    state = output.send(pair.ours.get(), {&view, 1});
  }
  CHECK(state == Output::State::blocked);
  CHECK(output.waiting_bytes() > 0);
  std::string got;
  for (int i = 0; i < 1000 && state != Output::State::empty; ++i) {
    got += pair.read();
    state = output.flush(pair.ours.get());
  }
  got += pair.read();
  CHECK(got == expected);
  CHECK(output.waiting_bytes() == 0);
  CHECK(output.written() == expected.size());
}

TEST_CASE("a file is sent between the bytes around it, after it was brought into memory") {
  const Pair pair;
  Output output;
  output.queue("before ");
  output.queue_file({file_with("0123456789"), 2, 5, 0});
  output.queue(" after");
  CHECK(output.has_file());
  CHECK(output.flush(pair.ours.get()) == Output::State::needs_file);
  const FileRegion window = output.next_read();
  CHECK(window.offset == 2);
  CHECK(window.length == 5);
  output.file_read(window.length);
  CHECK(output.flush(pair.ours.get()) == Output::State::empty);
  CHECK_FALSE(output.has_file());
  CHECK(pair.read() == "before 23456 after");
}

TEST_CASE("a file that ends too early closes") {
  const Pair pair;
  Output output;
  output.queue_file({file_with("short"), 0, 50, 50});
  CHECK(output.flush(pair.ours.get()) == Output::State::closed);
}

TEST_CASE("a reader that has gone closes") {
  Pair pair;
  pair.theirs.reset();
  Output output;
  const std::string_view text = "x";
  CHECK(output.send(pair.ours.get(), {&text, 1}) == Output::State::closed);
}
