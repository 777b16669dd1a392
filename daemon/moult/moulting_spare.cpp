#include "daemon/moult/moulting.h"

#include <fmt/format.h>

#include <algorithm>

// The spare: an interpreter that stands ready for the next change while the app is being edited, with the
// standard library imported and the code of the app's other modules at hand (design.md section 5). It
// becomes a generation when it gets its code.

namespace moult {

namespace {

// After a change the app is taken to be worked on for so long.
constexpr Milliseconds kEdited{600'000};
// What has just been switched to comes first.
constexpr Milliseconds kSpareDelay{100};
constexpr Seconds kSpareRetire{2.0};
// The command that makes it is one packet, which also holds the app's environment.
constexpr std::size_t kPreloadBytes = 48 * 1024;

std::string without_generation(MakeCommand command) {
  command.generation = 0;
  command.spec.cause.clear();
  command.spec.log_imports.clear();
  return encode_command(command);
}

std::vector<std::string> fitting(const std::vector<std::string>& texts, std::size_t& room) {
  const auto end = std::find_if(texts.begin(), texts.end(), [&](const std::string& text) {
    const std::size_t size = text.size() + 4;
    if (size > room) return true;
    room -= size;
    return false;
  });
  return {texts.begin(), end};
}

}  // namespace

void Moulting::note_edit() { edited_until_ = Steady::now() + kEdited; }

// Called whenever an attempt has ended: another spare for the one that was used, none that does not
// fit any more.
void Moulting::renew_spare() {
  const SteadyTime now = Steady::now();
  if (spare_ && !spare_fits()) drop_spare();
  if (now >= edited_until_ || stopping_ || active_ == nullptr) return;
  spare_end_.start(std::chrono::ceil<Milliseconds>(edited_until_ - now), [this] { drop_spare(); });
  if (!spare_ && !is_busy()) spare_begin_.start(kSpareDelay, [this] { ask_for_spare(); });
}

bool Moulting::wants_spare() const {
  if (config_.spare == SparePolicy::off || config_.log_imports) return false;
  return !services_.memory_is_short && !is_apart() && !spare_ && !is_busy() && !stopping_ &&
         active_ != nullptr && python_;
}

// What it should import is known to the interpreter that serves.
void Moulting::ask_for_spare() {
  if (!wants_spare()) return;
  const Interpreter& model = *active_->interpreters()[0];
  if (model.host() == nullptr || !model.host()->takes_new()) return;
  std::weak_ptr<int> alive = alive_;
  const std::uint64_t number = active_->number();
  model.host()->ask_loaded(model.number(), config_.spare == SparePolicy::packages,
                           [this, alive, number](const Result<LoadedEvent>& answer) {
                             if (alive.expired() || !answer || !wants_spare() || active_->number() != number)
                               return;
                             no_spare_ = answer->why;
                             if (no_spare_.empty()) make_spare(*answer);
                           });
}

void Moulting::make_spare(const LoadedEvent& loaded) {
  std::vector<Host*> hosts;
  for (const auto& interpreter : active_->interpreters()) hosts.push_back(interpreter->host());
  if (std::count(hosts.begin(), hosts.end(), nullptr) > 0) return;
  const InterpreterMode mode = hosts[0]->key().mode;
  if (mode == InterpreterMode::main) {
    // Each has a process of its own.
    auto fresh =
        services_.hosts->place_several({hosts[0]->key(), config_.name, config_.group}, hosts.size(), {});
    if (!fresh) return;
    hosts = std::move(*fresh);
  }
  MakeCommand command = make_command(config_, *active_->snapshot(), place_, record_, environment_);
  Spare spare{nullptr, without_generation(command), active_->packages()};
  command.spare = true;
  std::size_t room = kPreloadBytes;
  command.modules = fitting(loaded.names, room);
  command.sources = fitting(loaded.sources, room);
  const auto nothing = make_memfd(Snapshot{}, *store_);
  if (!nothing) return;
  GenerationRecord record;
  record.isolation = isolation_word(mode);
  generations_.push_back(
      std::make_unique<Generation>(services_.loop, *this, std::move(record), nullptr, spare.packages));
  spare.generation = generations_.back().get();
  spare_ = std::move(spare);
  if (!spare_->generation->make(hosts, services_.buffers, command, *nothing)) drop_spare();
}

// For what the app is now, apart from its code?
bool Moulting::spare_fits() const {
  if (active_ == nullptr || !python_ || spare_->packages != active_->packages()) return false;
  const MakeCommand command = make_command(config_, *active_->snapshot(), place_, record_, environment_);
  return config_.spare != SparePolicy::off && !config_.log_imports &&
         spare_->command == without_generation(command);
}

// Makes the spare the attempt's generation if it fits such a command and such hosts.
bool Moulting::take_spare(const MakeCommand& command, const HostKey& key) {
  if (!spare_ || !spare_->generation->is_ready_spare()) return false;
  const auto& interpreters = spare_->generation->interpreters();
  const std::string company = services_.parting.company_of(config_.name, Steady::now());
  const bool has_hosts = std::all_of(interpreters.begin(), interpreters.end(), [&](const auto& interpreter) {
    const Host* host = interpreter->host();
    return host != nullptr && host->takes_new() && host->key() == key && host->company == company;
  });
  if (attempt_->fresh_host || is_apart() || !has_hosts || spare_->packages != attempt_->packages ||
      spare_->command != without_generation(command)) {
    drop_spare();
    return false;
  }
  attempt_->generation = spare_->generation;
  spare_.reset();
  // It is the youngest from now on.
  const auto at = std::find_if(generations_.begin(), generations_.end(), [&](const auto& generation) {
    return generation.get() == attempt_->generation;
  });
  generations_.splice(generations_.end(), generations_, at);
  return true;
}

Result<> Moulting::load_spare(GenerationRecord record, const MakeCommand& command) {
  return attempt_->generation->load(std::move(record), attempt_->snapshot,
                                    {0, command.generation, command.spec.cause}, *attempt_->memfd);
}

void Moulting::drop_spare() {
  spare_begin_.stop();
  if (!spare_) return;
  Generation* const generation = spare_->generation;
  spare_.reset();
  generation->retire(kSpareRetire);
}

std::string_view Moulting::spare_word() const {
  if (spare_) return spare_->generation->is_ready_spare() ? "ready" : "being made";
  if (services_.memory_is_short) return "memory is short";
  return no_spare_.empty() ? "none" : std::string_view(no_spare_);
}

}  // namespace moult
