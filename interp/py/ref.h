#pragma once

#include "interp/py/python.h"

#include <utility>

namespace moult::py {

// One owned reference to a Python object, or none. Move-only, so that each count is given back
// exactly once. It must die while its interpreter is attached; what outlives a call is therefore
// released by hand (reset) before its owner lets the interpreter go.
class Ref {
 public:
  Ref() = default;
  Ref(Ref&& other) noexcept : object_(other.release()) {}
  Ref& operator=(Ref&& other) noexcept {
    if (this != &other) reset(other.release());
    return *this;
  }
  Ref(const Ref&) = delete;
  Ref& operator=(const Ref&) = delete;
  ~Ref() { Py_XDECREF(object_); }

  // Takes over a new reference, as most API functions return; null stays null.
  static Ref steal(PyObject* object) { return Ref(object); }
  // Adds a count to a borrowed reference.
  static Ref borrow(PyObject* object) { return Ref(Py_XNewRef(object)); }

  PyObject* get() const { return object_; }
  explicit operator bool() const { return object_ != nullptr; }
  PyObject* release() { return std::exchange(object_, nullptr); }
  void reset(PyObject* stolen = nullptr) { Py_XDECREF(std::exchange(object_, stolen)); }
  Ref copy() const { return borrow(object_); }

 private:
  explicit Ref(PyObject* object) : object_(object) {}
  PyObject* object_ = nullptr;
};

}  // namespace moult::py
