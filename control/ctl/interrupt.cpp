#include "control/ctl/interrupt.h"

#include <csignal>
#include <initializer_list>

namespace moult::ctl {

namespace {

std::atomic<bool>& flag() {
  static std::atomic<bool> interrupted{false};
  return interrupted;
}

}  // namespace

std::atomic<bool>& catch_interrupts() {
  flag();  // made before a handler can run
  struct sigaction action {};
  action.sa_handler = [](int) { flag().store(true); };  // lock-free, so allowed in a handler
  for (const int number : {SIGINT, SIGTERM}) {
    struct sigaction before {};
    ::sigaction(number, nullptr, &before);
    if (before.sa_handler != SIG_IGN)
      ::sigaction(number, &action, nullptr);  // nohup and `&` stay as they are
  }
  ::signal(SIGPIPE, SIG_IGN);
  return flag();
}

}  // namespace moult::ctl
