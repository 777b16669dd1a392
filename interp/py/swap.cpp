#include "interp/py/swap.h"

#include <pthread.h>
#include <climits>
#include <optional>

namespace moult::py {

#if PY_VERSION_HEX >= 0x030C0000

bool can_swap() { return true; }

PyThreadState* swap(PyThreadState* state) { return PyThreadState_Swap(state); }

#else  // 3.11

namespace {

// The pthread key under which CPython keeps the calling thread's PyGILState. It is in no header: the
// key whose value is what PyGILState_GetThisThreadState() says, and which that function follows.
std::optional<pthread_key_t> find_gilstate_key() {
  PyThreadState* const own = PyGILState_GetThisThreadState();
  if (own == nullptr) return std::nullopt;
  PyThreadState marker{};
  for (pthread_key_t key = 0; key < PTHREAD_KEYS_MAX; ++key) {
    if (::pthread_getspecific(key) != own || ::pthread_setspecific(key, &marker) != 0) continue;
    const bool found = PyGILState_GetThisThreadState() == &marker;
    ::pthread_setspecific(key, own);
    if (found) return key;
  }
  return std::nullopt;
}

const std::optional<pthread_key_t>& gilstate_key() {
  static const std::optional<pthread_key_t> key = find_gilstate_key();
  return key;
}

}  // namespace

bool can_swap() { return gilstate_key().has_value(); }

PyThreadState* swap(PyThreadState* state) {
  PyThreadState* const before = PyThreadState_Swap(state);
  ::pthread_setspecific(*gilstate_key(), state);
  return before;
}

#endif

}  // namespace moult::py
