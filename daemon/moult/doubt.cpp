#include "daemon/moult/doubt.h"

#include <algorithm>
#include <utility>

namespace moult {

namespace {

constexpr Milliseconds kFirstPause{1'000};  // doubled with each further one

}  // namespace

void Doubt::begin_attempt() {
  end_attempt();
  ++attempt_;
  is_comparing_ = false;
}

void Doubt::on_read() {
  if (state_ == State::reading) state_ = State::loading;
}

void Doubt::end_attempt() {
  state_ = State::none;
  seen_ = judged_ = 0;
}

void Doubt::on_change(std::string path) {
  if (state_ == State::none || state_ == State::overtaken) return;
  last_change_ = std::move(path);
  if (state_ == State::reading) {
    state_ = State::overtaken;  // nothing has been made yet: the next snapshot will be as good
  } else {
    ++seen_;
  }
}

void Doubt::on_settled(Cause cause, SteadyTime now) {
  if (is_open() && state_ == State::loading && !is_comparing_ && !cause.forced) {
    compare(std::move(cause));
    return;
  }
  if (is_open()) spoil(now);
  owner_.attempt_anew(std::move(cause));
}

void Doubt::compare(Cause cause) {
  is_comparing_ = true;
  owner_.compare_with_disk(
      [this, attempt = attempt_, judged = seen_, cause = std::move(cause)](bool same, SteadyTime now) {
        if (attempt == attempt_) on_compared(judged, cause, same, now);  // a later one has seen the change
      });
}

void Doubt::on_compared(int judged, Cause cause, bool same, SteadyTime now) {
  is_comparing_ = false;
  if (!same || state_ != State::loading) {
    if (state_ != State::none) spoil(now);
    owner_.attempt_anew(std::move(cause));
    return;
  }
  judged_ = judged;
  owner_.on_found_unchanged();
}

bool Doubt::must_wait(SteadyTime now) {
  if (is_open() && spoiled_ < kPatience) return true;
  if (is_open()) {
    spoil(now);
    judged_ = seen_;
  } else {
    spoiled_ = 0;
  }
  return false;
}

bool Doubt::excuses_rejection(SteadyTime now) {
  if (!is_open()) return false;
  if (spoiled_ < kPatience) {
    state_ = State::overtaken;
    return true;
  }
  spoil(now);
  return false;
}

bool Doubt::dismiss() { return std::exchange(judged_, seen_) < seen_; }

void Doubt::spoil(SteadyTime now) {
  ++spoiled_;
  if (spoiled_ < kPatience) return;
  not_before_ = now + std::min(kLongestPause, kFirstPause * (1 << std::min(spoiled_ - kPatience, 6)));
  if (spoiled_ == kPatience) owner_.on_changes_go_on();
}

}  // namespace moult
