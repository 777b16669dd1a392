#pragma once

#include "control/method.h"

namespace moult {

class Daemon;

// The checks of `moultctl doctor` that only the daemon can make: its limits, its watches, its host
// modules. Rows as in docs/control.md.
control::Json doctor_checks(const Daemon& daemon);

}  // namespace moult
