#include "interp/py/interpreter.h"

#include "interp/py/ref.h"

#include <fmt/format.h>

namespace moult::py {

namespace {

// A state of the main interpreter for the calling thread, attached: creating needs one on 3.11, and
// is said to need one later (gh-123672).
PyThreadState* attach_main() {
  PyThreadState* state = PyThreadState_New(PyInterpreterState_Main());
  PyEval_RestoreThread(state);
  return state;
}

void delete_attached(PyThreadState* state) {
  PyThreadState_Clear(state);
  PyThreadState_DeleteCurrent();
}

#if PY_VERSION_HEX >= 0x030C0000
PyInterpreterConfig config_for(Mode mode) {
  PyInterpreterConfig config{};
  const bool own = mode == Mode::own;
  config.use_main_obmalloc = own ? 0 : 1;
  config.allow_fork = 0;
  config.allow_exec = 0;
  config.allow_threads = 1;
  // Too many libraries need them; the drain bounds them instead.
  config.allow_daemon_threads = 1;
  config.check_multi_interp_extensions = mode == Mode::shared ? 0 : 1;
  config.gil = own ? PyInterpreterConfig_OWN_GIL : PyInterpreterConfig_SHARED_GIL;
  return config;
}
#endif

}  // namespace

Mode default_mode() {
  if (Py_Version >= 0x030E0400) return Mode::own;
  return Py_Version >= 0x030D0000 ? Mode::strict : Mode::shared;
}

bool can_have(Mode mode, std::string& why_not) {
  const std::string version(Py_GetVersion(), std::string_view(Py_GetVersion()).find(' '));
  if (mode == Mode::own && Py_Version < 0x030E0400) {
    why_not = fmt::format(
        "Python {} has no interpreters with a GIL of their own that are safe: 3.14.4 and later do", version);
  } else if (mode == Mode::strict && Py_Version < 0x030C0000) {
    why_not = fmt::format("Python {} cannot check extension modules", version);
  } else if (!has_subinterpreters()) {
    why_not = "a free-threaded Python has no sub-interpreters here";
  }
  return why_not.empty();
}

#if PY_VERSION_HEX >= 0x030C0000

Result<PyThreadState*> create_interpreter(Mode mode) {
  if (!has_subinterpreters()) {
    return fail(Error{ErrorCode::failed,
                      "a free-threaded Python runs one app per process (isolation = \"process\")"});
  }
  PyThreadState* const main = attach_main();
  PyThreadState* state = nullptr;
  const PyInterpreterConfig config = config_for(mode);
  const PyStatus status = Py_NewInterpreterFromConfig(&state, &config);
  if (PyStatus_Exception(status) || state == nullptr) {
    // Whatever is attached now, the main state is what we hold and must give back.
    PyThreadState_Swap(main);
    delete_attached(main);
    return fail(
        Error{ErrorCode::failed, fmt::format("cannot make an interpreter: {}",
                                             status.err_msg != nullptr ? status.err_msg : "unknown reason")});
  }
  // `main` must be cleared under the main interpreter's own GIL (gh-112723).
  PyThreadState_Swap(main);
  delete_attached(main);
  PyEval_RestoreThread(state);
  return state;
}

void end_interpreter(PyThreadState* state) {
  Py_EndInterpreter(state);  // also detaches and gives the GIL back
}

#else  // 3.11

namespace {

// The first members of an interpreter: C++ cannot read pycore_interp.h.
struct InterpreterHead {
  PyInterpreterState* next;
  std::uint64_t last_thread;
};

// Threads are numbered within their interpreter, and a ContextVar remembers by that number for whom it
// looked up its value. The one of decimal belongs to all interpreters: without numbers of their own a thread
// would compute in the context of a thread of another app, or in one that is freed.
void number_threads_apart(PyThreadState* state) {
  PyInterpreterState* const interpreter = PyThreadState_GetInterpreter(state);
  auto* const head = reinterpret_cast<InterpreterHead*>(interpreter);
  if (head->last_thread != state->id) return;  // not the layout that we know
  head->last_thread = static_cast<std::uint64_t>(PyInterpreterState_GetID(interpreter)) << 32;
}

}  // namespace

Result<PyThreadState*> create_interpreter(Mode mode) {
  if (mode != Mode::shared) {
    return fail(Error{ErrorCode::failed,
                      fmt::format("Python 3.11 has no interpreters of mode \"{}\"", to_string(mode))});
  }
  PyThreadState* const main = attach_main();
  PyThreadState* state = Py_NewInterpreter();
  if (state == nullptr) {
    PyThreadState_Swap(main);
    delete_attached(main);
    return fail(Error{ErrorCode::failed, "cannot make an interpreter"});
  }
  // PyGILState is bound to the first state of an OS thread, which was `main`. Deleting it and
  // making one more state of the new interpreter binds this thread to that interpreter, so that
  // callbacks of C libraries (ctypes, sqlite3) run where they belong.
  PyThreadState_Clear(main);
  PyThreadState_Delete(main);
  number_threads_apart(state);
  PyThreadState* const bound = PyThreadState_New(PyThreadState_GetInterpreter(state));
  PyThreadState_Swap(bound);
  PyThreadState_Clear(state);
  PyThreadState_Delete(state);
  return bound;
}

void end_interpreter(PyThreadState* state) {
  // 3.11 leaves the GIL held with nothing attached; a state of the main interpreter gives it back.
  PyThreadState* const main = PyThreadState_New(PyInterpreterState_Main());
  Py_EndInterpreter(state);
  PyThreadState_Swap(main);
  delete_attached(main);
}

#endif

#if PY_VERSION_HEX >= 0x030D0000

void forget_raise(const Attached&) { PyThreadState_SetAsyncExc(PyThread_get_thread_ident(), nullptr); }

#else

// To set none instead would leave the eval breaker of the interpreter set for ever, and with a trace or
// profile function 3.11 then never gets beyond the first instruction of the next function, holding the GIL.
// So it is raised where nobody sees it.
void forget_raise(const Attached&) {
  PyThreadState* const state = PyThreadState_Get();
  if (state->async_exc == nullptr) return;
  PyObject *type = nullptr, *value = nullptr, *traceback = nullptr;
  PyErr_Fetch(&type, &value, &traceback);
  PyThreadState_EnterTracing(state);
  {
    const Ref code = Ref::steal(Py_CompileString("None", "<moult>", Py_eval_input));
    const Ref globals = Ref::steal(PyDict_New());
    PyThreadState_SetAsyncExc(state->thread_id, PyExc_SystemExit);  // another one may have taken the signal
    if (code && globals) Ref::steal(PyEval_EvalCode(code.get(), globals.get(), globals.get()));
  }
  PyThreadState_LeaveTracing(state);
  PyErr_Restore(type, value, traceback);
}

#endif

std::vector<unsigned long> other_threads(const Attached&) {
  std::vector<unsigned long> threads;
  PyThreadState* const own = PyThreadState_Get();
  for (PyThreadState* state = PyInterpreterState_ThreadHead(PyThreadState_GetInterpreter(own));
       state != nullptr; state = PyThreadState_Next(state)) {
    if (state != own) threads.push_back(state->thread_id);
  }
  return threads;
}

}  // namespace moult::py
