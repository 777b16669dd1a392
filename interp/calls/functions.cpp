#include "interp/calls/functions.h"

#include "interp/calls/call_doc.h"
#include "interp/calls/caller_lane.h"
#include "interp/calls/enter_call.h"
#include "interp/calls/outgoing.h"
#include "interp/py/interpreter.h"
#include "interp/py/swap.h"
#include "interp/py/types.h"

#include <fmt/format.h>

#include <thread>

namespace moult {

namespace {

constexpr const char* kFarCall = "moult.far_call";
constexpr int kTriesMax = 1000;

// What a far call that did not come to an answer raises.
PyObject* raise_far(const py::Attached& py, Natives& natives, const Outgoing& call, FarCall& far,
                    const CallFault& fault) {
  far.abort();
  if (fault.reason == "pending") return nullptr;
  if (fault.reason == "interrupted") {
    // It is raised here, and not once more in the handlers that it passes.
    py::forget_raise(py);
    PyErr_SetNone(natives.entrance->interrupted());
    return nullptr;
  }
  return raise_for(py, call, fault);
}

std::string current_call(Natives& natives) {
  ThreadCalls& calls = natives.book.here();
  if (calls.innermost() != 0) return fmt::format("h{}-{}", natives.host, calls.innermost());
  if (calls.scope.interp == 0) return {};
  return fmt::format("w{}-{}", natives.host, calls.scope.number);
}

void destroy_far(PyObject* capsule) { delete static_cast<FarCall*>(PyCapsule_GetPointer(capsule, kFarCall)); }

FarCall* far_of(PyObject* capsule) { return static_cast<FarCall*>(PyCapsule_GetPointer(capsule, kFarCall)); }

py::Ref new_far(Natives& natives) {
  auto far = std::make_unique<FarCall>(*natives.lanes, natives.max_payload + lane::kChunkMax);
  py::Ref capsule = py::Ref::steal(PyCapsule_New(far.get(), kFarCall, destroy_far));
  if (capsule) static_cast<void>(far.release());
  return capsule;
}

CallFault fault_in(std::string_view reason, std::string_view json) {
  return decode_fault(reason, json).value_or(CallFault{std::string(reason)});
}

// The result of a call whose answer has begun.
PyObject* far_result(const py::Attached& py, Natives& natives, const Outgoing& call, PyObject* capsule) {
  FarCall& far = *far_of(capsule);
  const ThreadCalls& calls = natives.book.here();
  if (far.reason() == "stream") {
    const py::Ref type = py::boot_function(py, "calls", "Stream");
    if (!type) return nullptr;
    return PyObject_CallFunction(type.get(), "Os#s#", capsule, call.app.data(),
                                 static_cast<Py_ssize_t>(call.app.size()), call.function.data(),
                                 static_cast<Py_ssize_t>(call.function.size()));
  }
  std::string_view body;
  if (const auto fault = far.read_all(py, calls, body)) return raise_far(py, natives, call, far, *fault);
  if (far.reason() != "value") {
    CallFault fault = fault_in(far.reason(), body);
    // What the function itself called had the same deadline, and may have been a little faster.
    const bool for_time = fault.type == "moult.CallTimeout" || fault.type == "moult.Interrupted";
    if (fault.reason == "raised" && for_time && Steady::now() >= far.deadline()) {
      fault = {"timeout", {}, "no answer within the timeout"};
    }
    return raise_for(py, call, fault);
  }
  const auto payload = FlatPayload::parse(body);
  if (!payload) return raise_for(py, call, {"payload", {}, "a malformed result"});
  return decode_value(py, payload->view()).release();
}

PyObject* call_far(const py::Attached& py, Natives& natives, const Outgoing& call, PyObject* capsule,
                   SteadyTime deadline, int depth, std::string caller_call) {
  ThreadCalls& calls = natives.book.here();
  Payload& arguments = calls.arguments();
  if (!arguments.encode_call(py, call.args, call.positional, call.kwnames, natives.max_payload))
    return nullptr;
  std::string flat;
  arguments.flatten(flat);
  arguments.release(py);
  FarCall& far = *far_of(capsule);
  const FarRequest request{call.app, call.function, natives.entrance->app, std::move(caller_call), flat,
                           deadline, depth};
  if (const auto fault = far.begin(py, calls, request)) return raise_far(py, natives, call, far, *fault);
  return far_result(py, natives, call, capsule);
}

PyObject* call_near(const py::Attached& py, Natives& natives, const Outgoing& call, bool& far) {
  ThreadCalls& calls = natives.book.here();
  for (int tries = 0; tries < kTriesMax; ++tries) {
    const std::shared_ptr<Entrance> target = natives.directory.find(call.app);
    far = !target || !py::can_swap() || (call.deadline && !target->is_inline(call.function));
    if (far) return nullptr;
    Payload& arguments = calls.arguments();
    if (!arguments.encode_call(py, call.args, call.positional, call.kwnames, natives.max_payload))
      return nullptr;
    EnteredResult result = enter_call(py, natives, target, call.function, arguments);
    switch (result.ended) {
      case Ended::done: return result.value.release();
      case Ended::raised: return nullptr;
      case Ended::failed: return raise_for(py, call, result.fault);
      case Ended::far: far = true; return nullptr;
      case Ended::closed: arguments.release(py); break;
    }
    // Its generation was replaced between the look and the step; the route follows at once.
    const py::DetachScope detached(py);
    std::this_thread::yield();
  }
  far = true;  // it does not: the daemon knows more
  return nullptr;
}

PyObject* make_call(const py::Attached& py, Natives& natives, const Outgoing& call) {
  ThreadCalls& calls = natives.book.here();
  if (calls.scope.depth >= kCallDepthMax) return raise_for(py, call, too_deep());
  if (calls.scope.deadline != SteadyTime::max() && Steady::now() >= calls.scope.deadline) {
    return raise_for(py, call, {"timeout", {}, "the time of the call that makes this one is up"});
  }
  bool far = false;
  PyObject* const result = call_near(py, natives, call, far);
  if (!far) return result;
  const SteadyTime deadline = std::min(calls.scope.deadline, call.deadline.value_or(SteadyTime::max()));
  const py::Ref capsule = new_far(natives);
  if (!capsule) return nullptr;
  return call_far(py, natives, call, capsule.get(), deadline, calls.scope.depth, current_call(natives));
}

// call(app, function, *args, timeout=None, **kwargs)
PyObject* call(PyObject* self, PyObject* const* args, Py_ssize_t count, PyObject* kwnames) {
  const auto py = py::Attached::by_caller();
  if (count < 2) {
    PyErr_SetString(PyExc_TypeError, "call() needs the name of an app and the name of a function");
    return nullptr;
  }
  const auto app = utf8_of(args[0], "the name of the app");
  const auto function = app ? utf8_of(args[1], "the name of the function") : std::nullopt;
  if (!function) return nullptr;
  Outgoing outgoing{*app, *function, args + 2, count - 2, kwnames};
  Natives& natives = natives_of(self);
  const Py_ssize_t keywords = kwnames != nullptr ? PyTuple_GET_SIZE(kwnames) : 0;
  for (Py_ssize_t i = 0; i < keywords; ++i) {
    if (PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(kwnames, i), "timeout") != 0) continue;
    if (!take_timeout(args[count + i], outgoing.deadline)) return nullptr;
    // The function gets the rest.
    std::vector<PyObject*> rest(args + 2, args + count + i);
    rest.insert(rest.end(), args + count + i + 1, args + count + keywords);
    const py::Ref before = py::Ref::steal(PyTuple_GetSlice(kwnames, 0, i));
    const py::Ref after = py::Ref::steal(PyTuple_GetSlice(kwnames, i + 1, keywords));
    const py::Ref names =
        before && after ? py::Ref::steal(PySequence_Concat(before.get(), after.get())) : py::Ref();
    if (!names) return nullptr;
    outgoing.args = rest.data();
    outgoing.kwnames = names.get();
    return make_call(py, natives, outgoing);
  }
  return make_call(py, natives, outgoing);
}

// call_with(app, function, args, kwargs, timeout): the same with what a proxy collected; here a
// keyword `timeout` is the function's own.
PyObject* call_with(PyObject* self, PyObject* arguments) {
  const auto py = py::Attached::by_caller();
  PyObject* app_object = nullptr;
  PyObject* function_object = nullptr;
  PyObject* args = nullptr;
  PyObject* kwargs = nullptr;
  PyObject* timeout = Py_None;
  if (!PyArg_ParseTuple(arguments, "OOO!O!O", &app_object, &function_object, &PyTuple_Type, &args,
                        &PyDict_Type, &kwargs, &timeout))
    return nullptr;
  const auto app = utf8_of(app_object, "the name of the app");
  const auto function = app ? utf8_of(function_object, "the name of the function") : std::nullopt;
  if (!function) return nullptr;
  const SpreadArguments given(py, args, kwargs);
  if (!given) return nullptr;
  Outgoing outgoing{*app, *function, given.values(), given.positional(), given.names()};
  if (!take_timeout(timeout, outgoing.deadline)) return nullptr;
  return make_call(py, natives_of(self), outgoing);
}

// inherited(timeout) -> (deadline in nanoseconds or None, depth, call): what a call that another
// thread of the app is to make takes over from this one, and the timeout that it has from now on.
PyObject* inherited(PyObject* self, PyObject* timeout) {
  Natives& natives = natives_of(self);
  const CallScope& scope = natives.book.here().scope;
  const std::string call = current_call(natives);
  std::optional<SteadyTime> own;
  if (!take_timeout(timeout, own)) return nullptr;
  const SteadyTime deadline = std::min(scope.deadline, own.value_or(SteadyTime::max()));
  if (deadline == SteadyTime::max()) return Py_BuildValue("Ois", Py_None, scope.depth, call.c_str());
  return Py_BuildValue("Lis", static_cast<long long>(deadline.time_since_epoch().count()), scope.depth,
                       call.c_str());
}

PyObject* far_new(PyObject* self, PyObject*) { return new_far(natives_of(self)).release(); }

// far_run(far, app, function, args, kwargs, inherited): on a thread of a pool.
PyObject* far_run(PyObject* self, PyObject* arguments) {
  const auto py = py::Attached::by_caller();
  PyObject* capsule = nullptr;
  PyObject* app_object = nullptr;
  PyObject* function_object = nullptr;
  PyObject* args = nullptr;
  PyObject* kwargs = nullptr;
  PyObject* deadline_object = Py_None;
  int depth = 0;
  const char* caller = "";
  if (!PyArg_ParseTuple(arguments, "OOOO!O!(Ois)", &capsule, &app_object, &function_object, &PyTuple_Type,
                        &args, &PyDict_Type, &kwargs, &deadline_object, &depth, &caller))
    return nullptr;
  const auto app = utf8_of(app_object, "the name of the app");
  const auto function = app ? utf8_of(function_object, "the name of the function") : std::nullopt;
  if (!function || far_of(capsule) == nullptr) return nullptr;
  const SpreadArguments given(py, args, kwargs);
  if (!given) return nullptr;
  Outgoing outgoing{*app, *function, given.values(), given.positional(), given.names()};
  SteadyTime deadline = SteadyTime::max();
  if (deadline_object != Py_None) {
    deadline = SteadyTime(Steady::duration(PyLong_AsLongLong(deadline_object)));
    if (PyErr_Occurred() != nullptr) return nullptr;
  }
  if (depth >= kCallDepthMax) return raise_for(py, outgoing, too_deep());
  return call_far(py, natives_of(self), outgoing, capsule, deadline, depth, caller);
}

PyObject* far_cancel(PyObject*, PyObject* capsule) {
  FarCall* const far = far_of(capsule);
  if (far == nullptr) return nullptr;
  far->cancel();
  Py_RETURN_NONE;
}

// (True, item), or (False, None) at the end, also when it was closed.
PyObject* take_item(const py::Attached& py, Natives& natives, const Outgoing& call, FarCall& far) {
  FarCall::Item item;
  const auto fault = far.next_item(py, natives.book.here(), item);
  if (fault && fault->reason != "cancelled") return raise_far(py, natives, call, far, *fault);
  if (fault || item.ended) return Py_BuildValue("OO", Py_False, Py_None);
  if (item.kind == StreamItem::kError) {
    const auto [reason, error] = split_item_fault(item.bytes);
    return raise_for(py, call, fault_in(reason, error));
  }
  const auto payload = FlatPayload::parse(item.bytes);
  if (!payload) return raise_for(py, call, {"payload", {}, "a malformed item"});
  const py::Ref value = decode_value(py, payload->view());
  return value ? PyTuple_Pack(2, Py_True, value.get()) : nullptr;
}

// far_next(far, app, function) -> (is_item, item)
PyObject* far_next(PyObject* self, PyObject* arguments) {
  const auto py = py::Attached::by_caller();
  PyObject* capsule = nullptr;
  Outgoing outgoing;
  const char* app = nullptr;
  const char* function = nullptr;
  if (!PyArg_ParseTuple(arguments, "Oss", &capsule, &app, &function)) return nullptr;
  outgoing.app = app;
  outgoing.function = function;
  FarCall* const far = far_of(capsule);
  if (far == nullptr) return nullptr;
  const FarCall::Hold hold(*far);
  if (!hold) {
    PyErr_SetString(PyExc_ValueError, "this stream is being read already");
    return nullptr;
  }
  PyObject* const item = take_item(py, natives_of(self), outgoing, *far);
  if (item == nullptr) far->cancel();
  return item;
}

PyObject* far_close(PyObject*, PyObject* capsule) {
  FarCall* const far = far_of(capsule);
  if (far == nullptr) return nullptr;
  far->close();
  Py_RETURN_NONE;
}

PyObject* call_now(PyObject* self, PyObject*) {
  const std::string call = current_call(natives_of(self));
  if (call.empty()) Py_RETURN_NONE;
  return PyUnicode_FromStringAndSize(call.data(), static_cast<Py_ssize_t>(call.size()));
}

// exports_changed(inline_names): the table of exports has something new.
PyObject* exports_changed(PyObject* self, PyObject* names) {
  const auto py = py::Attached::by_caller();
  Natives& natives = natives_of(self);
  std::set<std::string, std::less<>> inline_names;
  const py::Ref list = py::Ref::steal(PySequence_List(names));
  if (!list) return nullptr;
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list.get()); ++i) {
    inline_names.insert(py::text_of(py, PyList_GET_ITEM(list.get(), i)));
  }
  natives.entrance->set_inline(std::move(inline_names));
  if (natives.told_exports) Py_RETURN_NONE;
  natives.told_exports = true;
  {
    const py::DetachScope detached(py);
    natives.events.tell(ExportedEvent{natives.interp});
  }
  Py_RETURN_NONE;
}

