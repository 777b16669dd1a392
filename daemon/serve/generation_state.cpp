#include "daemon/serve/generation_state.h"

#include <array>

namespace moult {

namespace {

using S = GenerationState;
using E = GenerationEvent;

struct Transition {
  S from;
  E event;
  S to;
};

constexpr std::array kTable{
    Transition{S::spare, E::taken, S::making},         Transition{S::spare, E::refused, S::rejected},
    Transition{S::spare, E::dropped, S::retiring},     Transition{S::spare, E::host_lost, S::rejected},
    Transition{S::making, E::made, S::warming},        Transition{S::making, E::refused, S::rejected},
    Transition{S::making, E::host_lost, S::rejected},  Transition{S::warming, E::refused, S::rejected},
    Transition{S::warming, E::host_lost, S::rejected}, Transition{S::warming, E::activated, S::active},
    Transition{S::active, E::replaced, S::draining},   Transition{S::active, E::host_lost, S::lost},
    Transition{S::draining, E::activated, S::active},  Transition{S::draining, E::drained, S::standby},
    Transition{S::draining, E::dropped, S::retiring},  Transition{S::draining, E::host_lost, S::lost},
    Transition{S::standby, E::activated, S::active},   Transition{S::standby, E::dropped, S::retiring},
    Transition{S::standby, E::host_lost, S::lost},     Transition{S::retiring, E::ended, S::retired},
    Transition{S::retiring, E::stuck, S::abandoned},   Transition{S::retiring, E::host_lost, S::retired},
};

}  // namespace

std::string_view to_string(GenerationState state) {
  switch (state) {
    case S::spare: return "spare";
    case S::making: return "making";
    case S::warming: return "warming";
    case S::active: return "active";
    case S::draining: return "draining";
    case S::standby: return "standby";
    case S::retiring: return "retiring";
    case S::retired: return "retired";
    case S::rejected: return "rejected";
    case S::abandoned: return "abandoned";
    case S::lost: return "lost";
  }
  return "lost";
}

std::optional<GenerationState> next(GenerationState state, GenerationEvent event) {
  for (const Transition& row : kTable) {
    if (row.from == state && row.event == event) return row.to;
  }
  return std::nullopt;
}

bool is_final(GenerationState state) {
  return state == S::retired || state == S::rejected || state == S::abandoned || state == S::lost;
}

}  // namespace moult
