#include "interp/py/holder.h"

#include <sys/uio.h>
#include <unistd.h>

namespace moult::py {

namespace {

constexpr int kStatesMax = 10'000;

// process_vm_readv(2) of ourselves: false where a read would be a fault, or where a sandbox forbids it.
bool read_state(PyThreadState* at, PyThreadState& copy) {
  iovec to{&copy, sizeof copy};
  iovec from{at, sizeof copy};
  return ::process_vm_readv(::getpid(), &to, 1, &from, 1, 0) == static_cast<ssize_t>(sizeof copy);
}

#if PY_VERSION_HEX >= 0x030C0000
bool has_gil(PyThreadState*, const PyThreadState& copy) { return copy._status.active != 0; }
#else
// Of the whole process there.
bool has_gil(PyThreadState* state, const PyThreadState&) { return state == _PyThreadState_UncheckedGet(); }
#endif

}  // namespace

std::optional<unsigned long> thread_with_gil(PyInterpreterState* interpreter) {
  PyThreadState* state = PyInterpreterState_ThreadHead(interpreter);
  PyThreadState copy;
  for (int looked = 0; state != nullptr && looked < kStatesMax; ++looked) {
    if (!read_state(state, copy)) return std::nullopt;
    if (has_gil(state, copy)) return copy.thread_id;
    state = copy.next;
  }
  return std::nullopt;
}

}  // namespace moult::py