PyObject* ask(PyObject* self, PyObject* what) {
  const auto py = py::Attached::by_caller();
  Natives& natives = natives_of(self);
  const AsksEvent event{natives.interp, py::text_of(py, what)};
  {
    const py::DetachScope detached(py);
    natives.events.tell(event);
  }
  Py_RETURN_NONE;
}

PyMethodDef kFunctions[] = {
    {"call", py::method(call), METH_FASTCALL | METH_KEYWORDS, kCallDoc},
    {"call_with", call_with, METH_VARARGS, "call_with(app, function, args, kwargs, timeout)"},
    {"inherited", inherited, METH_O, "inherited(timeout) -> (deadline, depth, call)"},
    {"far_new", far_new, METH_NOARGS, "far_new(): a call by a lane that is to be made."},
    {"far_run", far_run, METH_VARARGS, "far_run(far, app, function, args, kwargs, inherited)"},
    {"far_cancel", far_cancel, METH_O, "far_cancel(far): far_run gives up soon."},
    {"far_next", far_next, METH_VARARGS, "far_next(far, app, function) -> (is_item, item)"},
    {"far_close", far_close, METH_O, "far_close(far)"},
    {"call_now", call_now, METH_NOARGS, "call_now(): the call that this thread serves, or None."},
    {"exports_changed", exports_changed, METH_O, "exports_changed(inline_names)"},
    {"ask", ask, METH_O, "ask(what): reload, freeze, thaw."},
};

}  // namespace

bool add_call_functions(const py::Attached& py, PyObject* module, PyObject* capsule) {
  return py::add_functions(py, module, kFunctions, capsule);
}

}  // namespace moult
