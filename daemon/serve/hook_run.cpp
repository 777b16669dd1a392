#include "daemon/serve/hook_run.h"

#include "ipc/function_call.h"

#include <fmt/format.h>

#include <algorithm>

namespace moult {

namespace {

// Numbers that no connection's call has: an interrupt that comes late must hit none of those.
constexpr std::uint64_t kFirstCall = std::uint64_t{1} << 62;
// An answer that is no state: an error with its traceback, or None.
constexpr std::size_t kAnswerMax = 256 * 1024;

// An error of PROTOCOL.md's "Calls of functions".
Rejection failure_from(std::string_view answer, const std::string& reason) {
  Rejection failure;
  auto error = decode_fault(reason, answer);
  if (!error) {
    failure.error = fmt::format("it was answered with \"{}\"", reason);
    return failure;
  }
  const bool both = !error->type.empty() && !error->message.empty();
  failure.error = fmt::format("{}{}{}", error->type, both ? ": " : "", error->message);
  if (!error->path.empty() && error->message.find(error->path) == std::string::npos)
    failure.error += fmt::format(" ({})", error->path);
  failure.traceback = std::move(error->traceback);
  failure.file = std::move(error->file);
  failure.line = error->line;
  return failure;
}

std::string_view describe(CallFailure failure) {
  switch (failure) {
    case CallFailure::queue_full: return "the queue of calls is full";
    case CallFailure::queue_timeout: return "it waited longer than queue_timeout for a worker";
    case CallFailure::too_large: return "it is too large for a lane";
    case CallFailure::call_timeout: return "it took longer than call_timeout";
    case CallFailure::app_error: return "it could not be called";
    default: return "the app does not serve";
  }
}

}  // namespace

std::string_view to_string(Hook hook) {
  switch (hook) {
    case Hook::handoff: return "handoff";
    case Hook::adopt: return "adopt";
    case Hook::ready: return "ready";
  }
  return "ready";
}

HookRun::HookRun(uv::Loop& loop, std::string app, Limits limits, std::uint64_t& last_call)
    : app_(std::move(app)), limits_(limits), last_call_(last_call), limit_(loop), soon_(loop) {}

HookRun::~HookRun() { let_go(); }

void HookRun::hand_off(Generation& from, CallTarget& line, Done done) {
  begin(Hook::handoff, from, {}, std::move(done));
  prepare_call();
  line.submit(call_);
}

void HookRun::adopt(Generation& to, std::string state, Done done) {
  begin(Hook::adopt, to, std::move(state), std::move(done));
  call_next();
}

void HookRun::ready(Generation& generation, Done done) {
  begin(Hook::ready, generation, {}, std::move(done));
  call_next();
}

void HookRun::begin(Hook hook, Generation& generation, std::string body, Done done) {
  MOULT_CHECK(generation_ == nullptr, "a hook while another one runs");
  hook_ = hook;
  generation_ = &generation;
  at_ = 0;
  target_ = fmt::format("moult.hook.{}", to_string(hook));
  body_ = std::move(body);
  done_ = std::move(done);
}

void HookRun::prepare_call() {
  call_ = Call();
  call_.client = this;
  call_.tied = true;
  last_call_ = std::max(last_call_ + 1, kFirstCall);
  call_.head.call = last_call_;
  call_.head.flags = lane::kCall;
  call_.head.method = "CALL";
  call_.head.target = target_;
  call_.head.path_info = app_;
  call_.head.content_length = body_.size();
  if (body_.size() <= lane::kInlineBodyMax) {
    call_.body = body_;
  } else {
    call_.head.flags |= lane::kBodyStreams;
  }
  body_sent_ = 0;
  reason_.clear();
  answer_.clear();
  if (hook_ == Hook::ready) return;  // start_timeout is its limit
  limit_.start(limits_.handoff_timeout, [this] {
    let_go();
    fail(fmt::format("it took longer than handoff_timeout ({} s)", limits_.handoff_timeout.count() / 1000.0));
  });
}

void HookRun::call_next() {
  if (at_ == generation_->interpreters().size()) {
    finish({});
    return;
  }
  Interpreter& interpreter = *generation_->interpreters()[at_];
  wants_worker_ = !interpreter.has_room(0);
  if (wants_worker_) return;
  prepare_call();
  call_.target = this;
  if (interpreter.start(call_)) return;
  call_.target = nullptr;
  fail("it could not be called: the lane of its workers is broken");
}

void HookRun::on_room(const Generation& generation) {
  if (wants_worker_ && generation_ == &generation) call_next();
}

void HookRun::on_generation_lost(const Generation& generation) {
  if (generation_ != &generation) return;
  let_go();
  finish({HookOutcome::Kind::lost});
}

void HookRun::on_head(Call&, const lane::Head& head, std::string_view body, End end) {
  reason_ = head.reason;
  collect(body, end);
}

void HookRun::on_chunk(Call&, std::string_view data, End end) { collect(data, end); }

void HookRun::on_file(Call&, Fd, std::uint64_t, std::uint64_t, End end) { collect({}, end); }

void HookRun::on_want_body(Call& call) {
  const std::string_view rest = std::string_view(body_).substr(body_sent_);
  const std::string_view piece = rest.substr(0, lane::kChunkMax);
  body_sent_ += piece.size();
  call.flight->send_body(piece, piece.size() == rest.size() ? End::yes : End::no, false);
}

void HookRun::on_failure(Call&, CallFailure failure, std::string_view detail) {
  // What refuses the interpreter of a generation that is being made is told of it, and ends this.
  if (failure == CallFailure::app_moving && hook_ != Hook::handoff) return;
  if (failure == CallFailure::host_lost) {
    finish({HookOutcome::Kind::lost});
  } else {
    fail(std::string(describe(failure)), std::string(detail));
  }
}

void HookRun::collect(std::string_view data, End end) {
  const bool is_state = hook_ == Hook::handoff && reason_ == "value";
  const std::size_t most = is_state ? limits_.state_max : kAnswerMax;
  if (answer_.size() + data.size() > most) {
    if (end == End::no) let_go();
    fail(fmt::format("what it gave is larger than {} bytes", most));
    return;
  }
  answer_.append(data);
  if (end == End::yes) on_answer();
}

void HookRun::on_answer() {
  if (reason_ != "value") {
    HookOutcome outcome{HookOutcome::Kind::failed, {}, failure_from(answer_, reason_)};
    outcome.failure.stage = to_string(hook_);
    finish(std::move(outcome));
  } else if (hook_ == Hook::handoff) {
    finish({HookOutcome::Kind::done, std::move(answer_)});
  } else {
    limit_.stop();
    soon_.start(Milliseconds(0), [this] {
      ++at_;
      call_next();
    });
  }
}

void HookRun::cancel(Call& call) {
  if (call.flight != nullptr) call.flight->abort();
}

// Nobody waits for the call any more: an abort alone would not end the function.
void HookRun::let_go() {
  limit_.stop();
  wants_worker_ = false;
  if (call_.target == nullptr) return;
  for (const auto& interpreter : generation_->interpreters()) {
    for (Flight* const flight : interpreter->flights()) {
      if (flight == call_.flight) interpreter->interrupt(*flight);
    }
  }
  call_.target->cancel(call_);
}

void HookRun::fail(std::string error, std::string detail) {
  HookOutcome outcome{HookOutcome::Kind::failed};
  outcome.failure.stage = to_string(hook_);
  outcome.failure.error = std::move(error);
  outcome.failure.traceback = std::move(detail);
  finish(std::move(outcome));
}

void HookRun::finish(HookOutcome outcome) {
  if (generation_ == nullptr) return;
  limit_.stop();
  generation_ = nullptr;
  wants_worker_ = false;
  outcome_ = std::move(outcome);
  soon_.start(Milliseconds(0), [this] {
    const Done done = std::move(done_);
    done(std::move(outcome_));
  });
}

}  // namespace moult
