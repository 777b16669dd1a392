#include "daemon/serve/generation_state.h"

#include <doctest/doctest.h>

#include <array>
#include <set>
#include <string>

using namespace moult;

namespace {

using S = GenerationState;
using E = GenerationEvent;

constexpr std::array kStates{S::spare,    S::making,  S::warming,  S::active,    S::draining, S::standby,
                             S::retiring, S::retired, S::rejected, S::abandoned, S::lost};
constexpr std::array kEvents{E::taken,   E::made,    E::refused, E::activated, E::replaced,
                             E::drained, E::dropped, E::ended,   E::stuck,     E::host_lost};

// A row per state, a column per event, both in the order above; "-" is what cannot happen.
constexpr std::array<std::array<std::string_view, kEvents.size()>, kStates.size()> kExpected{{
    // taken   made      refused     activated replaced    drained    dropped     ended      stuck host_lost
    {"making", "-", "rejected", "-", "-", "-", "retiring", "-", "-", "rejected"},  // spare
    {"-", "warming", "rejected", "-", "-", "-", "-", "-", "-", "rejected"},        // making
    {"-", "-", "rejected", "active", "-", "-", "-", "-", "-", "rejected"},         // warming
    {"-", "-", "-", "-", "draining", "-", "-", "-", "-", "lost"},                  // active
    {"-", "-", "-", "active", "-", "standby", "retiring", "-", "-", "lost"},       // draining
    {"-", "-", "-", "active", "-", "-", "retiring", "-", "-", "lost"},             // standby
    {"-", "-", "-", "-", "-", "-", "-", "retired", "abandoned", "retired"},        // retiring
    {"-", "-", "-", "-", "-", "-", "-", "-", "-", "-"},                            // retired
    {"-", "-", "-", "-", "-", "-", "-", "-", "-", "-"},                            // rejected
    {"-", "-", "-", "-", "-", "-", "-", "-", "-", "-"},                            // abandoned
    {"-", "-", "-", "-", "-", "-", "-", "-", "-", "-"},                            // lost
}};

S follow(std::initializer_list<E> events) {
  S state = S::making;
  for (const E event : events) {
    const auto after = next(state, event);
    REQUIRE(after);
    state = *after;
  }
  return state;
}

}  // namespace

TEST_CASE("each state goes with each event where the table says, and nowhere else") {
  for (std::size_t row = 0; row < kStates.size(); ++row) {
    for (std::size_t column = 0; column < kEvents.size(); ++column) {
      const auto after = next(kStates[row], kEvents[column]);
      CAPTURE(to_string(kStates[row]));
      CAPTURE(column);
      CHECK((after ? to_string(*after) : "-") == kExpected[row][column]);
    }
  }
}

TEST_CASE("a final state is one that no event leaves") {
  for (const S state : kStates) {
    bool can_leave = false;
    for (const E event : kEvents) can_leave = can_leave || next(state, event);
    CAPTURE(to_string(state));
    CHECK(is_final(state) == !can_leave);
  }
}

TEST_CASE("every state can be reached from a spare") {
  std::set<S> reached{S::spare};
  for (std::size_t before = 0; before != reached.size();) {
    before = reached.size();
    for (const S state : std::set<S>(reached)) {
      for (const E event : kEvents) {
        if (const auto after = next(state, event)) reached.insert(*after);
      }
    }
  }
  CHECK(reached.size() == kStates.size());
}

TEST_CASE("a generation is activated only once it is made, warmed, draining or a standby") {
  for (const S state : kStates) {
    const bool can = state == S::warming || state == S::draining || state == S::standby;
    CAPTURE(to_string(state));
    CHECK(next(state, E::activated).has_value() == can);
  }
}

TEST_CASE("the common life ends retired, with and without a roll-back") {
  CHECK(follow({E::made, E::activated, E::replaced, E::drained, E::dropped, E::ended}) == S::retired);
  CHECK(follow({E::made, E::activated, E::replaced, E::dropped, E::ended}) == S::retired);
  CHECK(follow({E::made, E::activated, E::replaced, E::drained, E::activated}) == S::active);
  CHECK(follow({E::made, E::activated, E::replaced, E::activated}) == S::active);
}

TEST_CASE("the words of the states are different and those of status") {
  std::set<std::string_view> words;
  for (const S state : kStates) words.insert(to_string(state));
  CHECK(words.size() == kStates.size());
  CHECK(to_string(S::abandoned) == "abandoned");
}
