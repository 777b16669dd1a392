#include "daemon/serve/generation.h"

#include <fmt/format.h>

#include <algorithm>

namespace moult {

namespace {

// What a host gets beyond the retire timeout before its silence counts as an abandoned interpreter.
constexpr Seconds kEndGrace{5.0};
// A stuck thread is interrupted again and again: code may swallow one exception (cpython.md b).
constexpr Milliseconds kInterruptAgain{1'000};
constexpr int kInterruptsMax = 5;
constexpr std::size_t kFilesUsedMax = 20'000;
constexpr std::size_t kFallBacksMax = 1'000;

}  // namespace

std::string_view to_string(CauseKind kind) {
  switch (kind) {
    case CauseKind::start: return "start";
    case CauseKind::change: return "change";
    case CauseKind::reload: return "reload";
    case CauseKind::restart: return "restart";
    case CauseKind::restart_file: return "restart_file";
    case CauseKind::deploy: return "deploy";
    case CauseKind::rollback: return "rollback";
    case CauseKind::recycle: return "recycle";
    case CauseKind::host_lost: return "host_lost";
    case CauseKind::settings: return "settings";
    case CauseKind::isolation: return "isolation";
    case CauseKind::check: return "check";
  }
  return "start";
}

std::string cause_word(CauseKind kind) {
  switch (kind) {
    case CauseKind::restart_file: return "touch";
    case CauseKind::host_lost: return "recovery";
    case CauseKind::settings: return "config";
    default: return std::string(to_string(kind));
  }
}

std::string describe(const Cause& cause) {
  switch (cause.kind) {
    case CauseKind::start: return "first load";
    case CauseKind::change: return fmt::format("change of {}", cause.detail);
    case CauseKind::restart_file: return fmt::format("touch of {}", cause.detail);
    case CauseKind::deploy:
      return cause.detail.empty() ? "deploy" : fmt::format("deploy of {}", cause.detail);
    case CauseKind::rollback: return fmt::format("roll-back to generation {}", cause.detail);
    case CauseKind::recycle: return fmt::format("host recycled: {}", cause.detail);
    case CauseKind::host_lost: return fmt::format("its host {}", cause.detail);
    case CauseKind::settings: return fmt::format("settings: {}", cause.detail);
    case CauseKind::isolation: return fmt::format("a process of its own: {}", cause.detail);
    default:
      return cause.detail.empty() ? std::string(to_string(cause.kind))
                                  : fmt::format("{} by {}", to_string(cause.kind), cause.detail);
  }
}

std::string import_reason(const Cause& cause) {
  return cause.kind == CauseKind::start ? describe(cause) : "reload because: " + describe(cause);
}

Generation::Generation(uv::Loop& loop, Owner& owner, GenerationRecord record, SnapshotPtr snapshot,
                       std::string packages)
    : loop_(loop),
      owner_(owner),
      record_(std::move(record)),
      snapshot_(std::move(snapshot)),
      packages_(std::move(packages)),
      started_at_(Steady::now()),
      rest_(loop),
      end_deadline_(loop) {
  record_.state = GenerationState::making;
}

Result<> Generation::make(const std::vector<Host*>& hosts, LaneRounds& rounds, const MakeCommand& command,
                          const Fd& snapshot) {
  if (command.spare) record_.state = GenerationState::spare;
  for (Host* host : hosts) {
    auto interpreter = std::make_unique<Interpreter>(loop_, rounds, *this, *host);
    MOULT_TRY(interpreter->start(command, snapshot));
    interpreters_.push_back(std::move(interpreter));
  }
  return {};
}

Result<> Generation::load(GenerationRecord record, SnapshotPtr snapshot, const LoadCommand& command,
                          const Fd& memfd) {
  MOULT_CHECK(advance(GenerationEvent::taken), "a generation that is no spare");
  record.state = record_.state;
  record_ = std::move(record);
  snapshot_ = std::move(snapshot);
  started_at_ = Steady::now();
  for (const auto& interpreter : interpreters_) MOULT_TRY(interpreter->load(command, memfd));
  return {};
}

bool Generation::start(Call& call, std::size_t most) {
  Interpreter* best = nullptr;
  for (const auto& interpreter : interpreters_) {
    if (!interpreter->has_room(most) || interpreter->is_stalled()) continue;
    if (best == nullptr || interpreter->busy() < best->busy()) best = interpreter.get();
  }
  return best != nullptr && best->start(call);
}

std::size_t Generation::waiting() const {
  std::size_t calls = 0;
  for (const auto& interpreter : interpreters_) calls += interpreter->waiting();
  return calls;
}

int Generation::in_flight() const {
  int calls = 0;
  for (const auto& interpreter : interpreters_) calls += interpreter->in_flight();
  return calls;
}

void Generation::refuse(Rejection rejection) {
  if (!advance(GenerationEvent::refused)) return;
  record_.rejection = std::move(rejection);
  record_.make_seconds = Seconds(Steady::now() - started_at_).count();
  retire(Seconds(1.0));
  owner_.on_generation_refused(*this);
}

void Generation::activate() {
  MOULT_CHECK(advance(GenerationEvent::activated), "a generation that cannot be activated");
  for (const auto& interpreter : interpreters_) interpreter->open();
  record_.activated = std::chrono::system_clock::now();
  record_.replaced = {};
}

void Generation::replace() {
  MOULT_CHECK(advance(GenerationEvent::replaced), "a generation that cannot be replaced");
  draining_since_ = Steady::now();
  record_.replaced = std::chrono::system_clock::now();
  for (const auto& interpreter : interpreters_) {
    interpreter->recall();
    interpreter->drain();
  }
}

void Generation::keep_as_standby() {
  MOULT_CHECK(advance(GenerationEvent::drained), "a generation that cannot stand by");
  record_.drain_seconds = Seconds(Steady::now() - draining_since_).count();
}

void Generation::retire(Seconds timeout, Milliseconds rest) {
  if (record_.state == GenerationState::draining) {
    record_.drain_seconds = Seconds(Steady::now() - draining_since_).count();
  }
  if (record_.state != GenerationState::rejected && record_.state != GenerationState::lost) {
    MOULT_CHECK(advance(GenerationEvent::dropped), "a generation that cannot be retired");
  }
  retire_timeout_ = timeout;
  if (rest > Milliseconds(0)) {
    rest_.start(rest, [this] { ask_to_retire(retire_timeout_); });
  } else {
    ask_to_retire(timeout);
  }
}

void Generation::hurry() {
  if (!rest_.is_active()) return;
  rest_.stop();
  ask_to_retire(retire_timeout_);
}

void Generation::ask_to_retire(Seconds timeout) {
  for (const auto& interpreter : interpreters_) interpreter->retire(timeout);
  arm_end_deadline(timeout + kEndGrace);
}

void Generation::arm_end_deadline(Seconds timeout) {
  end_deadline_.start(std::chrono::duration_cast<Milliseconds>(timeout), [this, timeout] {
    // With a shared GIL it could not even be asked; its host is ended when nobody is waited for there.
    if (const Interpreter* one = stalled(); one != nullptr && one->host()->stalled_since())
      return arm_end_deadline(timeout);
    std::vector<Interpreter*> silent;
    for (const auto& interpreter : interpreters_) silent.push_back(interpreter.get());
    for (Interpreter* interpreter : silent) interpreter->abandon();
  });
}

Generation::Overdue Generation::interrupt_calls(SteadyTime now, SteadyTime started_before) {
  Overdue overdue;
  for (const auto& interpreter : interpreters_) {
    if (started_before == SteadyTime::max()) interpreter->stop_draining();
    for (Flight* const flight : interpreter->flights()) {
      const bool given_up = flight->wanted_until <= now;
      const bool overdue_now = given_up || flight->started() <= started_before;
      if (flight->stuck || !overdue_now) continue;
      if (given_up) {
        // Its caller learns at once what its own clock says.
        if (Call* call = flight->detach(); call != nullptr)
          call->client->on_failure(*call, CallFailure::call_timeout, {});
      }
      if (!flight->has_begun()) continue;  // it is called back
      if (flight->interrupts < kInterruptsMax) {
        if (flight->interrupts > 0 && now - flight->interrupted_at < kInterruptAgain) continue;
        if (flight->interrupts == 0) ++overdue.interrupted;
        interpreter->interrupt(*flight);
        continue;
      }
      if (now - flight->interrupted_at < kInterruptAgain) continue;
      // Its thread is blocked where no exception reaches it. The client gets its answer now.
      Call* call = flight->detach();
      interpreter->give_up(*flight);
      ++overdue.given_up;
      if (call != nullptr) {
        call->client->on_failure(*call, CallFailure::call_timeout,
                                 "the call did not end when it was interrupted");
      }
    }
  }
  return overdue;
}

void Generation::look_after_calls(SteadyTime now) {
  for (const auto& interpreter : interpreters_) interpreter->look_after_calls(now);
}

bool Generation::has_ended() const {
  return std::all_of(interpreters_.begin(), interpreters_.end(), [](const auto& interpreter) {
    return interpreter->state() == Interpreter::State::ended ||
           interpreter->state() == Interpreter::State::abandoned;
  });
}

bool Generation::lives_on(const Host& host) const {
  return std::any_of(interpreters_.begin(), interpreters_.end(), [&](const auto& interpreter) {
    return interpreter->host() == &host && interpreter->state() != Interpreter::State::ended;
  });
}

const Interpreter* Generation::stalled() const {
  for (const auto& interpreter : interpreters_) {
    if (interpreter->is_stalled()) return interpreter.get();
  }
  return nullptr;
}

bool Generation::answers_in_part() const {
  return stalled() != nullptr && std::any_of(interpreters_.begin(), interpreters_.end(),
                                             [](const auto& one) { return !one->is_stalled(); });
}

bool Generation::has_abandoned_interpreter() const {
  return std::any_of(interpreters_.begin(), interpreters_.end(), [](const auto& interpreter) {
    return interpreter->state() == Interpreter::State::abandoned;
  });
}

bool Generation::is_in_process() const { return record_.isolation == isolation_word(InterpreterMode::main); }

bool Generation::has_stuck_worker() const {
  return std::any_of(interpreters_.begin(), interpreters_.end(),
                     [](const auto& interpreter) { return interpreter->has_stuck_worker(); });
}

void Generation::on_made(Interpreter&, const MadeEvent& event) {
  record_.callable = event.callable;
  extensions_ = event.extensions;
  fell_back_ = event.refused;
  note_files(event.files);
  hooks_.insert(event.hooks.begin(), event.hooks.end());
  if (++made_ < interpreters_.size() || !advance(GenerationEvent::made)) return;
  made_at_ = Steady::now();
  record_.make_seconds = Seconds(made_at_ - started_at_).count();
  owner_.on_generation_made(*this);
}

void Generation::on_rejected(Interpreter&, Rejection rejection) { refuse(std::move(rejection)); }

void Generation::on_ended(Interpreter&) {
  if (!has_ended() || end_told_) return;
  end_told_ = true;
  rest_.stop();
  end_deadline_.stop();
  advance(has_abandoned_interpreter() ? GenerationEvent::stuck : GenerationEvent::ended);
  record_.ended = std::chrono::system_clock::now();
  owner_.on_generation_ended(*this);
}

void Generation::on_host_gone(Interpreter&, const std::string& how) {
  const GenerationState before = record_.state;
  if (before == GenerationState::spare || before == GenerationState::making ||
      before == GenerationState::warming) {
    refuse({"crash", fmt::format("the host process {} while the app was being loaded", how)});
    return;
  }
  const bool others_live =
      std::any_of(interpreters_.begin(), interpreters_.end(),
                  [](const auto& interpreter) { return interpreter->state() == Interpreter::State::made; });
  if (others_live) {
    owner_.on_generation_hurt(*this, how);
    return;
  }
  if (!advance(GenerationEvent::host_lost)) return;
  if (record_.state != GenerationState::lost) return;
  arm_end_deadline(kEndGrace);
  owner_.on_generation_lost(*this, how);
}

void Generation::on_note(Interpreter&, const HostEvent& event) {
  if (const auto* opened = std::get_if<OpenedEvent>(&event)) {
    if (!opened->written.empty()) owner_.on_files_written(opened->written);
    note_files(opened->files);
  } else if (const auto* refused = std::get_if<RefusedEvent>(&event)) {
    if (fell_back_.size() >= kFallBacksMax) return;
    fell_back_.push_back(refused->what);
    owner_.on_refused(*this, fell_back_.back());
  } else if (std::holds_alternative<SpareEvent>(event)) {
    ++ready_;
  } else if (std::holds_alternative<DrainedEvent>(event)) {
    tell_if_idle();
  } else {
    owner_.on_notice(*this, event);
  }
}

void Generation::tell_if_idle() {
  if (record_.state == GenerationState::draining && in_flight() == 0) owner_.on_generation_idle(*this);
}

void Generation::on_flight_ended(Interpreter&, Flight& flight) {
  ++record_.calls;
  owner_.on_flight_ended(*this, flight);
  tell_if_idle();
}

void Generation::on_room(Interpreter&) {
  owner_.on_room(*this);
  tell_if_idle();
}

// A stalled one gets no calls, so it waits for another generation, or until it answers again.
void Generation::on_call_returned(Interpreter& interpreter, Call& call) {
  if (interpreter.is_stalled()) return owner_.on_call_moved(call);
  owner_.on_call_returned(*this, call);
}

void Generation::on_call_lost(Interpreter&, Call& call) { owner_.on_call_lost(*this, call); }

void Generation::on_log_line(char stream, std::string_view line) { owner_.on_log_line(*this, stream, line); }

void Generation::note_files(const std::vector<std::string>& files) {
  std::vector<std::string> news;
  for (const std::string& file : files) {
    if (files_used_.size() < kFilesUsedMax && files_used_.insert(file).second) news.push_back(file);
  }
  if (!news.empty()) owner_.on_files_used(*this, news);
}

bool Generation::advance(GenerationEvent event) {
  const auto after = next(record_.state, event);
  if (!after) return false;
  record_.state = *after;
  return true;
}

}  // namespace moult
