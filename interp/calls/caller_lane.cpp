#include "interp/calls/caller_lane.h"

#include <fmt/format.h>

#include <poll.h>
#include <sched.h>
#include <unistd.h>
#include <algorithm>
#include <cstring>

namespace moult {

namespace {

// How often a thread that waits looks whether it is to give up. A deadline is kept to the millisecond.
constexpr Milliseconds kLook{50};
// Whoever has no deadline of its own waits for a lane as long as calls of its app may.
constexpr std::chrono::minutes kLaneWait{5};

CallFault fault(std::string reason, std::string message = {}) {
  return {std::move(reason), {}, std::move(message)};
}

}  // namespace

std::unique_ptr<CallerLane> CallerLanes::take(SteadyTime deadline, std::string& problem) {
  {
    std::unique_lock lock(mutex_);
    const auto available = [this] { return !idle_.empty() || in_use_ < kLanesMax; };
    if (!returned_.wait_until(lock, deadline, available)) return nullptr;
    ++in_use_;
    while (!idle_.empty()) {
      auto lane = std::move(idle_.back());
      idle_.pop_back();
      if (lane->process == ::getpid()) return lane;
    }
  }
  auto pair = seqpacket_pair();
  if (!pair) {
    problem = describe(pair.error());
    give_back(nullptr);
    return nullptr;
  }
  events_.hand_over(CallerEvent{interp_}, pair->ours);
  auto lane = std::make_unique<CallerLane>();
  lane->fd = std::move(pair->theirs);
  lane->process = ::getpid();
  return lane;
}

void CallerLanes::give_back(std::unique_ptr<CallerLane> lane) {
  const std::scoped_lock lock(mutex_);
  --in_use_;
  if (lane && idle_.size() < kIdleMax) idle_.push_back(std::move(lane));
  returned_.notify_one();
}

FarCall::Hold::~Hold() {
  if (far_ == nullptr) return;
  if (far_->cancelled_.load(std::memory_order_relaxed)) far_->abort();
  far_->held_ = false;
}

FarCall::~FarCall() { abort(); }

void FarCall::close() {
  cancel();
  const Hold hold(*this);  // its end gives the call up
}

void FarCall::finish() {
  ended_ = true;
  if (lane_) lanes_.give_back(std::move(lane_));
  lane_ = nullptr;
}

void FarCall::abort() {
  if (!lane_) return;
  char prefix[16];
  const std::size_t size = lane::encode_chunk_prefix(prefix, lane::FrameType::abort, lane_->last_call, 0);
  const bool is_ours = lane_->process == ::getpid();
  if (!is_ours || lane::send(lane_->fd.get(), {prefix, size}, {}, lane::Wait::no) != lane::Sent::yes) {
    lane_.reset();
    lanes_.give_back(nullptr);
  }
  finish();
}

std::optional<CallFault> FarCall::begin(const py::Attached& py, const ThreadCalls& calls,
                                        const FarRequest& request) {
  deadline_ = request.deadline;
  if (Steady::now() >= deadline_) return fault("timeout", "the time was up before the call began");
  if (auto problem = take_lane(py, calls)) return problem;
  const std::string deadline = encode_deadline(deadline_);
  const std::string depth = fmt::format("{}", request.depth);
  lane::Header headers[2] = {{"depth", depth}, {"deadline", deadline}};
  const bool streams = request.arguments.size() > lane::kInlineBodyMax;
  lane::RequestHead head;
  head.call = ++lane_->last_call;
  head.flags = static_cast<std::uint8_t>(lane::kCall | (streams ? lane::kBodyStreams : 0));
  head.content_length = request.arguments.size();
  head.method = "CALL";
  head.target = request.function;
  head.path_info = request.app;
  head.script_name = request.caller_app;
  head.remote_addr = request.caller_call;
  std::string_view rest = request.arguments;
  const std::string_view inline_body = streams ? std::string_view() : rest;
  const std::size_t size =
      lane::encode_request({lane_->buffer.get(), lane::kPacketMax}, head,
                           {headers, deadline_ == SteadyTime::max() ? 1U : 2U}, inline_body.size());
  if (size == 0) return fault("not_exported", "no function has so long a name");
  if (lane::send(lane_->fd.get(), {lane_->buffer.get(), size}, inline_body, lane::Wait::no) !=
      lane::Sent::yes) {
    return fault("host_lost", "the daemon does not take calls");
  }
  for (;;) {
    std::string_view packet;
    if (auto problem_met = receive(py, calls, packet)) return problem_met;
    const auto type = lane::frame_type(packet);
    if (type == lane::FrameType::want_body) {
      if (auto problem_met = send_piece(rest)) return problem_met;
      continue;
    }
    const auto answer = type == lane::FrameType::head ? lane::decode_head(packet) : std::nullopt;
    if (!answer) return fault("host_lost", "an answer that is none");
    reason_ = answer->reason;
    collected_.assign(answer->body);
    if ((answer->flags & lane::kEnd) != 0) finish();
    return std::nullopt;
  }
}

std::optional<CallFault> FarCall::take_lane(const py::Attached& py, const ThreadCalls& calls) {
  const SteadyTime last = Steady::now() + kLaneWait;
  for (;;) {
    std::string problem;
    {
      const py::DetachScope detached(py);
      lane_ = lanes_.take(std::min(deadline_, Steady::now() + kLook), problem);
    }
    if (lane_) return std::nullopt;
    if (!problem.empty()) return fault("unavailable", problem);
    if (auto stop = look_around(py, calls)) return stop;
    if (Steady::now() >= last)
      return fault("unavailable",
                   fmt::format("{} calls of this app are under way already", CallerLanes::kLanesMax));
  }
}

// Why a thread that waits is to wait no longer. A function of Python's own is called, since that is
// where Python raises what other threads and signals have set.
std::optional<CallFault> FarCall::look_around(const py::Attached& py, const ThreadCalls& calls) const {
  if (Steady::now() >= deadline_) return fault("timeout", "no answer within the timeout");
  if (cancelled_.load(std::memory_order_relaxed)) return fault("cancelled");
  if (calls.must_end()) return fault("interrupted");
  const py::Ref nothing = py::boot_function(py, "calls", "nothing");
  const py::Ref done = nothing ? py::Ref::steal(PyObject_CallNoArgs(nothing.get())) : py::Ref();
  if (!done) return fault("pending");
  return std::nullopt;
}

std::optional<CallFault> FarCall::send_piece(std::string_view& rest) {
  const std::string_view piece = rest.substr(0, lane::kChunkMax);
  rest.remove_prefix(piece.size());
  char prefix[16];
  const auto flags = rest.empty() ? lane::kEnd : std::uint8_t{0};
  const std::size_t size = lane::encode_chunk_prefix(prefix, lane::FrameType::body, lane_->last_call, flags);
  if (lane::send(lane_->fd.get(), {prefix, size}, piece, lane::Wait::no) == lane::Sent::yes)
    return std::nullopt;
  return fault("host_lost", "the daemon does not take calls");
}

// At most until it is time to look around again.
void FarCall::wait_for_packet(const py::Attached& py, SteadyTime spin_until) const {
  const auto left =
      std::chrono::ceil<Milliseconds>(deadline_ == SteadyTime::max() ? kLook : deadline_ - Steady::now());
  pollfd wanted{lane_->fd.get(), POLLIN, 0};
  const py::DetachScope detached(py);
  while (Steady::now() < spin_until) {
    if (::poll(&wanted, 1, 0) > 0) return;
    ::sched_yield();
  }
  ::poll(&wanted, 1, static_cast<int>(std::clamp(left, Milliseconds(0), kLook).count()));
}

std::optional<CallFault> FarCall::receive(const py::Attached& py, const ThreadCalls& calls,
                                          std::string_view& packet) {
  SteadyTime began{};  // to wait
  bool spins = false;
  for (;;) {
    lane::Received received =
        lane::receive(lane_->fd.get(), {lane_->buffer.get(), lane::kPacketMax}, lane::Wait::no);
    if (received.would_block) {
      if (auto stop = look_around(py, calls)) return stop;
      if (began == SteadyTime{}) {
        began = Steady::now();
        spins = lane_->patience.spins();
      }
      wait_for_packet(py, spins ? began + Patience::kSpin : began);
      continue;
    }
    if (began != SteadyTime{}) lane_->patience.took(spins, Steady::now() - began);
    if (received.packet.empty()) {
      lane_.reset();
      lanes_.give_back(nullptr);
      ended_ = true;
      return fault("host_lost", "the daemon has closed the lane");
    }
    const auto frame = lane::decode_chunk(received.packet);
    if (!frame || frame->call != lane_->last_call) continue;  // of a call that was given up
    packet = received.packet;
    return std::nullopt;
  }
}

std::optional<CallFault> FarCall::read_more(const py::Attached& py, const ThreadCalls& calls) {
  std::string_view packet;
  if (auto problem = receive(py, calls, packet)) return problem;
  const auto chunk =
      lane::frame_type(packet) == lane::FrameType::chunk ? lane::decode_chunk(packet) : std::nullopt;
  if (!chunk) return fault("host_lost", "an answer that breaks off");
  if (collected_.size() - taken_ + chunk->data.size() > answer_max_) {
    return fault("too_large", fmt::format("the result has more than {} bytes (max_payload)", answer_max_));
  }
  collected_.append(chunk->data);
  if ((chunk->flags & lane::kEnd) != 0) finish();
  return std::nullopt;
}

std::optional<CallFault> FarCall::read_all(const py::Attached& py, const ThreadCalls& calls,
                                           std::string_view& body) {
  while (!ended_) {
    if (auto problem = read_more(py, calls)) return problem;
  }
  body = collected_;
  return std::nullopt;
}

std::optional<CallFault> FarCall::next_item(const py::Attached& py, const ThreadCalls& calls, Item& item) {
  if (cancelled_.load(std::memory_order_relaxed)) return fault("cancelled");
  for (;;) {
    std::string_view rest = std::string_view(collected_).substr(taken_);
    if (const auto taken = take_item(rest)) {
      item = {taken->kind, taken->bytes, false};
      taken_ = collected_.size() - rest.size();
      return std::nullopt;
    }
    if (ended_) {
      if (!rest.empty()) return fault("host_lost", "a stream that breaks off");
      item.ended = true;
      return std::nullopt;
    }
    collected_.erase(0, taken_);
    taken_ = 0;
    if (auto problem = read_more(py, calls)) return problem;
  }
}

}  // namespace moult
