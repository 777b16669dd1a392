#pragma once

#include "control/method.h"

#include <string>

namespace moult {

class Daemon;

// A reply that says "ok" only when the app's state file says so too: what was answered outlives a
// daemon that is killed. Where the disk hangs the answer is an error, after some seconds.
control::Reply when_saved(Daemon& daemon, std::string app, control::Reply reply);

}  // namespace moult
