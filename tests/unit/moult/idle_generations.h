#pragma once

#include "daemon/serve/generation.h"
#include "ipc/uv/loop.h"

#include <list>

namespace moult::test {

// Generations without interpreters: they need no host, have no call and do what they are told at once.
class IdleGenerations : public Generation::Owner {
 public:
  Generation& make(GenerationState state) {
    Generation& generation = made_.emplace_back(loop_, *this, GenerationRecord{}, nullptr, "");
    generation.record().state = state;
    return generation;
  }

  void on_generation_made(Generation&) override {}
  void on_generation_refused(Generation&) override {}
  void on_generation_idle(Generation&) override {}
  void on_generation_lost(Generation&, const std::string&) override {}
  void on_generation_hurt(Generation&, const std::string&) override {}
  void on_generation_ended(Generation&) override {}
  void on_flight_ended(Generation&, Flight&) override {}
  void on_room(Generation&) override {}
  void on_call_returned(Generation&, Call&) override {}
  void on_call_lost(Generation&, Call&) override {}
  void on_call_moved(Call&) override {}
  void on_refused(Generation&, const RefusalNote&) override {}
  void on_files_used(Generation&, const std::vector<std::string>&) override {}
  void on_files_written(const std::vector<std::string>&) override {}
  void on_notice(Generation&, const HostEvent&) override {}
  void on_log_line(Generation&, char, std::string_view) override {}

 private:
  uv::Loop loop_;
  std::list<Generation> made_;
};

}  // namespace moult::test
