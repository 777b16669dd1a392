#pragma once

#include "daemon/hosts/restart_policy.h"
#include "daemon/moult/app_record.h"

#include <optional>
#include <string>
#include <string_view>

namespace moult {

// What brings an app back whose host died or whose attempt failed with nothing serving, and away from a host
// that it is to leave: which code is made next, and when. Time is passed in; owned by Moulting.
class Recovery {
 public:
  // What is to be made again.
  struct Wanted {
    Cause cause;
    std::string snapshot;  // "": from the disk
  };
  // An attempt that was to serve and is over.
  struct Refused {
    Wanted wanted;
    std::string code;  // the snapshot that it was made of; "": there was none
    std::string stage;
    std::string error;
    bool lacked_means = false;  // descriptors, memory or processes, which others may give back
  };

  class Owner {
   public:
    virtual ~Owner() = default;
    virtual bool may_recover() const = 0;  // nothing else is being made, and the app is not stopped
    virtual bool is_serving() const = 0;
    // Why what serves cannot stay where it is, and what it is made of; nothing: it can.
    virtual std::optional<Wanted> departure() const = 0;
    virtual const std::optional<SnapshotMark>& served_last() const = 0;
    virtual void make_again(Wanted wanted) = 0;
    virtual void make_from_disk(const std::string& error) = 0;  // of the kept snapshot, which is no use
    virtual void fall_back(const SnapshotMark& last) = 0;
    virtual void wake_recovery_at(SteadyTime time) = 0;  // calls on_time() then
    virtual void tell_next_try(std::string_view why, Milliseconds wait) = 0;
  };

  explicit Recovery(Owner& owner) : owner_(owner) {}

  void on_death(Wanted served, bool is_to_blame, SteadyTime now);
  void on_rejected(const Refused& refused, SteadyTime now);
  // Does what could not be done while an attempt was under way. To be called whenever one has ended.
  void look_again();
  void on_time(SteadyTime now);
  // `is_news`: of what the disk holds now, or of what a person went back to. What lacked means before is not
  // made again over that.
  void on_serving(bool is_news) {
    lost_.reset();
    if (is_news) again_.reset();
    leave_again_at_ = {};
  }
  void on_peace() { restarts_.reset(); }  // what serves was no answer to a death
  void stop() {
    lost_.reset();
    again_.reset();
  }

  // When the app that does not serve is made again; nothing: it serves, is being made, or waits for a change.
  std::optional<SteadyTime> next_try() const;

  static constexpr Milliseconds kLeaveAgain{30'000};  // what cannot be made elsewhere stays for so long
  static constexpr Milliseconds kMeansAgain{1'000};   // at the first lack; then as after deaths

 private:
  struct Planned {
    Wanted wanted;
    SteadyTime at;
  };

  void recover(SteadyTime now);
  void wake();

  Owner& owner_;
  RestartPolicy restarts_;
  std::optional<Planned> lost_;   // what served, or was to, when its host died; until something serves again
  std::optional<Planned> again_;  // of an attempt that lacked means while older code serves
  std::optional<SteadyTime> look_at_;
  SteadyTime leave_again_at_{};
};

}  // namespace moult
