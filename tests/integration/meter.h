#pragma once

#include "tests/integration/sources.h"
#include "tests/support/daemon_process.h"

#include <string>

namespace moult::testing {

// An app beside those of a case, made before the start, by which the case tells that nothing comes of a
// change: what was changed before passes() would have been served before the meter's own changes are, one
// after the other.
class Meter {
 public:
  explicit Meter(DaemonProcess& daemon)
      : daemon_(daemon), app_(daemon.add_app("meter", "routes = [\"/meter\"]")) {
    app_.write("app.py", answers("meter 0"));
  }

  bool passes() {
    for (int i = 0; i < 2; ++i) {
      const std::string reading = "meter " + std::to_string(++count_);
      app_.write("app.py", answers(reading));
      if (!daemon_.wait_for_body("/meter", reading)) return false;
    }
    return true;
  }

 private:
  DaemonProcess& daemon_;
  AppTree app_;
  int count_ = 0;
};

}  // namespace moult::testing
