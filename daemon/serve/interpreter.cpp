#include "daemon/serve/interpreter.h"

#include <fmt/format.h>

#include <algorithm>

namespace moult {

namespace {

// One packet of the command channel must fit into a socket's buffer (ipc/PROTOCOL.md).
constexpr std::size_t kMakeMax = 120 * 1024;

}  // namespace

Interpreter::Interpreter(Owner& owner, Host& host) : owner_(owner), host_(&host) {}

Interpreter::~Interpreter() {
  if (host_ != nullptr && number_ != 0) host_->forget(number_);
}

Result<> Interpreter::start(uv::Loop& loop, LaneBuffers& buffers, MakeCommand command, const Fd& snapshot) {
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
  log_ = std::make_unique<LogPipe>(loop, std::move(log.read), [this](char stream, std::string_view line) {
    owner_.on_log_line(stream, line);
  });
  for (int index = 0; index < command.threads; ++index) {
    MOULT_ASSIGN(SocketPair lane, seqpacket_pair());
    workers_.push_back(std::make_unique<Worker>(loop, buffers, *this, index, std::move(lane.ours)));
    descriptors.push_back(std::move(lane.theirs));
  }
  number_ = host_->make(std::move(command), std::move(descriptors), *this);
  return {};
}

Result<> Interpreter::load(LoadCommand command, const Fd& snapshot) {
  MOULT_ASSIGN(Fd copy, duplicate(snapshot));
  command.interp = number_;
  if (host_ != nullptr) host_->load(command, std::move(copy));
  return {};
}

Worker* Interpreter::take_idle() {
  while (!idle_.empty()) {
    Worker* worker = idle_.back();
    idle_.pop_back();
    if (!worker->is_idle()) continue;  // closed meanwhile
    ++busy_;
    return worker;
  }
  return nullptr;
}

void Interpreter::interrupt(Worker& worker) {
  if (host_ == nullptr) return;
  worker.interrupted_at = Steady::now();
  ++worker.interrupts;
  host_->interrupt(number_, worker.index(), worker.call_id());
}

void Interpreter::give_back(Worker& worker) {
  --busy_;
  if (worker.is_idle()) idle_.push_back(&worker);
}

void Interpreter::give_back_broken(Worker& worker) {
  --busy_;
  worker.close();
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
  idle_.clear();
  for (const auto& worker : workers_) {
    if (worker->state() == Worker::State::idle) worker->close();
    if (worker->state() != Worker::State::serving) continue;
    Call* call = worker->detach();
    worker->close(Worker::State::stuck);
    if (call != nullptr) owner_.on_call_lost(*this, *call);
  }
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
    for (const auto& worker : workers_) idle_.push_back(worker.get());
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
  busy_ = 0;
  host->forget(number_);
  if (!expected) owner_.on_host_gone(*this, how);
  owner_.on_ended(*this);
}

void Interpreter::on_worker_idle(Worker& worker) {
  --busy_;
  idle_.push_back(&worker);
  owner_.on_worker_idle(*this, worker);
}

// Mostly the first sign that the host is dying; its end, told a moment later, decides what becomes of
// the call. drop_broken_call is for a lane that broke while its host lives on, which only an app that
// closes descriptors that are not its own can bring about.
void Interpreter::on_worker_closed(Worker& worker) {
  std::erase(idle_, &worker);
  worker.broken_at = Steady::now();
  if (worker.state() == Worker::State::idle) worker.close();
}

void Interpreter::drop_broken_call(Worker& worker) {
  --busy_;
  Call* call = worker.detach();
  worker.close();
  if (call != nullptr) owner_.on_call_lost(*this, *call);
}

void Interpreter::give_up(Worker& worker) {
  --busy_;
  worker.close(Worker::State::stuck);
}

// What was inside has gone with it.
void Interpreter::lose_calls() {
  if (drain_ == Drain::awaited) drain_ = Drain::done;
  idle_.clear();
  if (log_) log_->drain();
  for (const auto& worker : workers_) {
    Call* call = worker->detach();
    if (worker->state() == Worker::State::idle || worker->state() == Worker::State::serving) worker->close();
    if (call != nullptr) owner_.on_call_lost(*this, *call);
  }
}

void Interpreter::end(State state) {
  if (state_ == State::ended || state_ == State::abandoned) return;
  state_ = state;
  lose_calls();
  owner_.on_ended(*this);
}

}  // namespace moult
