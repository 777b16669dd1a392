#pragma once

#include <atomic>

namespace moult::ctl {

// Makes SIGINT and SIGTERM set a flag instead of ending the process, ignores SIGPIPE, and returns the
// flag. A signal handler can reach nothing but a variable of static storage, hence this one.
std::atomic<bool>& catch_interrupts();

}  // namespace moult::ctl
