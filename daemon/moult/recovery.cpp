#include "daemon/moult/recovery.h"

#include <algorithm>
#include <utility>

namespace moult {

void Recovery::on_death(Wanted served, bool is_to_blame, SteadyTime now) {
  // A neighbour's doing is nothing to wait for: the neighbour lives alone from now on.
  const Milliseconds wait = is_to_blame ? restarts_.on_death(now) : Milliseconds(0);
  lost_ = Planned{std::move(served), now + wait};
  if (wait > Milliseconds(0)) owner_.tell_next_try("the host died again; ", wait);
  look_again();
}

// With nothing serving there is something better than to wait for a change: the disk, what served last, or,
// after a death, the same again a little later. While older code serves, only what others have to give
// back is waited for: nothing will change on the disk.
void Recovery::on_rejected(const Refused& refused, SteadyTime now) {
  if (!owner_.may_recover()) return;
  const bool is_serving = owner_.is_serving();
  if (is_serving && !refused.lacked_means) return;
  const bool from_disk = refused.wanted.snapshot.empty();
  if (!is_serving && !from_disk && refused.stage == "snapshot" && !refused.lacked_means) {
    lost_.reset();
    owner_.make_from_disk(refused.error);
    return;
  }
  const auto& last = owner_.served_last();
  // Without a host no code can be served, whichever it is.
  if (!is_serving && from_disk && refused.stage != "host" && last && refused.code != last->snapshot) {
    owner_.fall_back(*last);
    return;
  }
  if (refused.wanted.cause.kind != CauseKind::host_lost && refused.stage != "crash" && !refused.lacked_means)
    return;
  const Milliseconds wait =
      std::max(restarts_.on_death(now), refused.lacked_means ? kMeansAgain : Milliseconds(0));
  (is_serving ? again_ : lost_) = Planned{refused.wanted, now + wait};
  owner_.tell_next_try("", wait);
  wake();
}

void Recovery::look_again() {
  if (!owner_.may_recover()) return;
  const bool is_serving = owner_.is_serving();
  if (is_serving ? !owner_.departure() : !lost_) return;
  look_at_ = is_serving ? leave_again_at_ : lost_->at;
  wake();
}

void Recovery::on_time(SteadyTime now) {
  if (again_ && now >= again_->at) {
    Planned again = std::move(*std::exchange(again_, std::nullopt));
    if (owner_.may_recover()) owner_.make_again(std::move(again.wanted));
  }
  if (look_at_ && now >= *look_at_) {
    look_at_.reset();
    recover(now);
  }
  wake();
}

void Recovery::recover(SteadyTime now) {
  if (!owner_.may_recover()) return;
  if (!owner_.is_serving()) {
    if (lost_) owner_.make_again(lost_->wanted);
  } else if (auto departure = owner_.departure()) {
    leave_again_at_ = now + kLeaveAgain;
    owner_.make_again(std::move(*departure));
  }
}

std::optional<SteadyTime> Recovery::next_try() const {
  if (!lost_ || owner_.is_serving() || !owner_.may_recover()) return std::nullopt;
  return lost_->at;
}

void Recovery::wake() {
  if (look_at_ || again_)
    owner_.wake_recovery_at(
        std::min(look_at_.value_or(SteadyTime::max()), again_ ? again_->at : SteadyTime::max()));
}

}  // namespace moult
