#pragma once

#include "interp/host/home.h"

#include <map>
#include <memory>
#include <mutex>

namespace moult {

// The commander of a host process: a thread without Python that reads the command channel and
// passes each command to the home that it concerns. It never waits for anything else, and when the
// daemon's end closes it ends the process at once. One per process, made by main.
class Host final : public Heartbeat::Owner {
 public:
  Host(int channel, HostServices services) : channel_(channel), services_(std::move(services)) {}

  // The commander's thread. Never returns.
  [[noreturn]] void command();
  // Any thread: all homes take the GIL once. An interpreter that is alone asks itself, unless the heartbeat
  // waits for it.
  void take_turns(bool heartbeat_waits);

  StalledEvent find_holder() override;
  void tell_stalled(const StalledEvent& event) override { services_.events.tell(event); }
  void tell_revived(Seconds after) override { services_.events.tell(RevivedEvent{0, after}); }
  // By the watcher: of interpreters that share no GIL; each millisecond, of workers that are stuck in a call.
  void look_for_stalls();
  bool tick();  // see Turns

 private:
  void obey(MakeCommand make, std::vector<Fd> descriptors);
  void obey(LoadCommand load, std::vector<Fd> descriptors);
  void reject_barren(InterpNumber interp, std::size_t wanted, std::size_t came);
  void obey(LoadedCommand loaded);
  void obey(RetireCommand retire);
  void obey(InterruptCommand interrupt);
  void obey(StackCommand stack);
  void obey(RouteCommand route);
  void obey(DrainCommand drain);
  void obey(CallsCommand calls);
  void obey(KillCommand kill);
  void obey(ImportsCommand imports);
  void obey(StayCommand stay);
  void obey(GiveBackCommand give_back);
  [[noreturn]] void obey(ExitCommand exit);
  std::shared_ptr<Home> find(InterpNumber interp);
  std::vector<std::shared_ptr<Home>> homes();

  int channel_;
  HostServices services_;
  int number_ = 0;  // in the daemon, as each `make` says
  std::mutex mutex_;
  std::map<InterpNumber, std::shared_ptr<Home>> homes_;
};

}  // namespace moult
