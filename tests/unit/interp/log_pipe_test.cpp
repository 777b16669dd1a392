#include "interp/channel/log_pipe.h"

#include <doctest/doctest.h>

#include <unistd.h>
#include <csignal>
#include <cstring>
#include <thread>
#include <vector>

using namespace moult;

namespace {

struct Record {
  char stream;
  std::string text;
  bool operator==(const Record&) const = default;
};

std::vector<Record> records_in(std::string_view bytes) {
  std::vector<Record> records;
  while (!bytes.empty()) {
    std::uint32_t size = 0;
    REQUIRE(bytes.size() >= 5);
    std::memcpy(&size, bytes.data(), 4);
    REQUIRE(bytes.size() >= 5 + size);
    records.push_back({bytes[4], std::string(bytes.substr(5, size))});
    bytes.remove_prefix(5 + size);
  }
  return records;
}

struct Pipe {
  Fd read;
  LogPipe log;
};

Pipe make() {
  auto pair = make_pipe();
  REQUIRE(pair);
  return {std::move(pair->read), LogPipe(std::move(pair->write))};
}

std::string drain(const Fd& fd) {
  std::string bytes(1 << 20, '\0');
  const ssize_t size = ::read(fd.get(), bytes.data(), bytes.size());
  bytes.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
  return bytes;
}

}  // namespace

TEST_CASE("text becomes lines, and what has no end waits for it") {
  Pipe pipe = make();
  std::string ready;
  pipe.log.collect('o', "one\ntwo\n\nth", ready);
  pipe.log.collect('o', "r", ready);
  CHECK(records_in(ready) == std::vector<Record>{{'o', "one"}, {'o', "two"}, {'o', ""}});
  ready.clear();
  pipe.log.collect('e', "other stream\n", ready);
  pipe.log.collect('o', "ee\nfour", ready);
  CHECK(records_in(ready) == std::vector<Record>{{'e', "other stream"}, {'o', "three"}});
  ready.clear();
  pipe.log.collect_rest(ready);
  CHECK(records_in(ready) == std::vector<Record>{{'o', "four"}});
}

TEST_CASE("two threads do not write into each other's lines") {
  Pipe pipe = make();
  std::string ready;
  pipe.log.collect('o', "here ", ready);
  std::thread([&] { pipe.log.collect('o', "there\n", ready); }).join();
  pipe.log.collect('o', "again\n", ready);
  CHECK(records_in(ready) == std::vector<Record>{{'o', "there"}, {'o', "here again"}});
}

TEST_CASE("a long line is split between characters") {
  Pipe pipe = make();
  std::string line;
  for (int i = 0; i < 3000; ++i) line += "\xe2\x98\x83";
  std::string ready;
  pipe.log.collect('o', "x" + line + "\n", ready);
  std::string joined;
  for (const Record& record : records_in(ready)) {
    CHECK(record.text.size() <= 4000);
    CHECK((static_cast<unsigned char>(record.text[0]) & 0xC0) != 0x80);
    joined += record.text;
  }
  CHECK(joined == "x" + line);
}

TEST_CASE("a full pipe keeps whole records for the caller, who may drop them") {
  Pipe pipe = make();
  std::string ready;
  for (int i = 0; i < 100; ++i) pipe.log.collect('o', std::string(3000, 'x') + "\n", ready);
  const std::size_t before = records_in(ready).size();
  CHECK_FALSE(pipe.log.write(ready));
  const std::size_t kept = records_in(ready).size();
  CHECK(kept < before);
  CHECK(records_in(drain(pipe.read)).size() == before - kept);
  pipe.log.drop(ready);
  CHECK(pipe.log.take_dropped() == kept);
  CHECK(pipe.log.take_dropped() == 0);
}

TEST_CASE("a reader that has gone does not hold the writer") {
  Pipe pipe = make();
  pipe.read.reset();
  ::signal(SIGPIPE, SIG_IGN);
  std::string ready;
  pipe.log.collect('o', "lost\n", ready);
  CHECK(pipe.log.write(ready));
  CHECK(ready.empty());
}
