#include "interp/sleepers.h"

#include "interp/py/ref.h"

#include <algorithm>
#include <cmath>
#include <optional>

namespace moult {

namespace {

constexpr const char* kKey = "moult.sleepers";
constexpr double kMost = 9'223'372'036.0;  // what Python's nanoseconds hold
constexpr Seconds kLong{1e9};              // beyond it the clock would run over

Sleepers* sleepers_here() {
  PyObject* const data = PyInterpreterState_GetDict(PyInterpreterState_Get());
  PyObject* const capsule = data != nullptr ? PyDict_GetItemString(data, kKey) : nullptr;
  return capsule != nullptr ? static_cast<Sleepers*>(PyCapsule_GetPointer(capsule, kKey)) : nullptr;
}

// As time.sleep takes it: a float, or what is an index. None with an exception pending.
std::optional<double> seconds_of(PyObject* object) {
  double seconds = 0;
  if (PyFloat_Check(object)) {
    seconds = PyFloat_AS_DOUBLE(object);
  } else {
    seconds = static_cast<double>(PyLong_AsLongLong(object));
    if (PyErr_Occurred() != nullptr) return std::nullopt;
  }
  if (std::isnan(seconds)) {
    PyErr_SetString(PyExc_ValueError, "Invalid value NaN (not a number)");
  } else if (std::fabs(seconds) > kMost) {
    PyErr_SetString(PyExc_OverflowError, "timestamp out of range for platform time_t");
  } else if (seconds < 0) {
    PyErr_SetString(PyExc_ValueError, "sleep length must be non-negative");
  } else {
    return seconds;
  }
  return std::nullopt;
}

PyObject* sleep_here(PyObject*, PyObject* object) {
  if (PySys_Audit("time.sleep", "O", object) < 0) return nullptr;
  const auto seconds = seconds_of(object);
  Sleepers* const sleepers = seconds ? sleepers_here() : nullptr;
  if (sleepers == nullptr) {
    if (PyErr_Occurred() == nullptr) PyErr_SetString(PyExc_RuntimeError, "this interpreter ends");
    return nullptr;
  }
  sleepers->sleep(py::Attached::by_caller(), Seconds(*seconds));
  Py_RETURN_NONE;
}

PyMethodDef kSleep = {"sleep", sleep_here, METH_O,
                      "sleep($module, seconds, /)\n--\n\n"
                      "Delay execution for a given number of seconds.  The argument may be\n"
                      "a floating point number for subsecond precision."};

}  // namespace

// The function belongs to the module time, so that pickle and repr find it there.
bool Sleepers::install(const py::Attached&) {
  const py::Ref module = py::Ref::steal(PyImport_ImportModule("time"));
  const py::Ref name = py::Ref::steal(PyUnicode_FromString("time"));
  const py::Ref capsule = py::Ref::steal(PyCapsule_New(this, kKey, nullptr));
  const py::Ref function =
      module && name ? py::Ref::steal(PyCFunction_NewEx(&kSleep, module.get(), name.get())) : py::Ref();
  PyObject* const data = PyInterpreterState_GetDict(PyInterpreterState_Get());
  return function && capsule && data != nullptr && PyDict_SetItemString(data, kKey, capsule.get()) == 0 &&
         PyObject_SetAttrString(module.get(), "sleep", function.get()) == 0;
}

void Sleepers::wake(unsigned long thread) {
  const std::scoped_lock lock(mutex_);
  for (Sleeper* const sleeper : sleeping_) {
    if (thread == 0 || sleeper->thread == thread) sleeper->is_woken = true;
  }
  changed_.notify_all();
}

void Sleepers::sleep(const py::Attached& py, Seconds seconds) {
  const auto length = std::chrono::duration_cast<Steady::duration>(std::min(seconds, kLong));
  const SteadyTime end = Steady::now() + length;
  Sleeper sleeper{PyThread_get_thread_ident()};
  std::unique_lock lock(mutex_);
  sleeping_.push_back(&sleeper);  // before the GIL is free: who raises something here has it, and wakes then
  lock.unlock();
  const py::DetachScope detached(py);
  lock.lock();
  changed_.wait_until(lock, end, [&] { return sleeper.is_woken; });
  std::erase(sleeping_, &sleeper);
  lock.unlock();
}

}  // namespace moult
