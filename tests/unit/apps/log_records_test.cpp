#include "daemon/serve/log_pipe.h"

#include <doctest/doctest.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include <unistd.h>

using namespace moult;

namespace {

using Lines = std::vector<std::string>;  // "o:text"

std::string record(char stream, std::string_view text) {
  const auto size = static_cast<std::uint32_t>(text.size());
  std::string bytes(sizeof size, '\0');
  std::memcpy(bytes.data(), &size, sizeof size);
  return bytes + stream + std::string(text);
}

LogRecords::Sink into(Lines& lines) {
  return [&lines](char stream, std::string_view line) {
    lines.push_back(std::string(1, stream) + ":" + std::string(line));
  };
}

const std::string kThree = record('o', "hello") + record('e', "") + record('l', std::string("a\0b\nc", 5));
const Lines kThreeLines{"o:hello", "e:", std::string("l:a\0b\nc", 7)};

}  // namespace

TEST_CASE("records that come in one piece are told one by one, in their order") {
  LogRecords records;
  Lines lines;
  CHECK(records.feed(kThree, into(lines)));
  CHECK(lines == kThreeLines);
}

TEST_CASE("records may be cut at any byte") {
  for (std::size_t cut = 0; cut <= kThree.size(); ++cut) {
    CAPTURE(cut);
    LogRecords records;
    Lines lines;
    CHECK(records.feed(std::string_view(kThree).substr(0, cut), into(lines)));
    CHECK(records.feed(std::string_view(kThree).substr(cut), into(lines)));
    CHECK(lines == kThreeLines);
  }
}

TEST_CASE("records may come byte by byte") {
  LogRecords records;
  Lines lines;
  for (const char byte : kThree) CHECK(records.feed({&byte, 1}, into(lines)));
  CHECK(lines == kThreeLines);
}

TEST_CASE("a record that is not whole yet is not told") {
  LogRecords records;
  Lines lines;
  CHECK(records.feed(std::string_view(kThree).substr(0, 9), into(lines)));
  CHECK(lines.empty());
  CHECK(records.feed({}, into(lines)));
  CHECK(lines.empty());
}

TEST_CASE("the longest line of the protocol passes, a longer one ends the pipe") {
  LogRecords records;
  Lines lines;
  CHECK(records.feed(record('o', std::string(4000, 'x')), into(lines)));
  REQUIRE(lines.size() == 1);
  CHECK(lines[0].size() == 4002);
  CHECK_FALSE(records.feed(record('o', std::string(4001, 'x')), into(lines)));
  CHECK(lines.size() == 1);
}

TEST_CASE("what came before bad bytes is told, what comes with them is not") {
  LogRecords records;
  Lines lines;
  CHECK_FALSE(records.feed(record('o', "good") + "\xff\xff\xff\xff" + record('o', "late"), into(lines)));
  CHECK(lines == Lines{"o:good"});
}

TEST_CASE("a size that is too large is refused as soon as it is known") {
  LogRecords records;
  Lines lines;
  CHECK(records.feed("\xff\xff\xff", into(lines)));
  CHECK(records.feed("\x7f", into(lines)));
  CHECK_FALSE(records.feed("o", into(lines)));
}

TEST_CASE("a pipe is read until its writers have gone") {
  uv::Loop loop;
  auto pipe = make_pipe();
  REQUIRE(pipe);
  REQUIRE(set_nonblocking(pipe->read));
  Lines lines;
  const LogPipe reader(loop, std::move(pipe->read), into(lines));
  REQUIRE(::write(pipe->write.get(), kThree.data(), kThree.size()) == static_cast<ssize_t>(kThree.size()));
  pipe->write.reset();
  loop.run();  // ends when nothing is waited for any more
  CHECK(lines == kThreeLines);
}

TEST_CASE("a pipe with bytes that are no records is closed, so that its writer gets an error") {
  uv::Loop loop;
  auto pipe = make_pipe();
  REQUIRE(pipe);
  REQUIRE(set_nonblocking(pipe->read));
  Lines lines;
  const LogPipe reader(loop, std::move(pipe->read), into(lines));
  const std::string bad(64, '\xff');
  REQUIRE(::write(pipe->write.get(), bad.data(), bad.size()) == 64);
  loop.run();
  CHECK(lines.empty());
}

TEST_CASE("a drain takes what lies in the pipe without waiting for more") {
  uv::Loop loop;
  auto pipe = make_pipe();
  REQUIRE(pipe);
  REQUIRE(set_nonblocking(pipe->read));
  Lines lines;
  LogPipe reader(loop, std::move(pipe->read), into(lines));
  REQUIRE(::write(pipe->write.get(), kThree.data(), kThree.size()) == static_cast<ssize_t>(kThree.size()));
  reader.drain();
  CHECK(lines == kThreeLines);
  reader.drain();
  CHECK(lines == kThreeLines);
}
