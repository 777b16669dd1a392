#pragma once

#include "daemon/hosts/host.h"
#include "daemon/serve/dispatcher.h"
#include "tests/unit/snapshot/temp_tree.h"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <sys/socket.h>
#include <sys/un.h>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace moult::test {

using Json = nlohmann::json;

// A command of the daemon, as its host would get it.
struct Command {
  Json json;
  std::vector<Fd> descriptors;
};

// The host's part, played by the test: the process behind it has handed its end of the command
// channel over and only waits to be told to end.
struct HostPart {
  Fd meeting;
  Fd channel;

  std::optional<Command> take() const {
    std::string packet(256 * 1024, '\0');
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * 253)];
    iovec slice{packet.data(), packet.size()};
    msghdr message{};
    message.msg_iov = &slice;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    const ssize_t size = ::recvmsg(channel.get(), &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (size <= 0) return std::nullopt;
    Command command;
    command.json = Json::parse(packet.substr(0, static_cast<std::size_t>(size)));
    const cmsghdr* header = CMSG_FIRSTHDR(&message);
    if (header == nullptr) return command;
    std::vector<int> numbers((header->cmsg_len - CMSG_LEN(0)) / sizeof(int));
    std::memcpy(numbers.data(), CMSG_DATA(header), numbers.size() * sizeof(int));
    for (const int number : numbers) command.descriptors.emplace_back(number);
    return command;
  }
  void send_text(std::string_view packet) const {
    REQUIRE(::send(channel.get(), packet.data(), packet.size(), MSG_NOSIGNAL) ==
            static_cast<ssize_t>(packet.size()));
  }
  void send(const Json& event) const { send_text(event.dump()); }
  void send_with(const Json& event, const Fd& descriptor) const {
    REQUIRE(lane::send(channel.get(), event.dump(), {}, lane::Wait::no, descriptor.get()) == lane::Sent::yes);
  }
  void exit(char code) const { REQUIRE(::send(meeting.get(), &code, 1, MSG_NOSIGNAL) == 1); }
};

// Hosts whose part the test plays, on a loop of their own: real processes, sockets and descriptors
// on the daemon's side, and no Python of ours on the other.
class HostBench : public Host::Owner {
 public:
  HostBench() : listener_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
    temp.write("_moult_host.py",
               "import os, socket, sys\n"
               "def main(channel, cache_folder, cache_bytes):\n"
               "    meeting = socket.socket(socket.AF_UNIX)\n"
               "    meeting.connect(sys.argv[1] + '/meeting')\n"
               "    socket.send_fds(meeting, [b'x'], [channel])\n"
               "    os.close(channel)\n"
               "    code = meeting.recv(1)\n"
               "    os._exit(code[0] if code else 0)\n");
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    temp.path("meeting").copy(address.sun_path, sizeof address.sun_path - 1);
    REQUIRE(::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    REQUIRE(::listen(listener_.get(), 16) == 0);
  }

  static HostKey key() {
    HostKey key;
    key.python.executable = "/usr/bin/python3";
    key.python.suffix = ".py";
    key.python.major = 3;
    key.python.minor = 11;
    key.mode = InterpreterMode::shared;
    return key;
  }

  // Starts a host and meets it.
  Host& start_host(HostKey host_key = key()) {
    hosts.push_back(
        std::make_unique<Host>(loop, log, *this, static_cast<int>(hosts.size()) + 1, std::move(host_key)));
    REQUIRE(hosts.back()->start(launcher));
    parts[hosts.back().get()] = meet();
    return *hosts.back();
  }
  HostPart& part(Host& host) { return parts.at(&host); }

  // The next process that comes to the meeting.
  HostPart meet() {
    HostPart part;
    pump_until([&] {
      part.meeting = Fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      return static_cast<bool>(part.meeting);
    });
    char byte = 0;
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
    iovec slice{&byte, 1};
    msghdr message{};
    message.msg_iov = &slice;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    REQUIRE(::recvmsg(part.meeting.get(), &message, MSG_CMSG_CLOEXEC) == 1);
    int number = -1;
    REQUIRE(CMSG_FIRSTHDR(&message) != nullptr);
    std::memcpy(&number, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof number);
    part.channel = Fd(number);
    return part;
  }

