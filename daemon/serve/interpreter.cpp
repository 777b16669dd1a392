#include "daemon/serve/interpreter.h"

#include <fmt/format.h>

#include <algorithm>

namespace moult {

namespace {

// One packet of the command channel must fit into a socket's buffer (ipc/PROTOCOL.md).
constexpr std::size_t kMakeMax = 120 * 1024;
// A call that waits in the host so long waits for a worker: it had better wait here, for any.
constexpr Milliseconds kWaitsInHost{50};
// Lanes that broke while the host lives on: an app has closed descriptors that are not its own.
constexpr Milliseconds kBrokenLaneGrace{1'000};

}  // namespace

Interpreter::Interpreter(uv::Loop& loop, LaneRounds& rounds, Owner& owner, Host& host)
    : owner_(owner), host_(&host), loop_(loop), lanes_(loop, rounds, *this) {}

Interpreter::~Interpreter() {
  if (host_ != nullptr && number_ != 0) host_->forget(number_);
}

Result<> Interpreter::start(MakeCommand command, const Fd& snapshot) {
  if (const std::size_t size = encode_command(command).size(); size > kMakeMax) {
    Error error{ErrorCode::config_invalid,
                fmt::format("the app's settings take {} KiB as a command; {} are possible", size / 1024,
                            kMakeMax / 1024)};
    error.hint = "most of it will be the environment: `env`, and what the daemon was started with";
    return fail(std::move(error));
  }
  std::vector<Fd> descriptors;
  MOULT_ASSIGN(Fd snapshot_copy, duplicate(snapshot));
  descriptors.push_back(std::move(snapshot_copy));
  MOULT_ASSIGN(PipePair log, make_pipe());
  MOULT_TRY(set_nonblocking(log.read));
  descriptors.push_back(std::move(log.write));
  log_ = std::make_unique<LogPipe>(loop_, std::move(log.read), [this](char stream, std::string_view line) {
    owner_.on_log_line(stream, line);
  });
  MOULT_ASSIGN(std::vector<Fd> theirs, lanes_.open(static_cast<std::size_t>(command.threads)));
  std::move(theirs.begin(), theirs.end(), std::back_inserter(descriptors));
  number_ = host_->make(std::move(command), std::move(descriptors), *this);
  return {};
}

Result<> Interpreter::load(LoadCommand command, const Fd& snapshot) {
  MOULT_ASSIGN(Fd copy, duplicate(snapshot));
  command.interp = number_;
  if (host_ != nullptr) host_->load(command, std::move(copy));
  return {};
}

void Interpreter::interrupt(Flight& flight) {
  if (host_ == nullptr) return;
  flight.interrupted_at = Steady::now();
  ++flight.interrupts;
  host_->interrupt(number_, flight.call_id());
}

void Interpreter::recall() {
  if (host_ == nullptr || lanes_.waiting() == 0) return;
  recalled_at_ = Steady::now();
  lanes_.expect_return();
  host_->give_back(number_);
}

void Interpreter::look_after_calls(SteadyTime now) {
  lanes_.tell_aborts();
  const auto since = lanes_.waiting_since();
  if (since && now - std::max(*since, recalled_at_) > kWaitsInHost) recall();
  const auto broken = lanes_.broken_at();
  if (!broken || now - *broken < kBrokenLaneGrace || state_ != State::made) return;
  state_ = State::abandoned;
  lose_calls();
  owner_.on_host_gone(*this, "closed the lanes of its workers");
  owner_.on_ended(*this);
}

void Interpreter::open() { drain_ = Drain::open; }

void Interpreter::drain() {
  drain_ = Drain::closed;
  if (exports_) ask_to_drain();
}

void Interpreter::stop_draining() {
  if (drain_ == Drain::awaited) drain_ = Drain::given_up;
}

// The main interpreter of a process of its own has no others beside it.
bool Interpreter::can_be_entered() const {
  return state_ == State::made && host_ != nullptr && host_->key().mode != InterpreterMode::main;
}

void Interpreter::stay(Host::Answer<StayedEvent> answer) {
  if (host_ == nullptr) return answer(fail(Error{ErrorCode::failed, "its host is gone"}));
  host_->ask_to_stay(number_, std::move(answer));
}

void Interpreter::ask_to_drain() {
  if (!can_be_entered()) return;
  drain_ = Drain::awaited;
  host_->drain(number_);
}

void Interpreter::retire(Seconds timeout) {
  if (state_ != State::making && state_ != State::made) return;
  lose_calls();
  state_ = State::leaving;
  if (host_ != nullptr) host_->retire(number_, timeout);
}

void Interpreter::abandon() {
  if (state_ == State::ended || state_ == State::abandoned) return;
  end(State::abandoned);
}

void Interpreter::on_event(const HostEvent& event) {
  if (const auto* made = std::get_if<MadeEvent>(&event)) {
    if (state_ != State::making) return;  // retired meanwhile: `retired` follows
    state_ = State::made;
    exports_ = exports_ || made->exports > 0;
    owner_.on_made(*this, *made);
  } else if (const auto* rejected = std::get_if<RejectedEvent>(&event)) {
    if (state_ != State::making) return;
    state_ = State::leaving;  // the host ends it by itself
    owner_.on_rejected(*this, {rejected->stage, rejected->error, rejected->traceback, rejected->file,
                               rejected->line, rejected->refused});
  } else if (std::holds_alternative<RetiredEvent>(event)) {
    end(State::ended);
  } else if (std::holds_alternative<AbandonedEvent>(event)) {
    owner_.on_note(*this, event);
    end(State::abandoned);
  } else if (std::holds_alternative<ExportedEvent>(event)) {
    exports_ = true;
    if (drain_ == Drain::closed) ask_to_drain();
  } else if (std::holds_alternative<DrainedEvent>(event)) {
    if (drain_ != Drain::awaited) return;
    drain_ = Drain::done;
    owner_.on_note(*this, event);
  } else {
    owner_.on_note(*this, event);
  }
}

void Interpreter::on_host_gone(const std::string& how) {
  // A polite end of a dedicated host is the end of its interpreter, nothing more.
  const bool expected = state_ == State::leaving;
  Host* host = std::exchange(host_, nullptr);
  if (state_ == State::ended || state_ == State::abandoned) {
    host->forget(number_);
    return;
  }
  state_ = State::ended;
  lose_calls();
  host->forget(number_);
  if (!expected) owner_.on_host_gone(*this, how);
  owner_.on_ended(*this);
}

// What was inside has gone with it.
void Interpreter::lose_calls() {
  if (drain_ == Drain::awaited) drain_ = Drain::done;
  if (log_) log_->drain();
  lanes_.end([this](Call& call) { owner_.on_call_lost(*this, call); });
}

void Interpreter::end(State state) {
  if (state_ == State::ended || state_ == State::abandoned) return;
  state_ = state;
  lose_calls();
  owner_.on_ended(*this);
}

}  // namespace moult
