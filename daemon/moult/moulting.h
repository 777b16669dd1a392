#pragma once

#include "daemon/config/config.h"
#include "daemon/moult/app_record.h"
#include "daemon/moult/app_settings.h"
#include "daemon/moult/app_surroundings.h"
#include "daemon/moult/attempt_outcome.h"
#include "daemon/moult/doubt.h"
#include "daemon/moult/record_file.h"
#include "daemon/moult/recovery.h"
#include "daemon/moult/spare.h"
#include "daemon/serve/dispatcher.h"
#include "daemon/serve/generation.h"
#include "daemon/serve/hook_run.h"
#include "daemon/serve/services.h"
#include "daemon/serve/warm_up.h"
#include "daemon/snapshot/memfd.h"
#include "daemon/snapshot/store.h"
#include "daemon/snapshot/take.h"
#include "daemon/watch/why_log.h"

#include <algorithm>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace moult {

// State of the whole process that an app asked for: its host is started with it instead.
struct ProcessWideNote {
  std::string what;  // "TZ=UTC"
  std::string file;  // where, "" when it is not known
  int line = 0;
};

// Makes the generations of one app and moves traffic from one to the next (design.md section 5,
// steps 3 to 8). At most one attempt, one active generation, one standby and one spare exist; replaced
// ones drain beside them. Owned by the App; loop thread only.
class Moulting final : public Generation::Owner,
                       private Spare::Owner,
                       private Doubt::Owner,
                       private Recovery::Owner {
 public:
  class Owner {
   public:
    virtual ~Owner() = default;
    virtual void on_state_changed() = 0;
    virtual void on_switched(Generation& active) = 0;
    virtual void on_files_used(Generation& generation, const std::vector<std::string>& files) = 0;
    virtual void on_files_written(const std::vector<std::string>& files) = 0;
    virtual void on_log_line(std::uint64_t generation, char stream, std::string_view line) = 0;
    // Code of the app itself wants this: "reload", "freeze", "thaw".
    virtual void on_asked(Generation& generation, const std::string& what) = 0;
    virtual void on_all_ended() = 0;  // after stop(): nothing is left
  };

  using Waiter = std::function<void(const AttemptOutcome&)>;

  Moulting(Services& services, Owner& owner, AppConfig config, FoundRecord found, Dispatcher& dispatcher,
           CallStats& stats, WhyLog& why);
  ~Moulting() override;

  void configure(AppConfig config);

  // Begins an attempt from the disk, or from `snapshot`. One that is under way becomes stale; those
  // who wait for it wait for the new one.
  enum class Purpose { serve, check };
  void attempt(Cause cause, Purpose purpose, std::string snapshot_id, Waiter waiter);
  // Something changed on the disk. An attempt under way is in doubt: it is not switched to before
  // on_change_settled has found that its sources are still those of the disk (doubt.h).
  void on_change_seen(const std::string& path) { doubt_.on_change(path); }
  void on_change_settled(Cause cause) { doubt_.on_settled(std::move(cause), Steady::now()); }
  // Lets an attempt in doubt pass: what follows the change is for a person to say (freeze).
  void dismiss_doubts();
  // Changes need not be looked at before: the app keeps changing its own sources while it is loaded.
  SteadyTime not_before() const { return doubt_.not_before(); }
  // Goes back: a standby at once, others through an attempt from their snapshot. None: the one before.
  Result<> can_roll_back(std::optional<std::uint64_t> generation) const;
  Result<> roll_back(std::optional<std::uint64_t> generation, Waiter waiter);
  void unpin();
  // Calls `done` when no generation drains.
  void when_drained(std::function<void()> done);

  // Takes the app out of service; on_all_ended follows.
  void stop();
  void resume() { stopping_ = false; }
  void sweep(SteadyTime now);
  // The daemon stops, and this serves on (moulting_end.cpp): calls that began by `begun_by` are ended at
  // `deadline`. How many are waited for; streams of events are not.
  int end_calls(SteadyTime begun_by, SteadyTime deadline, SteadyTime now);
  void end_streams();
  // Memory is short: the spare and the standby go. A roll-back needs the snapshot then.
  void give_up_reserves();
  // The host is being recycled: moves the app away.
  void leave_host(const Host& host);
  // Nobody can take the GIL of that host. The generation that is to blame stays, all else is made elsewhere.
  void leave_stalled(const Host& host, const Blame& blame);
  bool lives_on(const Host& host) const;
  const Interpreter* stalled() const { return active_ != nullptr ? active_->stalled() : nullptr; }

  Generation* active() const { return active_; }
  Generation* standby() const { return standby_; }
  const std::list<std::unique_ptr<Generation>>& generations() const { return generations_; }
  const AppRecord& record() const { return record_; }
  AppRecord& record() { return record_; }
  const std::shared_ptr<SnapshotStore>& store() const { return store_; }
  const std::set<std::string>& written() const { return written_; }
  SnapshotSpec disk_spec() const;  // what an attempt reads, less the roots of editable installs
  void save_record() { record_file_.save(record_); }
  // Calls `done` when the record, as it is now, is on the disk, or cannot be written.
  void when_saved(std::function<void()> done);
  void forget_record() { record_file_.forget(); }  // the app was removed: the file may be another's now
  const std::optional<PythonInfo>& python() const { return python_; }
  const Environment& environment() const { return environment_; }

  struct AttemptView {
    std::uint64_t generation = 0;  // 0: none yet
    std::string stage;
    Cause cause;
    WallTime since{};
  };
  std::optional<AttemptView> attempt_view() const;
  // The last refused attempt, until something newer became active.
  const std::optional<GenerationRecord>& last_rejected() const { return last_rejected_; }
  std::optional<SteadyTime> backing_off_until() const { return recovery_.next_try(); }
  const std::string& waiting_for() const { return waiting_for_; }
  bool is_stopping() const { return stopping_; }
  bool has_draining() const { return draining() > 0; }
  // The disk is being read for an attempt, or is about to be.
  bool is_reading() const;
  const std::vector<RefusalNote>& refused_extensions() const { return refused_extensions_; }
  const std::vector<ProcessWideNote>& process_wide_notes() const { return process_wide_notes_; }
  const std::vector<std::string>& packages() const { return package_folders_; }
  // The tree's .env, which nothing has asked to be read; "".
  const std::string& unread_env_file() const { return unread_env_file_; }
  const std::vector<std::string>& editable() const { return editable_; }
  Reach reach() const { return reach_; }
  std::string_view spare_word() const {
    return spare_.generation() == nullptr && services_.memory_is_short ? "memory is short" : spare_.word();
  }

  std::uint64_t reloads = 0;
  std::uint64_t rejections = 0;
  std::uint64_t rollbacks = 0;
  std::uint64_t host_deaths = 0;

 private:
  enum class Stage { python, snapshot, make, hooks, warm_up, hold };
  static constexpr int kProcessWideMax = 4;  // changes of TZ and locale that are followed

  // One attempt: from its cause to the switch or the rejection.
  struct Attempt {
    std::uint64_t serial = 0;
    Cause cause;
    Purpose purpose = Purpose::serve;
    Stage stage = Stage::python;
    std::string snapshot_id;  // "": from the disk
    SnapshotPtr snapshot;
    std::shared_ptr<Fd> memfd;
    std::string packages;
    ResolvedPlace place;
    bool same_as_active = false;
    bool fresh_host = false;
    bool in_process = false;    // the ladder's last step
    bool crashed = false;       // a host died of it, or of another app in it; once more in a fresh one
    bool lacked_means = false;  // descriptors, memory or processes: it is made again
    std::optional<std::string> pin_disk;  // of a roll-back: what the disk held when it was asked for
    bool is_fallback = false;             // what served last, since the disk's code was rejected at the start
    int remakes = 0;                      // because of process-wide state
    bool left_full_host = false;          // one without descriptors
    int bystander_deaths = 0;             // of hosts that it was made in, and was not to blame for
    Generation* generation = nullptr;
    std::uint64_t number = 0;
    WallTime since{};
    std::vector<Waiter> waiters;
  };
  struct Prepared;

  // A roll-back to the standby while the state of the active generation is moved to it. There is no
  // attempt meanwhile; what comes waits as `next_`. Over with the switch.
  struct WayBack {
    Cause cause;
    std::uint64_t from = 0;
    std::uint64_t to = 0;
    SnapshotMark pin;                        // set from the beginning
    std::optional<SnapshotMark> pin_before;  // comes back when it leads nowhere
    WallTime since{};
    std::vector<Waiter> waiters;
  };

  // moulting.cpp: the attempt
  void begin_next();
  bool is_busy() const { return attempt_ || next_ || way_back_; }
  void ask_python();
  void explain_silence(const Error& error);
  void make();
  Result<> make_generation(GenerationRecord record, const MakeCommand& command, const HostKey& key);
  void on_generation_made(Generation& generation) override;
  void on_generation_refused(Generation& generation) override;
  void hold_or_switch();
  void go_on_if_held();
  bool climb_ladder(const Rejection& rejection);
  void refuse_attempt(Rejection rejection);
  void reject(Rejection rejection);
  void log_traceback(std::uint64_t generation, std::string_view text);
  void fail_attempt(Error error);
  void conclude(AttemptOutcome outcome);
  void abandon_generation(std::string stage, std::string error);
  std::unique_ptr<Attempt> end_attempt();

  // moulting_take.cpp: what it is made of
  void take();
  void on_prepared(std::uint64_t serial, std::shared_ptr<Prepared> prepared);
  bool take_surroundings(AppSurroundings surroundings);

  // moulting_hooks.cpp: what a generation proves before it serves
  void hand_over();
  void move_state(Generation& from, Generation& to, HookRun::Done done);
  void on_not_adopted(Generation& to, std::uint64_t from, const Rejection& failure);
  void run_ready_hooks();
  void warm_up();

  // moulting_doubt.cpp: changes during an attempt
  void compare_with_disk(std::function<void(bool same, SteadyTime now)> answer) override;
  void attempt_anew(Cause cause) override;
  void on_found_unchanged() override;
  void on_changes_go_on() override;

  static Milliseconds until(SteadyTime time) {
    return std::max(Milliseconds(0), std::chrono::ceil<Milliseconds>(time - Steady::now()));
  }

  // moulting_recover.cpp: deaths and departures
  void look_again();
  bool may_recover() const override { return !is_busy() && !stopping_; }
  bool is_serving() const override { return active_ != nullptr; }
  std::optional<Recovery::Wanted> departure() const override;
  const std::optional<SnapshotMark>& served_last() const override { return record_.active; }
  void make_again(Recovery::Wanted wanted) override;
  void make_from_disk(const std::string& error) override;
  void fall_back(const SnapshotMark& last) override;
  void wake_recovery_at(SteadyTime time) override;
  void tell_next_try(std::string_view why, Milliseconds wait) override;
  void leave_stuck_hosts();
  bool leave_full_hosts(const Generation& generation, const Rejection& rejection);
  bool is_apart() const { return services_.parting.is_alone(config_.name, Steady::now()); }

  // moulting_process.cpp
  void on_refused(Generation& generation, const RefusalNote& what) override;
  bool move_to_process();
  void tell_of_record(const Error& problem);
  void stay_in_interpreter();

  // moulting_back.cpp: roll-backs
  Result<GenerationRecord> rollback_target(std::optional<std::uint64_t> generation) const;
  void go_back(WayBack way_back);
  void switch_back();
  void lose_way_back();

  // moulting_spare.cpp
  std::optional<Spare::Fit> spare_fit() const override;
  bool has_room_for_spare() const override;
  void ask_loaded(std::function<void(const LoadedEvent&)> answer) override;
  Generation* make_spare(const LoadedEvent& loaded) override;
  void wake_spare_at(SteadyTime time) override;
  bool take_spare(const MakeCommand& command, const HostKey& key);

  // moulting_switch.cpp: switch, drain, standby, retire
  void switch_to(Generation& generation, const Cause& cause);
  void finish_drain(Generation& generation);
  void drop_standby();
  std::vector<Waiter> call_off(const std::string& why);
  void retire(Generation& generation);
  void bury_soon();
  void keep_snapshots();
  void announce(std::string_view event, const Generation& generation, EventData more = {});
  void tell_outlived(Generation& generation, int calls);  // they were interrupted
  std::size_t draining() const;
  std::size_t draining_in_vain() const;
  void on_generation_idle(Generation& generation) override;
  void on_generation_lost(Generation& generation, const std::string& how) override;
  void on_generation_hurt(Generation& generation, const std::string& how) override;
  void on_generation_ended(Generation& generation) override;
  void on_flight_ended(Generation& generation, Flight& flight) override;
  void on_room(Generation& generation) override;
  void on_call_returned(Generation&, Call& call) override { dispatcher_.on_call_returned(call); }
  void on_call_lost(Generation& generation, Call& call) override;
  void on_call_moved(Call& call) override;
  void on_files_used(Generation& generation, const std::vector<std::string>& files) override;
  void on_files_written(const std::vector<std::string>& files) override;
  void on_notice(Generation& generation, const HostEvent& event) override;
  void on_process_wide(Generation& generation, const ProcessWideEvent& event);
  void on_log_line(Generation& generation, char stream, std::string_view line) override;
  void told_drained();

  Services& services_;
  Owner& owner_;
  AppConfig config_;
  Environment environment_;
  Environment file_environment_;  // of `env_file`, as it was when the last attempt began
  std::string unread_env_file_;
  std::string python_file_;  // which file the app's python was then, and since when
  Dispatcher& dispatcher_;
  CallStats& stats_;
  WhyLog& why_;
  std::shared_ptr<SnapshotStore> store_;  // shared with background jobs, which may outlive the app
  AppRecord record_;
  RecordFile record_file_;

  std::unique_ptr<Attempt> attempt_;
  std::unique_ptr<Attempt> next_;    // waits for the background job of the one before, or a way back
  std::optional<WayBack> way_back_;  // standby_ is where it leads
  bool preparing_ = false;
  std::uint64_t serial_ = 0;
  std::unique_ptr<HookRun> hooks_;  // of the attempt or the way back
  std::uint64_t last_hook_call_ = 0;
  std::unique_ptr<WarmUp> warm_up_;
  uv::Timer attempt_deadline_;
  Recovery recovery_{*this};
  uv::Timer recovery_time_;
  std::uint64_t stays_ = 0;  // the generation whose hosts know that there is no process for it

  std::list<std::unique_ptr<Generation>> generations_;  // all that have something left, oldest first
  Generation* active_ = nullptr;
  Generation* standby_ = nullptr;
  uv::Timer standby_end_;
  uv::Timer burial_;
  Spare spare_{*this};  // its generation is one of generations_
  uv::Timer spare_time_;
  ResolvedPlace place_;  // of the last attempt
  std::optional<GenerationRecord> last_rejected_;
  std::vector<RefusalNote> refused_extensions_;
  std::optional<RefusalNote> wanted_process_;  // what refuses the interpreter of the active generation
  std::vector<ProcessWideNote> process_wide_notes_;
  int process_wide_changes_ = 0;
  std::vector<std::function<void()>> drain_waiters_;
  std::string waiting_for_;
  std::string last_disk_snapshot_;
  std::size_t snapshots_taken_ = 0;
  std::set<std::string> written_;  // data files that the app wrote itself, whichever generation did
  Doubt doubt_{*this};             // of the attempt
  std::optional<PythonInfo> python_;
  std::vector<std::string> site_folders_;     // whose .pth files count
  std::vector<std::string> package_folders_;  // these, and more
  std::vector<std::string> editable_;
  Reach reach_ = Reach::tree;
  bool stopping_ = false;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);  // background jobs hold it weakly
};

}  // namespace moult
