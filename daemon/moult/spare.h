#pragma once

#include "ipc/base/clock.h"
#include "ipc/host_events.h"

#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace moult {

class Generation;

// The interpreter that stands ready for the next change while the app is being edited, with the standard
// library imported and the code of the app's other modules at hand (design.md section 5). It becomes a
// generation when it gets its code. At most one per app; time is passed in. Owned by Moulting.
class Spare {
 public:
  // What one is made for, apart from code. It is of use only for the same.
  struct Fit {
    std::string command;  // less what belongs to one generation
    std::string packages;
    bool operator==(const Fit&) const = default;
  };
  static Fit fit_of(MakeCommand command, std::string packages);

  class Owner {
   public:
    virtual ~Owner() = default;
    // What one would be made for now; nothing: the app is to have none, or does not serve.
    virtual std::optional<Fit> spare_fit() const = 0;
    virtual bool has_room_for_spare() const = 0;  // nothing else is being made, nor is memory short
    // What it should import: the interpreter that serves knows. The answer may never come.
    virtual void ask_loaded(std::function<void(const LoadedEvent&)> answer) = 0;
    virtual Generation* make_spare(const LoadedEvent& loaded) = 0;  // null: it cannot be made
    virtual void wake_spare_at(SteadyTime time) = 0;                // calls on_time() then
  };

  explicit Spare(Owner& owner) : owner_(owner) {}

  // The app is being worked on.
  void on_edit(SteadyTime now) { edited_until_ = now + kEdited; }
  // An attempt has ended: another spare for the one that was used, none that does not fit any more.
  void renew(SteadyTime now);
  void on_time(SteadyTime now);
  // Null: it is not ready, or does not fit.
  Generation* take(const Fit& fit);
  void drop();
  void drop_unfit();
  void lose(std::string why);  // it could not be made, or its host died

  Generation* generation() const { return generation_; }  // null: there is none
  bool is_ready() const;
  std::string_view word() const;  // "ready", "being made", "none", or why there is none

  static constexpr Milliseconds kEdited{600'000};  // so long after a change an app is worked on
  static constexpr Milliseconds kDelay{100};       // what has just been switched to comes first
  static constexpr Seconds kRetireTimeout{2.0};

 private:
  bool is_wanted() const;
  void ask();
  void wake();

  Owner& owner_;
  Generation* generation_ = nullptr;
  Fit fit_;
  std::string why_not_;  // "" when nothing is in the way
  SteadyTime edited_until_{};
  std::optional<SteadyTime> begin_at_;
};

}  // namespace moult
