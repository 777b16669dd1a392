#pragma once

#include "interp/boot/natives.h"
#include "interp/calls/call_fault.h"
#include "interp/calls/thread_calls.h"

namespace moult {

// A call of a function by the calling thread itself: it leaves its interpreter, runs the function in
// the target's, and comes back (thread migration, as in LRPC). No other thread has a part in it.
// `arguments` were encoded in the attached interpreter; they are released here.
enum class Ended {
  done,    // the result is set
  raised,  // an exception is pending
  failed,  // the fault is set
  closed,  // the target takes no calls: it is another one's turn now, look again
  far,     // it is called by a caller lane: the function yields items, or wants a process of its app's own
};
struct EnteredResult {
  Ended ended = Ended::closed;
  py::Ref value{};
  CallFault fault{};
};
EnteredResult enter_call(const py::Attached& py, Natives& natives, const std::shared_ptr<Entrance>& target,
                         std::string_view function, Payload& arguments);

}  // namespace moult
