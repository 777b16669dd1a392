#include "interp/calls/enter_call.h"

#include "interp/calls/run_export.h"
#include "interp/py/interpreter.h"
#include "interp/py/swap.h"

#include <algorithm>
#include <cstring>

namespace moult {

namespace {

EnteredCall entered_call(Natives& natives, const std::shared_ptr<Entrance>& target, std::string_view function,
                         int depth) {
  EnteredCall call;
  call.target = target;
  call.caller_state = PyThreadState_Get();
  call.caller = natives.entrance.get();
  call.number = natives.book.next_number();
  call.served = natives.book.here().scope.number;
  const std::size_t size = std::min(function.size(), call.function.size() - 1);
  std::memcpy(call.function.data(), function.data(), size);
  call.began = Steady::now();
  call.depth = depth;
  return call;
}

// In the target's interpreter.
std::optional<CallFault> run_in_target(const py::Attached& py, Entrance& target, std::string_view function,
                                       const Payload& arguments, Payload& result, std::size_t max_payload,
                                       bool& is_stream) {
  const Exported exported = find_export(py, target.exports(), function);
  if (!exported) return not_exported(py, function);
  if ((exported.flags & kExportStream) != 0) {
    is_stream = true;
    return std::nullopt;
  }
  Ran ran = run_export(py, exported.function, arguments.view());
  if (ran.fault) return std::move(ran.fault);
  if (!result.encode_value(py, ran.value.get(), max_payload)) return take_fault(py, "payload");
  return std::nullopt;
}

}  // namespace

EnteredResult enter_call(const py::Attached& py, Natives& natives, const std::shared_ptr<Entrance>& target,
                         std::string_view function, Payload& arguments) {
  const Inside inside(target->calls);
  if (!inside) return {Ended::closed};
  ThreadCalls& calls = natives.book.here();
  const ThreadCalls::ResultSlot slot(calls);
  Payload& answer = slot.payload();
  std::optional<CallFault> fault;
  bool is_stream = false;
  PyThreadState* const there = calls.state_in(target);
  PyThreadState* const here = PyThreadState_Get();
  const auto move_to = [&](PyThreadState* state) {
    if (there != here) py::swap(state);
  };
  calls.push(entered_call(natives, target, function, ++calls.scope.depth));
  move_to(there);
  fault = run_in_target(py, *target, function, arguments, answer, natives.max_payload, is_stream);
  const ThreadCalls::Popped popped = calls.pop();
  --calls.scope.depth;
  // What was raised here and not yet seen must not hit the next call.
  if (popped.interrupted) py::forget_raise(py);
  move_to(here);
  arguments.release(py);
  EnteredResult result;
  if (popped.interrupted && popped.caller_interrupted) {
    // Whatever became of the call: it was in the way of the exception, which is due here, once.
    py::forget_raise(py);
    PyErr_SetNone(natives.entrance->interrupted());
    result.ended = Ended::raised;
  } else if (is_stream || popped.moved) {
    result.ended = Ended::far;
  } else if (fault) {
    result = {Ended::failed, {}, std::move(*fault)};
  } else {
    result.value = decode_value(py, answer.view());
    result.ended = result.value ? Ended::done : Ended::raised;
  }
  // Large buffers lie in objects of the target; small results in none.
  const bool has_objects = !answer.view().buffers.empty();
  const py::Ref error = has_objects && !result.value ? py::take_exception(py) : py::Ref();
  if (has_objects) move_to(there);
  answer.release(py);
  if (has_objects) move_to(here);
  if (error) PyErr_SetObject(PyExceptionInstance_Class(error.get()), error.get());
  return result;
}

}  // namespace moult
