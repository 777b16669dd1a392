#include "daemon/moult/moulting.h"

#include <algorithm>

// What the spare (spare.h) needs of the app, and where it becomes an attempt's generation.

namespace moult {

namespace {

// The command that makes it is one packet, which also holds the app's environment.
constexpr std::size_t kPreloadBytes = 48 * 1024;

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

std::optional<Spare::Fit> Moulting::spare_fit() const {
  if (active_ == nullptr || !python_ || config_.spare == SparePolicy::off || config_.log_imports)
    return std::nullopt;
  return Spare::fit_of(make_command(config_, *active_->snapshot(), place_, record_, environment_),
                       active_->packages());
}

bool Moulting::has_room_for_spare() const {
  return !services_.memory_is_short && !is_apart() && may_recover();
}

void Moulting::wake_spare_at(SteadyTime time) {
  spare_time_.start(until(time), [this] { spare_.on_time(Steady::now()); });
}

void Moulting::ask_loaded(std::function<void(const LoadedEvent&)> answer) {
  const Interpreter& model = *active_->interpreters()[0];
  if (model.host() == nullptr || !model.host()->takes_new()) return;
  std::weak_ptr<int> alive = alive_;
  model.host()->ask_loaded(model.number(), config_.spare == SparePolicy::packages,
                           [this, alive, number = active_->number(),
                            answer = std::move(answer)](const Result<LoadedEvent>& loaded) {
                             if (alive.expired() || !loaded) return;
                             if (active_ != nullptr && active_->number() == number) answer(*loaded);
                           });
}

Generation* Moulting::make_spare(const LoadedEvent& loaded) {
  std::vector<Host*> hosts;
  for (const auto& interpreter : active_->interpreters()) hosts.push_back(interpreter->host());
  if (std::count(hosts.begin(), hosts.end(), nullptr) > 0) return nullptr;
  const InterpreterMode mode = hosts[0]->key().mode;
  if (mode == InterpreterMode::main) {
    // Each has a process of its own.
    auto fresh =
        services_.hosts->place_several({hosts[0]->key(), config_.name, config_.group}, hosts.size(), {});
    if (!fresh) return nullptr;
    hosts = std::move(*fresh);
  }
  MakeCommand command = make_command(config_, *active_->snapshot(), place_, record_, environment_);
  command.spare = true;
  std::size_t room = kPreloadBytes;
  command.modules = fitting(loaded.names, room);
  command.sources = fitting(loaded.sources, room);
  const auto nothing = make_memfd(Snapshot{}, *store_);
  if (!nothing) return nullptr;
  GenerationRecord record;
  record.isolation = isolation_word(mode);
  generations_.push_back(
      std::make_unique<Generation>(services_.loop, *this, std::move(record), nullptr, active_->packages()));
  Generation* const spare = generations_.back().get();
  if (spare->make(hosts, services_.lane_rounds, command, *nothing)) return spare;
  spare->retire(Spare::kRetireTimeout);
  return nullptr;
}

// Makes the spare the attempt's generation if it fits such a command and such hosts.
bool Moulting::take_spare(const MakeCommand& command, const HostKey& key) {
  if (!spare_.is_ready()) return false;
  const auto& interpreters = spare_.generation()->interpreters();
  const std::string company = services_.parting.company_of(config_.name, Steady::now());
  const bool has_hosts = std::all_of(interpreters.begin(), interpreters.end(), [&](const auto& interpreter) {
    const Host* host = interpreter->host();
    return host != nullptr && host->takes_new() && host->key() == key && host->company == company;
  });
  if (has_hosts && !attempt_->fresh_host && !is_apart())
    attempt_->generation = spare_.take(Spare::fit_of(command, attempt_->packages));
  if (attempt_->generation == nullptr) {
    spare_.drop();
    return false;
  }
  // It is the youngest from now on.
  const auto at = std::find_if(generations_.begin(), generations_.end(), [&](const auto& generation) {
    return generation.get() == attempt_->generation;
  });
  generations_.splice(generations_.end(), generations_, at);
  return true;
}

}  // namespace moult
