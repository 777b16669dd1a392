#pragma once

#include <chrono>
#include <functional>
#include <string>

namespace moult::testing {

using Clock = std::chrono::steady_clock;
using Deadline = Clock::time_point;

// How long any one thing may take in these tests: generous, because machines are busy and a
// sanitizer is slow. MOULT_TEST_PATIENCE multiplies it.
std::chrono::milliseconds patience();
inline Deadline soon() { return Clock::now() + patience(); }

// Asks until `predicate` is true or the deadline has passed; the last answer.
bool eventually(const std::function<bool()>& predicate, Deadline deadline = soon());

// Waits for one thing that no question can shorten ("nothing happens for a while").
void let_pass(std::chrono::milliseconds time);

// Milliseconds left, for poll(2); 0 when the deadline has passed.
int left(Deadline deadline);

}  // namespace moult::testing
