#pragma once

#include "interp/py/python.h"

namespace moult::py {

// Proof that the calling thread has a thread state attached (and so holds that interpreter's GIL).
// Functions that touch Python take one as their first parameter. Only the scopes below make it, and
// functions that Python itself calls.
class Attached {
 public:
  Attached(const Attached&) = delete;
  Attached& operator=(const Attached&) = delete;
  // In a function that the interpreter calls, whose caller is attached by definition.
  static Attached by_caller() { return Attached(); }

 private:
  friend class AttachScope;
  friend class VisitScope;
  Attached() = default;
};

// Attaches a thread state that belongs to the calling OS thread, for the length of a scope. The
// state names the interpreter. Blocks until the GIL is free.
class AttachScope {
 public:
  explicit AttachScope(PyThreadState* state) { PyEval_RestoreThread(state); }
  ~AttachScope() { PyEval_SaveThread(); }
  AttachScope(const AttachScope&) = delete;
  AttachScope& operator=(const AttachScope&) = delete;

  const Attached& token() const { return token_; }

 private:
  Attached token_;
};

// Gives the GIL up around something that may wait, and takes it again.
class DetachScope {
 public:
  explicit DetachScope(const Attached&) : state_(PyEval_SaveThread()) {}
  ~DetachScope() { PyEval_RestoreThread(state_); }
  DetachScope(const DetachScope&) = delete;
  DetachScope& operator=(const DetachScope&) = delete;

 private:
  PyThreadState* state_;
};

// A short visit of a foreign OS thread, which has no state of its own: makes a fresh thread state
// of `interpreter`, attaches it, and deletes it at the end. The caller keeps the interpreter from
// ending meanwhile (Gate).
class VisitScope {
 public:
  explicit VisitScope(PyInterpreterState* interpreter) : state_(PyThreadState_New(interpreter)) {
    PyEval_RestoreThread(state_);
  }
  ~VisitScope() {
    PyThreadState_Clear(state_);
    PyThreadState_DeleteCurrent();
  }
  VisitScope(const VisitScope&) = delete;
  VisitScope& operator=(const VisitScope&) = delete;

  const Attached& token() const { return token_; }

 private:
  PyThreadState* state_;
  Attached token_;
};

}  // namespace moult::py
