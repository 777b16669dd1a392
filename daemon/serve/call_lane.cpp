#include "daemon/serve/call_lane.h"

#include "ipc/function_call.h"

#include <array>
#include <optional>
#include <utility>

namespace moult {

namespace {

// Room that a lane keeps from one call to the next.
constexpr std::size_t kKeptRequest = 16 * 1024;

}  // namespace

CallLane::CallLane(CallLaneShared& shared, int host, Fd lane)
    : shared_(shared), host_(host), lane_(std::move(lane)) {
  call_.client = this;
  poll_ = std::make_unique<uv::Poll>(shared_.loop, lane_.get(), [this](int events) { on_ready(events); });
  poll_->set(uv::Poll::kReadable);
}

CallLane::~CallLane() {
  if (call_.target != nullptr) call_.target->cancel(call_);
}

// The call itself is cancelled by the destructor: this may be called from inside its answer.
void CallLane::close() {
  if (!lane_) return;
  poll_.reset();
  lane_.reset();
  unsent_.clear();
  shared_.on_closed(*this);
}

void CallLane::broken(std::string_view why) {
  shared_.log.error(why, {{"host", host_}});
  close();
}

void CallLane::on_ready(int events) {
  if ((events & uv::Poll::kWritable) != 0) flush();
  if (!lane_ || events == uv::Poll::kWritable) return;
  // One packet a turn: the next one mostly comes much later, and a call needs no second read.
  const lane::Received received = lane::receive(lane_.get(), shared_.in, lane::Wait::no);
  if (received.would_block) return;
  if (received.packet.empty()) {
    close();
    return;
  }
  on_packet(received.packet);
}

void CallLane::on_packet(std::string_view packet) {
  const auto type = lane::frame_type(packet);
  if (type == lane::FrameType::request) {
    on_request(packet);
    return;
  }
  const auto chunk = lane::decode_chunk(packet);
  if (chunk && type == lane::FrameType::body) {
    on_body(*chunk);
  } else if (chunk && type == lane::FrameType::abort) {
    on_abort(*chunk);
  } else {
    broken("a caller lane carried a frame that does not belong there");
  }
}

void CallLane::on_request(std::string_view packet) {
  if (active_) return broken("a caller lane carried a call before the end of another");
  request_.assign(packet);
  const auto request = lane::decode_request(request_);
  if (!request || (request->head.flags & lane::kCall) == 0) {
    return broken("a caller lane carried what is no call of a function");
  }
  if (!take_headers(*request))
    return broken("a caller lane carried a call with a header that cannot be read");
  number_ = request->head.call;
  active_ = true;
  wants_body_ = head_sent_ = paused_ = false;
  app_.assign(request->head.path_info);
  CallTarget* target = shared_.apps.find(app_);
  if (target == nullptr) {
    fail(no_such_app(app_, shared_.apps.names()));
    return;
  }
  call_.head = request->head;
  call_.head.call = shared_.numbers.next();
  call_.headers = headers_;
  call_.body = request->body;
  target->submit(call_);
}

bool CallLane::take_headers(const lane::Request& request) {
  headers_.clear();
  call_.deadline = SteadyTime::max();
  lane::HeaderWalk walk(request);
  for (lane::Header header; walk.next(header);) {
    headers_.push_back(header);
    if (header.name != "deadline") continue;
    const auto deadline = decode_deadline(header.value);
    if (!deadline) return false;
    call_.deadline = *deadline;
  }
  return headers_.size() == request.header_count;
}

void CallLane::on_body(const lane::Chunk& chunk) {
  // The rest of a call that was answered before its arguments had come.
  if (!active_ || chunk.call != number_) return;
  if (!std::exchange(wants_body_, false)) return broken("a caller lane carried arguments unasked");
  if (call_.target == nullptr) return;
  const End end = (chunk.flags & lane::kEnd) != 0 ? End::yes : End::no;
  call_.target->send_body(call_, chunk.data, end, (chunk.flags & lane::kBroken) != 0);
}

// Nothing more is said of the call; what was not sent yet is nobody's.
void CallLane::on_abort(const lane::Chunk& chunk) {
  if (!active_ || chunk.call != number_) return;
  active_ = false;
  paused_ = false;
  unsent_.clear();
  poll_->set(uv::Poll::kReadable);
  if (call_.target != nullptr) call_.target->cancel(call_);
}

void CallLane::on_head(Call&, const lane::Head& head, std::string_view body, End end) {
  if (!lane_ || !active_) return;
  head_sent_ = true;
  if (end == End::yes) active_ = false;
  lane::Head ours = head;
  ours.call = number_;
  const std::size_t size = lane::encode_head(shared_.out, ours);
  if (size == 0 || size + body.size() > lane::kPacketMax) return broken("the head of an answer is too large");
  send({shared_.out.data(), size}, body);
}

void CallLane::on_chunk(Call&, std::string_view data, End end) {
  if (!lane_ || !active_) return;
  if (end == End::yes) active_ = false;
  std::array<char, 32> prefix{};
  const auto flags = static_cast<std::uint8_t>(end == End::yes ? lane::kEnd : 0);
  const std::size_t size = lane::encode_chunk_prefix(prefix, lane::FrameType::chunk, number_, flags);
  send({prefix.data(), size}, data);
}

// No function answers with a file.
void CallLane::on_file(Call& call, Fd, std::uint64_t, std::uint64_t, End) {
  if (call.target != nullptr) call.target->cancel(call);
  on_failure(call, CallFailure::app_error, "the answer to a call of a function was a file");
}

void CallLane::on_want_body(Call&) {
  if (!lane_ || !active_) return;
  wants_body_ = true;
  std::array<char, 32> prefix{};
  const std::size_t size = lane::encode_chunk_prefix(prefix, lane::FrameType::want_body, number_, 0);
  send({prefix.data(), size}, {});
}

void CallLane::on_failure(Call&, CallFailure failure, std::string_view detail) {
  if (!lane_ || !active_) return;
  // An answer that has begun cannot be taken back: only the end of the lane says that it broke off.
  if (head_sent_) {
    close();
    return;
  }
  fail(error_of(failure, app_, detail));
}

void CallLane::fail(const CallError& error) {
  const std::string body = encode(error);
  lane::Head head;
  head.call = number_;
  head.status = error.status;
  head.reason = error.reason;
  head.flags = lane::kEnd;
  active_ = false;
  const std::size_t size = lane::encode_head(shared_.out, head);
  send({shared_.out.data(), size}, body);
}

void CallLane::send(std::string_view prefix, std::string_view data) {
  if (unsent_.empty()) {
    const lane::Sent sent = lane::send(lane_.get(), prefix, data, lane::Wait::no);
    if (sent == lane::Sent::closed) close();
    if (sent != lane::Sent::would_block) {
      if (!active_ && request_.capacity() > kKeptRequest) std::string().swap(request_);
      return;
    }
  }
  unsent_.push_back(std::string(prefix).append(data));
  poll_->set(uv::Poll::kReadable | uv::Poll::kWritable);
  if (!paused_ && call_.target != nullptr) {
    paused_ = true;
    call_.target->pause(call_);
  }
}

void CallLane::flush() {
  while (!unsent_.empty()) {
    const lane::Sent sent = lane::send(lane_.get(), unsent_.front(), {}, lane::Wait::no);
    if (sent == lane::Sent::would_block) return;
    if (sent == lane::Sent::closed) {
      close();
      return;
    }
    unsent_.pop_front();
  }
  poll_->set(uv::Poll::kReadable);
  if (std::exchange(paused_, false) && call_.target != nullptr) call_.target->resume(call_);
}

}  // namespace moult
