#include "interp/threads/sleepers.h"

#include "interp/py/ref.h"

#include <algorithm>
#include <optional>

namespace moult {

namespace {

constexpr const char* kKey = "moult.sleepers";
constexpr const char* kReal = "moult.sleep";  // the function that ours stands for
constexpr double kMost = 9'223'372'036.0;     // what Python's nanoseconds hold
constexpr Seconds kLong{1e9};                 // beyond it the clock would run over

Sleepers* sleepers_here() {
  PyObject* const data = PyInterpreterState_GetDict(PyInterpreterState_Get());
  PyObject* const capsule = data != nullptr ? PyDict_GetItemString(data, kKey) : nullptr;
  return capsule != nullptr ? static_cast<Sleepers*>(PyCapsule_GetPointer(capsule, kKey)) : nullptr;
}

// Of a number of seconds that can be slept; the rest is for Python's own sleep to judge.
std::optional<double> seconds_of(PyObject* object) {
  if (!PyFloat_Check(object) && !PyLong_Check(object)) return std::nullopt;
  const double seconds = PyFloat_AsDouble(object);
  PyErr_Clear();
  return seconds >= 0 && seconds <= kMost ? std::optional(seconds) : std::nullopt;
}

PyObject* sleep_here(PyObject*, PyObject* object) {
  const auto seconds = seconds_of(object);
  PyObject* const data = PyInterpreterState_GetDict(PyInterpreterState_Get());
  if (PyObject* const real = seconds ? nullptr : PyDict_GetItemString(data, kReal); real != nullptr)
    return PyObject_CallOneArg(real, object);
  if (PySys_Audit("time.sleep", "O", object) < 0) return nullptr;
  Sleepers* const sleepers = seconds ? sleepers_here() : nullptr;
  if (sleepers == nullptr) {
    PyErr_SetString(PyExc_RuntimeError, "this interpreter ends");
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
  const py::Ref real = module ? py::Ref::steal(PyObject_GetAttrString(module.get(), "sleep")) : py::Ref();
  PyObject* const data = PyInterpreterState_GetDict(PyInterpreterState_Get());
  return function && capsule && real && data != nullptr &&
         PyDict_SetItemString(data, kKey, capsule.get()) == 0 &&
         PyDict_SetItemString(data, kReal, real.get()) == 0 &&
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