  // Runs the loop until `done`; fails after 10 s.
  void pump_until(const std::function<bool()>& done) {
    uv::Timer step(loop);
    uv::Timer limit(loop);
    bool late = false;
    step.start_repeating(Milliseconds(1), [&] {
      if (done() || late) loop.stop();
    });
    limit.start(Milliseconds(10'000), [&] { late = true; });
    loop.run();
    REQUIRE_FALSE(late);
  }
  // Some rounds of the loop: everything that lies in a socket already is seen.
  void pump() {
    for (int round = 0; round < 4; ++round) {
      uv::Timer stop(loop);
      stop.start(Milliseconds(0), [&] { stop.start(Milliseconds(0), [this] { loop.stop(); }); });
      loop.run();
    }
  }
  // The next command for the host.
  Command command_for(Host& host) {
    std::optional<Command> command;
    pump_until([&] {
      command = part(host).take();
      return command.has_value();
    });
    return std::move(*command);
  }

  void on_host_ready(Host&) override { ++ready; }
  void on_host_empty(Host&) override { ++empty; }
  void on_host_gone(Host&, const std::string& how, bool expected) override {
    ends.push_back(how + (expected ? " (expected)" : ""));
  }
  void on_host_output(Host&, const OutputSource& source, std::string_view line) override {
    output.emplace_back(line);
    sources.push_back(source);
  }
  void on_caller(Host&, std::uint64_t interp, Fd lane) override {
    callers.emplace_back(interp, std::move(lane));
  }
  void on_host_tainted(Host&, const std::string& why) override { tainted.push_back(why); }
  void on_host_stalled(Host&, const StalledEvent& note) override { stalls.push_back(note); }
  void on_host_revived(Host&, const RevivedEvent&) override { ++revived; }
  std::string on_host_dying(Host&, const std::string&, bool) override { return dying; }

  TempTree temp;
  uv::Loop loop;
  ExecLauncher launcher{loop, temp.root()};
  Log log{Log::Format::human, LogLevel::error};
  std::vector<std::unique_ptr<Host>> hosts;
  std::map<Host*, HostPart> parts;
  int ready = 0;
  int empty = 0;
  std::vector<std::string> ends;
  std::vector<std::string> output;
  std::vector<OutputSource> sources;  // of these lines
  std::vector<std::pair<std::uint64_t, Fd>> callers;
  std::vector<std::string> tainted;
  std::vector<StalledEvent> stalls;
  int revived = 0;
  std::string dying;  // what is said of a death

 private:
  Fd listener_;
};

// A call whose client is the test.
class TestCall : public CallClient {
 public:
  explicit TestCall(std::uint64_t id, std::string_view method = "GET") {
    call.client = this;
    call.head.call = id;
    call.head.method = method;
    call.head.target = "/";
    call.safe_to_retry = method == "GET";
  }
  // Like a connection that goes: the bench, which was there first, must not tell it anything later.
  ~TestCall() override {
    if (call.target != nullptr) call.target->cancel(call);
  }
  TestCall(const TestCall&) = delete;
  TestCall& operator=(const TestCall&) = delete;

  void on_head(Call&, const lane::Head& head, std::string_view piece, End end) override {
    status = head.status;
    on_piece(piece, end);
  }
  void on_chunk(Call&, std::string_view piece, End end) override { on_piece(piece, end); }
  void on_file(Call&, Fd, std::uint64_t, std::uint64_t, End end) override { on_piece({}, end); }
  void on_want_body(Call&) override { ++wanted; }
  void on_failure(Call&, CallFailure why, std::string_view text) override {
    failure = why;
    detail = text;
    on_piece({}, End::yes);
  }

  Call call;
  int status = 0;
  std::string body;
  int ends = 0;  // must never be more than one
  int wanted = 0;
  std::optional<CallFailure> failure;
  std::string detail;
  std::function<void()> on_end;

 private:
  void on_piece(std::string_view piece, End end) {
    body += piece;
    if (end == End::no) return;
    ++ends;
    if (on_end) on_end();
  }
};

// The host's end of the lane that the workers of an interpreter share, played by the test.
class BatchPart {
 public:
  BatchPart(Fd lane, const Fd& board, std::size_t workers) : fd_(std::move(lane)) {
    auto opened = LaneBoard::open(board, workers);
    REQUIRE(opened);
    board_ = std::move(*opened);
  }

  // The workers begin what has come, though the test has not looked at it.
  void begin_all() {
    pull();
    for (; begun_ < queue_.size(); ++begun_) note_begun(claimed_ % board_.workers(), queue_[begun_]);
  }
  // The next request, which this worker begins.
  std::optional<std::string> claim(std::size_t worker) {
    pull();
    if (queue_.empty()) return std::nullopt;
    std::string frame = std::move(queue_.front());
    queue_.pop_front();
    if (begun_ > 0) {
      --begun_;
      board_.set_serving(worker, lane::decode_chunk(frame)->call);
    } else {
      note_begun(worker, frame);
    }
    return frame;
  }
  void close() { fd_.reset(); }
  // What nobody has begun goes back, the last one first.
  void give_back() {
    pull();
    lane::Batch batch;
    char prefix[16];
    for (; queue_.size() > begun_; queue_.pop_back()) {
      const std::uint64_t call = lane::decode_chunk(queue_.back())->call;
      batch.add({prefix, lane::encode_chunk_prefix(prefix, lane::FrameType::returned, call, 0)}, {});
      ++claimed_;
    }
    if (!batch.is_empty()) send(batch.packet(1));
  }
  // An answer of one frame, among others; `credit`: how many calls are wanted.
  void send(std::string_view packet) {
    REQUIRE(lane::send(fd_.get(), packet, {}, lane::Wait::no) == lane::Sent::yes);
  }
  std::size_t packets() {
    pull();
    return packets_;
  }
  std::size_t queued() {
    pull();
    return queue_.size() - begun_;
  }

 private:
  void note_begun(std::size_t worker, std::string_view frame) {
    board_.set_serving(worker, lane::decode_chunk(frame)->call);
    board_.set_claimed(++claimed_);
  }
  void pull() {
    for (;;) {
      const lane::Received received = lane::receive(fd_.get(), buffer_, lane::Wait::no);
      if (received.packet.empty()) return;
      ++packets_;
      lane::BatchWalk frames(received.packet);
      while (const auto frame = frames.next()) queue_.emplace_back(*frame);
      REQUIRE_FALSE(frames.is_broken());
    }
  }

  Fd fd_;
  LaneBoard board_;
  std::deque<std::string> queue_;
  std::size_t begun_ = 0;  // of the queue, from its front
  std::uint64_t claimed_ = 0;
  std::size_t packets_ = 0;
  std::vector<char> buffer_ = std::vector<char>(lane::kPacketMax);
};

// The ends of the lanes of one worker, played by the test.
class LanePart {
 public:
  LanePart(std::shared_ptr<BatchPart> shared, std::size_t worker, Fd fd)
      : batch(std::move(shared)), worker_(worker), fd_(std::move(fd)) {}

  struct Frame {
    lane::FrameType type{};
    std::uint64_t call = 0;
    std::string data;  // of a body frame; the body of a request
    std::uint8_t flags = 0;
    std::string target;  // of a request
  };
  std::optional<Frame> take() {
    const lane::Received received = lane::receive(fd_.get(), buffer_, lane::Wait::no);
    if (!received.packet.empty()) return frame_of(received.packet);
    closed = !received.would_block;
    const auto request = batch->claim(worker_);
    return request ? std::optional(frame_of(*request)) : std::nullopt;
  }
  static Frame frame_of(std::string_view packet) {
    Frame frame;
    frame.type = *lane::frame_type(packet);
    if (const auto request = lane::decode_request(packet)) {
      frame.call = request->head.call;
      frame.data = request->body;
      frame.flags = request->head.flags;
      frame.target = request->head.target;
    } else if (const auto chunk = lane::decode_chunk(packet)) {
      frame.call = chunk->call;
      frame.data = chunk->data;
      frame.flags = chunk->flags;
    }
    return frame;
  }
  // The number of the request that lies in the lane; 0 when there is none.
  std::uint64_t take_request() {
    const auto frame = take();
    return frame && frame->type == lane::FrameType::request ? frame->call : 0;
  }
  void answer(std::uint64_t id, std::string_view body, std::uint16_t status = 200) {
    head(id, body, status, "Test", lane::kEnd);
  }
  void begin(std::uint64_t id, std::string_view body) { head(id, body, 200, "Test", 0); }
  // The answer to a call of a function: what became of it, and the result or the error.
  void reply(std::uint64_t id, std::string_view reason, std::string_view body,
             std::uint8_t flags = lane::kEnd) {
    head(id, body, reason == "value" ? 200 : 500, reason, flags);
  }
  void chunk(std::uint64_t id, std::string_view data, std::uint8_t flags) {
    frame(lane::FrameType::chunk, id, flags, data);
  }
  void want_body(std::uint64_t id) { frame(lane::FrameType::want_body, id, 0, {}); }
  void fail(std::uint64_t id, std::string_view traceback) {
    frame(lane::FrameType::failed, id, 0, traceback);
  }
  // The call is to be served by another generation.
  void move(std::uint64_t id) { frame(lane::FrameType::failed, id, lane::kMoved, {}); }
  void close() { fd_.reset(); }
  void frame(lane::FrameType type, std::uint64_t id, std::uint8_t flags, std::string_view data) {
    const std::size_t size = lane::encode_chunk_prefix(buffer_, type, id, flags);
    REQUIRE(lane::send(fd_.get(), {buffer_.data(), size}, data, lane::Wait::no) == lane::Sent::yes);
  }

  // An answer of one frame, as a batch of it.
  void answer_whole(std::uint64_t id, std::string_view body, std::uint32_t credit = 1) {
    lane::Head head;
    head.call = id;
    head.status = 200;
    head.flags = lane::kEnd;
    lane::Batch answers;
    answers.add({buffer_.data(), lane::encode_head(buffer_, head)}, body);
    batch->send(answers.packet(credit));
  }

  std::shared_ptr<BatchPart> batch;
  bool closed = false;

 private:
  void head(std::uint64_t id, std::string_view body, std::uint16_t status, std::string_view reason,
            std::uint8_t flags) {
    lane::Head head;
    head.call = id;
    head.status = status;
    head.reason = reason;
    head.flags = flags;
    const std::size_t size = lane::encode_head(buffer_, head);
    REQUIRE(lane::send(fd_.get(), {buffer_.data(), size}, body, lane::Wait::no) == lane::Sent::yes);
  }

  std::size_t worker_;
  Fd fd_;
  std::vector<char> buffer_ = std::vector<char>(lane::kPacketMax);
};

}  // namespace moult::test
