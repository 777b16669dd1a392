#include "daemon/apps/app.h"

#include <fmt/format.h>

#include <algorithm>

namespace moult {

namespace {

constexpr const char* kTheAppItself = "the app itself";
constexpr Milliseconds kOwnReloadEvery{1'000};

SettleTimes settle_times(const AppConfig& config) {
  SettleTimes times;
  times.quiet = config.settle;
  times.longest = config.settle_max;
  return times;
}

CallLimits call_limits(const AppConfig& config) {
  return {config.queue, config.queue_timeout, config.call_timeout, config.retry_safe};
}

std::string stream_name(char stream) {
  switch (stream) {
    case 'o': return "stdout";
    case 'e': return "stderr";
    case 'm': return "moult";
    default: return "log";
  }
}

}  // namespace

std::string_view to_string(AppState state) {
  switch (state) {
    case AppState::stopped: return "stopped";
    case AppState::starting: return "starting";
    case AppState::running: return "running";
    case AppState::reloading: return "reloading";
    case AppState::degraded: return "degraded";
    case AppState::backoff: return "backoff";
    case AppState::failed: return "failed";
  }
  return "failed";
}

App::App(Services& services, AppConfig config, AppPast past)
    : services_(services),
      config_(std::move(config)),
      log_(services.loop, log_file(fmt::format("{}/apps/{}", services.state_folder, config_.name)),
           std::move(past.lines), config_.log_max_size, config_.log_keep,
           [this](const Error& error) {
             services_.log.error(error.message, {{"app", config_.name}});
             services_.events.event("app.unwritable", config_.name, {{"error", error.message}});
           }),
      call_routes_(config_.name, [&services](int number) { return services.hosts->find(number); }),
      dispatcher_(stats_),
      moulting_(services, *this, config_, std::move(past.record), dispatcher_, stats_, why_),
      settle_(settle_times(config_)),
      settle_timer_(services.loop),
      deploy_timer_(services.loop),
      own_reload_(services.loop) {
  dispatcher_.configure(call_limits(config_));
  dispatcher_.set_intake(Dispatcher::Intake::stopped);
  dispatcher_.set_on_active([this](const Generation* active) { call_routes_.follow(active); });
  if (moulting_.record().frozen) settle_.freeze();
  restore_deploy();
  fill_route_target();
}

App::~App() = default;

void App::start(Moulting::Waiter waiter) {
  started_ = true;
  moulting_.resume();
  if (moulting_.record().stopped) {
    moulting_.record().stopped = false;
    moulting_.save_record();
  }
  dispatcher_.set_intake(Dispatcher::Intake::open);
  awaiting_watch_ = true;
  start_waiter_ = std::move(waiter);
  on_state_changed();
  // First the watcher, then the snapshot: so no change falls between the two.
  std::weak_ptr<int> alive = alive_;
  services_.probes.ask(python_of(config_), [this, alive](const Result<PythonInfo>& python) {
    if (alive.expired() || !started_) return;
    if (python) {
      watch(package_folders(config_, site_folders(config_, *python, moulting_.environment())));
    } else {
      begin_start();  // it fails for the same reason and says so
    }
  });
}

void App::begin_start() {
  if (!started_ || !awaiting_watch_) return;
  awaiting_watch_ = false;
  const AppRecord& record = moulting_.record();
  std::string snapshot = record.pinned ? record.pinned->snapshot : std::string();
  if (record.deploy && record.active && snapshot.empty()) {
    // The disk holds half of a deploy; its end will look at it.
    snapshot = record.active->snapshot;
    settle_.on_change({config_.tree, ChangeKind::source, Steady::now()});
  }
  moulting_.attempt({CauseKind::start, {}, false}, Moulting::Purpose::serve, std::move(snapshot),
                    std::exchange(start_waiter_, nullptr));
}

void App::stop(Remember remember, std::function<void()> done) {
  if (done) stop_waiters_.push_back(std::move(done));
  if (remember == Remember::yes) {
    moulting_.record().stopped = true;
    moulting_.save_record();
  }
  started_ = false;
  watcher_.reset();
  settle_.drop();
  settle_timer_.stop();
  own_reload_.stop();
  wants_reload_ = false;
  dispatcher_.set_intake(Dispatcher::Intake::stopped);
  moulting_.stop();
  watch_drains();
  if (const auto waiter = std::exchange(start_waiter_, nullptr))
    waiter({.kind = AttemptOutcome::Kind::stopped});
  on_state_changed();
}

void App::request(CauseKind kind, bool forced, const std::string& detail, Moulting::Waiter waiter) {
  if (!started_) {
    waiter({.error = Error{ErrorCode::not_running,
                           fmt::format("{} is stopped", config_.name),
                           {},
                           {},
                           0,
                           fmt::format("moultctl start {}", config_.name)}});
    return;
  }
  if (kind == CauseKind::check) {
    if (const auto attempt = moulting_.attempt_view()) {
      waiter({.error = Error{ErrorCode::failed,
                             fmt::format("generation {} is being made; try again", attempt->generation)}});
      return;
    }
  } else {
    settle_.drop();
    const bool is_asked_for =
        kind == CauseKind::reload || kind == CauseKind::restart || kind == CauseKind::deploy;
    if (is_asked_for) moulting_.unpin();
  }
  moulting_.attempt({kind, detail, forced},
                    kind == CauseKind::check ? Moulting::Purpose::check : Moulting::Purpose::serve, {},
                    std::move(waiter));
}

Result<> App::roll_back(std::optional<std::uint64_t> generation, Moulting::Waiter waiter) {
  MOULT_TRY(moulting_.can_roll_back(generation));
  settle_.drop();
  settle_timer_.stop();
  return moulting_.roll_back(generation, std::move(waiter));
}

bool App::set_frozen(Freeze freeze) {
  const bool frozen = freeze == Freeze::frozen;
  const bool was = settle_.is_frozen();
  const bool was_pinned = moulting_.record().pinned.has_value();
  if (frozen) {
    settle_.freeze();
    moulting_.dismiss_doubts();
  } else {
    settle_.thaw();
    // What a roll-back holds back is a change like any other now.
    if (moulting_.record().pinned) {
      moulting_.unpin();
      if (deploy()) {
        settle_.on_change({config_.tree, ChangeKind::source, Steady::now()});
      } else {
        request(CauseKind::change, false, "thaw", {});
      }
    }
  }
  moulting_.record().frozen = frozen;
  moulting_.save_record();
  arm_settle();
  return was != frozen || (!frozen && was_pinned);
}

void App::apply(AppConfig config, const AppChange& change) {
  const bool reloads_again = config_.reload == Toggle::off && config.reload == Toggle::on;
  config_ = std::move(config);
  moulting_.configure(config_);
  dispatcher_.configure(call_limits(config_));
  settle_.set_times(settle_times(config_));
  log_.set_limits(config_.log_max_size, config_.log_keep);
  fill_route_target();
  if (!started_) return;
  if (change.watching || change.new_generation) watch(moulting_.packages());
  // What changed meanwhile was told and not kept.
  if (reloads_again) on_change({config_.tree, ChangeKind::source, Steady::now()});
  if (change.new_generation) {
    std::string keys;
    for (const std::string& key : change.keys) keys += (keys.empty() ? "" : ", ") + key;
    // The code stays what it is where the disk's is not wanted.
    std::string snapshot;
    if (moulting_.record().pinned) {
      snapshot = moulting_.record().pinned->snapshot;
    } else if ((settle_.is_frozen() || deploy()) && moulting_.active() != nullptr) {
      snapshot = moulting_.active()->record().snapshot;
    }
    if (!awaiting_watch_) {
      moulting_.attempt({CauseKind::settings, keys, true}, Moulting::Purpose::serve, std::move(snapshot), {});
    }
  }
}

void App::set_on_busy(std::function<void()> on_busy) {
  on_busy_ = std::move(on_busy);
  dispatcher_.set_on_busy(on_busy_);
}

void App::on_host_stalled(const Host& host, const Blame& blame) {
  if (!moulting_.lives_on(host)) return;
  const bool is_it = blame.app == config_.name;
  note_trouble(is_it ? "stalled" : "left its host",
               is_it ? blame.evidence : fmt::format("because of {}: {}", blame.app, blame.evidence));
  moulting_.leave_stalled(host, blame);
  on_state_changed();
}

void App::on_host_revived(const Host& host) {
  if (moulting_.lives_on(host)) on_revived();
}

void App::on_stalled_alone(const std::string& evidence) {
  note_trouble("stalled", evidence);
  on_state_changed();
}

void App::on_revived() {
  dispatcher_.give_back_moved();
  on_state_changed();
}

void App::note_trouble(std::string_view what, const std::string& story) {
  why_.add(std::chrono::system_clock::now(), {}, std::string(what), story);
}

std::string App::apart() const { return services_.parting.why(config_.name, Steady::now()); }

// A drain may wait for a host's word alone, without any call that the dispatcher knows of.
void App::watch_drains() {
  if (moulting_.has_draining() && on_busy_) on_busy_();
}

bool App::sweep(SteadyTime now) {
  const bool calls = dispatcher_.sweep(now);
  moulting_.sweep(now);
  return calls || moulting_.has_draining();
}

AppState App::state() const {
  const bool attempting = moulting_.attempt_view().has_value();
  if (moulting_.active() != nullptr) {
    if (attempting) return AppState::reloading;
    if (moulting_.stalled() != nullptr) return AppState::degraded;
    return moulting_.last_rejected() ? AppState::degraded : AppState::running;
  }
  if (!started_ || moulting_.is_stopping()) return AppState::stopped;
  if (moulting_.backing_off_until()) return AppState::backoff;
  return attempting || awaiting_watch_ ? AppState::starting : AppState::failed;
}

std::string App::note() const {
  if (const Interpreter* stalled = moulting_.stalled(); stalled != nullptr) {
    const Host::Stall stall = stalled->stall();
    return fmt::format("does not answer since {:.0f} s: {}", Seconds(Steady::now() - stall.since).count(),
                       stall.trouble);
  }
  const auto& rejected = moulting_.last_rejected();
  if (rejected) {
    const Rejection& why = rejected->rejection;
    std::string where = why.file.empty() ? "" : fmt::format(" at {}:{}", why.file, why.line);
    return fmt::format("generation {} rejected: {}{}", rejected->number, why.error, where);
  }
  if (const auto until = moulting_.backing_off_until()) {
    const auto left = std::max(Milliseconds(0), std::chrono::ceil<Milliseconds>(*until - Steady::now()));
    return fmt::format("its host died; next try in {:.0f} s", Seconds(left).count());
  }
  if (!moulting_.waiting_for().empty()) return "waits: " + moulting_.waiting_for();
  if (settle_.is_frozen()) {
    return settle_.is_empty() ? "frozen" : fmt::format("frozen; {} for thaw", settle_.pending_text());
  }
  if (deploy()) {
    return fmt::format("deploy under way until {} at most; {}", rfc3339(deploy()->until),
                       settle_.pending_text());
  }
  if (moulting_.record().pinned)
    return fmt::format("pinned to generation {}", moulting_.record().pinned->generation);
  if (disk_may_differ()) return "reload is off, and something has changed on the disk";
  return watcher_ ? watcher_->status().note : std::string();
}

WatchStatus App::watch_status() const { return watcher_ ? watcher_->status() : WatchStatus{}; }

std::string App::watch_word() const {
  if (config_.reload == Toggle::off) return "off";
  if (settle_.is_frozen()) return "frozen";
  if (deploy()) return "deploy";
  if (moulting_.record().pinned) return "pinned";
  return watcher_ ? std::string(to_string(watcher_->status().mode)) : "off";
}

bool App::disk_may_differ() const {
  const Generation* active = moulting_.active();
  return config_.reload == Toggle::off && active != nullptr && last_change_ > active->record().created;
}

int App::running() const {
  int calls = 0;
  for (const auto& generation : moulting_.generations()) calls += generation->running();
  return calls;
}

// Calls wait while something comes that may serve them, and are answered at once when nothing does.
void App::tell_prospect() {
  if (moulting_.active() != nullptr) return;
  SteadyTime soonest{};
  if (state() == AppState::failed) {
    // A change that settles is the next attempt.
    soonest = settle_.next_deadline().value_or(SteadyTime::max());
  } else if (const auto retry = moulting_.backing_off_until()) {
    soonest = *retry;
  }
  const auto& rejected = moulting_.last_rejected();
  const std::string& traceback = rejected ? rejected->rejection.traceback : std::string();
  dispatcher_.set_prospect(soonest, traceback.empty() ? note() : traceback);
}

void App::on_state_changed() {
  tell_prospect();
  const AppState now = state();
  if (now == told_state_) return;
  services_.events.event("app.state", config_.name,
                         {{"state", std::string(to_string(now))},
                          {"previous", std::string(to_string(told_state_))},
                          {"note", note()}});
  told_state_ = now;
  if (moulting_.active() == nullptr) serving_since_ = {};
}

void App::on_switched(Generation& active) {
  if (serving_since_ == SteadyTime{}) {
    serving_since_ = Steady::now();
    if (!services_.log.is_brief())
      services_.log.info("app ready", {{"app", config_.name}, {"generation", active.number()}});
  }
  watch_drains();
  watch(moulting_.packages());
  if (watcher_) {
    watcher_->forget_files();
    watch_files_used({active.files_used().begin(), active.files_used().end()});
  }
  if (!settle_.is_empty()) arm_settle();
}

void App::on_log_line(std::uint64_t generation, char stream, std::string_view line) {
  LogLine entry{std::chrono::system_clock::now(), generation, stream_name(stream), std::string(line)};
  if (services_.log_to_terminal) {
    const std::string whose = entry.generation == 0 ? "spare" : std::to_string(entry.generation);
    services_.log.print(entry.text, {{"app", config_.name}, {"generation", whose}, {"stream", entry.stream}});
  }
  log_.add(std::move(entry));
}

// What an older generation wants is not the app's will any more, and one that is being made could
// make itself again and again.
void App::on_asked(Generation& generation, const std::string& what) {
  if (&generation != moulting_.active()) return;
  if (what == "reload") {
    wants_reload_ = true;
    if (!own_reload_.is_active()) reload_for_itself();
  } else if (what == "freeze" || what == "thaw") {
    services_.log.info(fmt::format("the app asks for {}", what), {{"app", config_.name}});
    set_frozen(what == "freeze" ? Freeze::frozen : Freeze::thawed);
  }
}

// Now, or once the last one that it asked for is over: one that asks without end would abandon each attempt
// for the next, and never get new code.
void App::reload_for_itself() {
  if (!wants_reload_) return;
  own_reload_.start(kOwnReloadEvery, [this] { reload_for_itself(); });
  const auto attempt = moulting_.attempt_view();
  if (attempt && attempt->cause.detail == kTheAppItself) return;
  wants_reload_ = false;
  services_.log.info("the app asks for reload", {{"app", config_.name}});
  request(CauseKind::reload, true, kTheAppItself, [](const AttemptOutcome&) {});
}

void App::on_all_ended() {
  for (const auto& done : std::exchange(stop_waiters_, {})) done();
}

void App::fill_route_target() {
  route_target_.calls = &dispatcher_;
  route_target_.app = config_.name;
  route_target_.max_body = config_.max_body;
  route_target_.slow_max = config_.threads * config_.interpreters / 2;
  route_target_.debug = config_.debug;
  route_target_.static_files = config_.static_files;
}

}  // namespace moult
