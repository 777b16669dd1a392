#include "daemon/serve/worker.h"

#include <algorithm>
#include <array>

namespace moult {

namespace {

// How many packets one wake-up may take from a lane before the other descriptors have their turn.
constexpr int kPacketsPerTurn = 16;
// How much of a target is remembered for `moultctl calls`.
constexpr std::size_t kWhatMax = 200;
// A function whose caller has gone ends by itself mostly: a stream at its next item.
constexpr Milliseconds kAbortGrace{100};

// Whether lines of headers ("Name: value\r\n") say so.
bool has_event_stream(std::string_view headers) {
  constexpr std::string_view kName = "content-type:";
  constexpr std::string_view kType = "text/event-stream";
  const auto starts_with = [](std::string_view text, std::string_view what) {
    return text.size() >= what.size() &&
           std::equal(what.begin(), what.end(), text.begin(),
                      [](char a, char b) { return a == (b >= 'A' && b <= 'Z' ? b + ('a' - 'A') : b); });
  };
  while (!headers.empty()) {
    const std::size_t end = std::min(headers.find('\n'), headers.size() - 1);
    std::string_view line = headers.substr(0, end);
    headers.remove_prefix(end + 1);
    if (!starts_with(line, kName)) continue;
    line.remove_prefix(kName.size());
    line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
    if (starts_with(line, kType)) return true;
  }
  return false;
}

// An answer is a head and what follows it. A host whose memory is damaged may say anything.
bool is_in_order(lane::FrameType type, bool head_seen) {
  switch (type) {
    case lane::FrameType::head: return !head_seen;
    case lane::FrameType::chunk:
    case lane::FrameType::file: return head_seen;
    case lane::FrameType::failed:
    case lane::FrameType::want_body: return true;
    default: return false;
  }
}

}  // namespace

Worker::Worker(uv::Loop& loop, LaneBuffers& buffers, Owner& owner, int index, Fd lane_end)
    : buffers_(buffers), owner_(owner), index_(index), lane_(std::move(lane_end)) {
  poll_ = std::make_unique<uv::Poll>(loop, lane_.get(), [this](int events) { on_ready(events); });
  poll_->set(uv::Poll::kReadable);
}

bool Worker::start(Call& call) {
  MOULT_CHECK(state_ == State::idle, "a call for a worker that is not idle");
  const std::size_t size = lane::encode_request(buffers_.out, call.head, call.headers, call.body.size());
  if (size == 0 || size + call.body.size() > lane::kPacketMax) return false;
  if (lane::send(lane_.get(), {buffers_.out.data(), size}, call.body, lane::Wait::no) != lane::Sent::yes)
    return false;
  state_ = State::serving;
  call_ = &call;
  call_id_ = call.head.call;
  started_ = Steady::now();
  interrupts = 0;
  failed = false;
  is_event_stream_ = false;
  wanted_until = call.deadline;
  call.worker = this;
  call.started = started_;
  note(call);
  return true;
}

// Copied, for the call's own texts may be gone before its worker has ended it.
void Worker::note(const Call& call) {
  serves_function_ = (call.head.flags & lane::kCall) != 0;
  caller_ = serves_function_ ? call.head.script_name : call.head.remote_addr;
  what_.clear();
  if (!serves_function_) what_.append(call.head.method).append(" ");
  what_.append(call.head.target.substr(0, kWhatMax));
}

void Worker::send_body(std::string_view piece, End end, bool broken) {
  if (state_ != State::serving) return;
  const auto flags =
      static_cast<std::uint8_t>((end == End::yes ? lane::kEnd : 0) | (broken ? lane::kBroken : 0));
  std::array<char, 32> prefix{};
  const std::size_t size = lane::encode_chunk_prefix(prefix, lane::FrameType::body, call_id_, flags);
  // One piece is in flight at most, since each answers a want_body: it always fits.
  lane::send(lane_.get(), {prefix.data(), size}, piece, lane::Wait::no);
}

void Worker::abort() {
  if (detach() == nullptr || state_ != State::serving) return;
  if (serves_function_) wanted_until = std::min(wanted_until, Steady::now() + kAbortGrace);
  std::array<char, 32> prefix{};
  const std::size_t size = lane::encode_chunk_prefix(prefix, lane::FrameType::abort, call_id_, 0);
  lane::send(lane_.get(), {prefix.data(), size}, {}, lane::Wait::no);
  poll_->set(uv::Poll::kReadable);
}

void Worker::end_event_stream() {
  if (!is_event_stream()) return;
  Call* const call = call_;
  abort();
  call->client->on_chunk(*call, {}, End::yes);
}

Call* Worker::detach() {
  Call* call = call_;
  call_ = nullptr;
  if (call != nullptr) {
    if (call->paused && state_ == State::serving) poll_->set(uv::Poll::kReadable);
    call->paused = false;
    call->worker = nullptr;
    call->target = nullptr;
  }
  return call;
}

void Worker::pause() { poll_->set(0); }

void Worker::resume() {
  if (lane_) poll_->set(uv::Poll::kReadable);
}

void Worker::close(State final_state) {
  MOULT_CHECK(call_ == nullptr, "a lane closed under a call");
  poll_.reset();
  lane_.reset();
  state_ = final_state;
}

void Worker::on_ready(int) {
  for (int taken = 0; taken < kPacketsPerTurn; ++taken) {
    lane::Received received = lane::receive_attached(lane_.get(), buffers_.in, lane::Wait::no);
    if (received.would_block) return;
    if (received.packet.empty()) {
      poll_->set(0);
      owner_.on_worker_closed(*this);
      return;
    }
    if (!on_packet(received)) return;
  }
}

void Worker::lose(Call& call, std::string_view why) {
  if (call_ == &call) detach();
  call.client->on_failure(call, CallFailure::host_lost, why);
}

// Answers that end a call do three things in this order: the call forgets the worker, the client
// gets the bytes (it may submit its next request at once), the worker is offered to the queue.
bool Worker::on_packet(lane::Received& received) {
  const auto type = lane::frame_type(received.packet);
  const auto chunk = lane::decode_chunk(received.packet);
  if (!chunk || chunk->call != call_id_ || state_ != State::serving) return true;  // of a call long over
  const bool ends = type == lane::FrameType::failed ||
                    ((chunk->flags & lane::kEnd) != 0 && type != lane::FrameType::want_body);
  Call* call = ends ? detach() : call_;
  const End end = ends ? End::yes : End::no;
  if (call != nullptr && !is_in_order(*type, call->head_seen)) {
    lose(*call, "the worker's frames are out of order");
  } else if (call != nullptr) {
    switch (*type) {
      case lane::FrameType::head:
        if (const auto head = lane::decode_head(received.packet)) {
          call->head_seen = true;
          failed = head->status >= 500;
          is_event_stream_ = end == End::no && has_event_stream(head->header_text);
          call->client->on_head(*call, *head, head->body, end);
        } else {
          lose(*call, "the worker's answer cannot be read");
        }
        break;
      case lane::FrameType::chunk: call->client->on_chunk(*call, chunk->data, end); break;
      case lane::FrameType::file:
        if (const auto region = lane::decode_file(received.packet); region && received.attached) {
          call->client->on_file(*call, std::move(received.attached), region->offset, region->length, end);
        } else {
          // The kernel drops descriptors that a full table cannot take (MSG_CTRUNC, unix(7)).
          lose(*call, "the file to send did not arrive");
        }
        break;
      case lane::FrameType::failed:
        if ((chunk->flags & lane::kMoved) != 0) {
          owner_.on_call_moved(*call);
          break;
        }
        failed = true;
        call->client->on_failure(*call, interrupts > 0 ? CallFailure::call_timeout : CallFailure::app_error,
                                 chunk->data);
        break;
      case lane::FrameType::want_body: call->client->on_want_body(*call); break;
      default: break;
    }
  }
  if (!ends) return lane_ && (call_ == nullptr || !call_->paused);
  finish();
  return false;
}

void Worker::finish() {
  state_ = State::idle;
  owner_.on_worker_idle(*this);
}

}  // namespace moult
