#include "daemon/moult/ladder.h"
#include "daemon/moult/moulting.h"

#include <fmt/format.h>

// An app that turns out to want a process of its own when it has been made already, or serves: an
// extension module that it imports late, a call that would change the whole process.

namespace moult {

namespace {

constexpr Milliseconds kStayTold{100};

}  // namespace

void Moulting::on_refused(Generation& generation, const ExtensionNote& what) {
  if (config_.isolation != Isolation::automatic || generation.is_in_process()) {
    owner_.on_log_line(generation.number(), 'm', describe(what));
    return;
  }
  if (attempt_ && attempt_->generation == &generation) {
    generation.refuse(rejection_of({what}));  // the ladder goes on from there
    return;
  }
  if (&generation != active_ || stopping_ || wanted_process_) return;
  wanted_process_ = what;
  services_.log.info(fmt::format("it is moved to a process of its own: {}", describe(what)),
                     {{"app", config_.name}});
  if (attempt_ && attempt_->generation != nullptr && !attempt_->generation->is_in_process()) {
    abandon_generation("stale", "the app is moved to a process of its own");
    make();
  }
  look_again();
}

// The app as it is, made anew in a process.
bool Moulting::move_to_process() {
  if (!wanted_process_ || active_ == nullptr || active_->is_in_process()) return false;
  attempt({CauseKind::isolation, describe(*wanted_process_), true}, Purpose::serve,
          active_->record().snapshot, {});
  return true;
}

// There is no such process, so the app is told itself what refuses its interpreter.
void Moulting::stay_in_interpreter() {
  if (!wanted_process_) return;
  wanted_process_.reset();
  if (active_ == nullptr) return;
  services_.log.warning("it cannot be moved to a process of its own and stays where it is",
                        {{"app", config_.name}});
  for (const auto& interpreter : active_->interpreters()) interpreter->stay();
  // The command and the calls go by different sockets: a call that comes first would be moved once more,
  // and refused. A hack: the host has this long to read its commands, which takes it microseconds.
  stay_.start(kStayTold, [this] { dispatcher_.give_back_moved(); });
}

}  // namespace moult
