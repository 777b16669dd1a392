#include "interp/host/scratch.h"

#include <fmt/format.h>

namespace moult {

namespace {

constexpr Seconds kMakeTimeout{30};
constexpr Seconds kCloseTimeout{5};
// What the home allows beyond its deadline before it gives itself up (home_end.cpp).
constexpr Seconds kGrace{8};
// The daemon numbers interpreters from 1; these are never among them.
constexpr InterpNumber kFirstNumber = InterpNumber{1} << 40;
constexpr const char* kEnding = "this generation of the app is being ended";

SteadyTime after(Seconds seconds) {
  return Steady::now() + std::chrono::duration_cast<Steady::duration>(seconds);
}

}  // namespace

void ScratchEvents::become(State state) {
  const std::scoped_lock lock(mutex_);
  state_ = state;
  changed_.notify_all();
}

bool ScratchEvents::wait_until_made(SteadyTime deadline) {
  std::unique_lock lock(mutex_);
  return changed_.wait_until(lock, deadline, [this] { return state_ != State::making; });
}

bool ScratchEvents::wait_until_ended(SteadyTime deadline) {
  std::unique_lock lock(mutex_);
  return changed_.wait_until(lock, deadline,
                             [this] { return state_ == State::ended || state_ == State::abandoned; });
}

ScratchEvents::State ScratchEvents::state() const {
  const std::scoped_lock lock(mutex_);
  return state_;
}

RejectedEvent ScratchEvents::rejection() const {
  const std::scoped_lock lock(mutex_);
  return rejection_;
}

void ScratchEvents::tell(const HostEvent& event) {
  if (std::holds_alternative<MadeEvent>(event)) return become(State::made);
  if (std::holds_alternative<RetiredEvent>(event)) return become(State::ended);
  if (const auto* rejected = std::get_if<RejectedEvent>(&event)) {
    {
      const std::scoped_lock lock(mutex_);
      rejection_ = *rejected;
    }
    become(State::rejected);
  } else if (const auto* abandoned = std::get_if<AbandonedEvent>(&event)) {
    std::string text = "an interpreter that the app made for itself could not be ended: " + abandoned->why;
    for (const std::string& thread : abandoned->threads) text += fmt::format("; thread {}", thread);
    daemon_.tell(TaintedEvent{owner_, std::move(text)});
    become(State::abandoned);
  } else if (const auto* notice = std::get_if<NoticeEvent>(&event)) {
    NoticeEvent told = *notice;
    told.interp = owner_;
    daemon_.tell(told);
  } else {
    Events::tell(event);
  }
}

Scratches::Scratches(const HostServices& services, const MakeOrder& owner, LogPipe& log)
    : services_(services),
      owner_(owner.interp),
      app_(owner.app),
      generation_(owner.generation),
      mode_(owner.mode),
      spec_(owner.spec),
      log_(log),
      next_(kFirstNumber * owner.interp) {}

Result<MakeOrder> Scratches::command_for(const Source& source, InterpNumber number) {
  MakeOrder make;
  make.interp = number;
  make.owner = owner_;
  make.app = app_;
  make.generation = generation_;
  make.mode = source.mode.value_or(mode_ == py::Mode::main ? py::default_mode() : mode_);
  make.threads = 0;
  make.spec = spec_;
  make.spec.entry = {source.kind, source.text, "", ""};
  make.spec.preload.clear();
  make.spec.exports.clear();
  make.spec.scratch_interpreters = 0;
  make.spec.may_move = false;
  MOULT_ASSIGN(make.snapshot, duplicate(snapshot_));
  MOULT_ASSIGN(make.log, log_.duplicate());
  return make;
}

Scratches::Surroundings::Surroundings(const HostServices& owners, InterpNumber owner)
    : events(owners.events, owner), services{events,           owners.boot,       owners.main_thread,
                                             owners.code,      owners.directory,  owners.book,
                                             owners.turns,     owners.errands,    owners.extensions,
                                             owners.lifecycle, owners.module_dir, owners.timezone} {}

Result<std::shared_ptr<Scratches::Scratch>> Scratches::prepare(const Source& source, InterpNumber number) {
  MOULT_ASSIGN(MakeOrder command, command_for(source, number));
  auto scratch = std::make_shared<Scratch>();
  scratch->around = std::make_shared<Surroundings>(services_, owner_);
  scratch->home = std::make_shared<Home>(scratch->around->services, std::move(command));
  return scratch;
}

std::string Scratches::add(InterpNumber number, const std::shared_ptr<Scratch>& scratch) {
  const std::scoped_lock lock(mutex_);
  const auto limit = static_cast<std::size_t>(spec_.scratch_interpreters);
  if (closed_) return kEnding;
  if (scratches_.size() >= limit) {
    return fmt::format("this app has {} scratch interpreters already (scratch_interpreters = {})",
                       scratches_.size(), limit);
  }
  scratches_[number] = scratch;
  return {};
}

bool Scratches::open(InterpNumber number) {
  const std::scoped_lock lock(mutex_);
  const auto found = scratches_.find(number);
  if (found != scratches_.end()) found->second->home->entrance()->calls.open();
  return found != scratches_.end();
}

Scratches::Made Scratches::make(const Source& source) {
  const InterpNumber number = ++next_;
  const auto prepared = prepare(source, number);
  if (!prepared) return {nullptr, describe(prepared.error())};
  const std::shared_ptr<Scratch>& scratch = *prepared;
  if (const std::string refusal = add(number, scratch); !refusal.empty()) return {nullptr, refusal, {}, true};
  scratch->home->start([kept = scratch->around] {});
  const bool in_time = scratch->around->events.wait_until_made(after(kMakeTimeout));
  if (in_time && scratch->around->events.state() == ScratchEvents::State::made && open(number)) {
    return {scratch->home->entrance()};
  }
  {
    const std::scoped_lock lock(mutex_);
    scratches_.erase(number);
    if (closed_) return {nullptr, kEnding, {}, true};
  }
  if (!in_time) {
    scratch->home->retire(kCloseTimeout);
    return {nullptr, fmt::format("it was not made within {} s", kMakeTimeout.count())};
  }
  const RejectedEvent rejection = scratch->around->events.rejection();
  return {nullptr, rejection.error, rejection.traceback};
}

bool Scratches::end(Scratch& scratch, SteadyTime deadline) {
  scratch.home->retire(std::max<Seconds>(Seconds(0.1), deadline - Steady::now()));
  return scratch.around->events.wait_until_ended(deadline +
                                                 std::chrono::duration_cast<Steady::duration>(kGrace)) &&
         scratch.around->events.state() == ScratchEvents::State::ended;
}

bool Scratches::close(const std::shared_ptr<Entrance>& entrance) {
  std::shared_ptr<Scratch> scratch;
  {
    const std::scoped_lock lock(mutex_);
    const auto found = scratches_.find(entrance->number);
    if (found == scratches_.end()) return true;
    scratch = std::move(found->second);
    scratches_.erase(found);
  }
  return end(*scratch, after(kCloseTimeout));
}

void Scratches::close_all(SteadyTime deadline) {
  std::map<InterpNumber, std::shared_ptr<Scratch>> all;
  {
    const std::scoped_lock lock(mutex_);
    closed_ = true;
    all.swap(scratches_);
  }
  for (const auto& [number, scratch] : all) {
    scratch->home->retire(std::max<Seconds>(Seconds(0.1), deadline - Steady::now()));
  }
  for (const auto& [number, scratch] : all) end(*scratch, deadline);
}

std::shared_ptr<Home> Scratches::find(InterpNumber number) const {
  const std::scoped_lock lock(mutex_);
  const auto found = scratches_.find(number);
  return found == scratches_.end() ? nullptr : found->second->home;
}

void Scratches::take_turns() {
  const std::scoped_lock lock(mutex_);
  for (const auto& [number, scratch] : scratches_) scratch->home->take_turn();
}

std::optional<StalledEvent> Scratches::holder() {
  std::vector<std::shared_ptr<Home>> homes;
  {
    const std::scoped_lock lock(mutex_);
    for (const auto& [number, scratch] : scratches_) homes.push_back(scratch->home);
  }
  for (const auto& home : homes) {
    if (auto holder = home->holder()) return holder;
  }
  return std::nullopt;
}

std::size_t Scratches::count() const {
  const std::scoped_lock lock(mutex_);
  return scratches_.size();
}

}  // namespace moult
