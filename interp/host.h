#pragma once

#include "interp/home.h"

#include <map>
#include <memory>
#include <mutex>

namespace moult {

// The commander of a host process: a thread without Python that reads the command channel and
// passes each command to the home that it concerns. It never waits for anything else, and when the
// daemon's end closes it ends the process at once. One per process, made by main.
class Host {
 public:
  Host(int channel, HostServices services) : channel_(channel), services_(std::move(services)) {}

  // The commander's thread. Never returns.
  [[noreturn]] void command();

 private:
  void obey(MakeCommand make);
  void obey(RetireCommand retire);
  void obey(InterruptCommand interrupt);
  void obey(StackCommand stack);
  [[noreturn]] void obey(ExitCommand exit);
  std::shared_ptr<Home> find(InterpNumber interp);

  int channel_;
  HostServices services_;
  std::mutex mutex_;
  std::map<InterpNumber, std::shared_ptr<Home>> homes_;
};

}  // namespace moult
