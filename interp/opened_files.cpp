#include "interp/opened_files.h"

#include "interp/py/ref.h"

#include <fcntl.h>
#include <unistd.h>
#include <array>
#include <climits>
#include <cstring>

namespace moult {

namespace {

constexpr const char* kKey = "moult.opened_files";

// Sources and extensions are the importer's business.
constexpr std::array<std::string_view, 3> kCode = {".py", ".pyc", ".so"};

bool is_for_reading(PyObject* mode, PyObject* flags) {
  if (PyUnicode_Check(mode) && PyUnicode_GET_LENGTH(mode) > 0) {
    return PyUnicode_READ_CHAR(mode, 0) == 'r' &&
           PyUnicode_FindChar(mode, '+', 0, PyUnicode_GET_LENGTH(mode), 1) < 0;
  }
  return PyLong_Check(flags) && (PyLong_AsLong(flags) & (O_ACCMODE | O_DIRECTORY)) == O_RDONLY;
}

// The audit event "open" has (path, mode, flags). Never raises: it only watches.
int on_audit(const char* event, PyObject* args, void*) {
  if (std::strcmp(event, "open") != 0 || args == nullptr || PyTuple_GET_SIZE(args) != 3) return 0;
  PyObject* const path = PyTuple_GET_ITEM(args, 0);
  if (!PyUnicode_Check(path) || PyErr_Occurred() != nullptr) return 0;
  PyObject* const facts = PyInterpreterState_GetDict(PyInterpreterState_Get());
  PyObject* const capsule = facts != nullptr ? PyDict_GetItemString(facts, kKey) : nullptr;
  if (capsule == nullptr) return 0;
  Py_ssize_t size = 0;
  const char* const text = PyUnicode_AsUTF8AndSize(path, &size);
  if (text != nullptr && is_for_reading(PyTuple_GET_ITEM(args, 1), PyTuple_GET_ITEM(args, 2))) {
    auto* const files = static_cast<OpenedFiles*>(PyCapsule_GetPointer(capsule, kKey));
    if (files != nullptr) files->add({text, static_cast<std::size_t>(size)});
  }
  PyErr_Clear();
  return 0;
}

}  // namespace

bool OpenedFiles::install(const py::Attached&) { return PySys_AddAuditHook(&on_audit, nullptr) == 0; }

bool OpenedFiles::watch(const py::Attached&) {
  PyObject* const facts = PyInterpreterState_GetDict(PyInterpreterState_Get());
  const py::Ref capsule = py::Ref::steal(PyCapsule_New(this, kKey, nullptr));
  return facts != nullptr && capsule && PyDict_SetItemString(facts, kKey, capsule.get()) == 0;
}

void OpenedFiles::forget(const py::Attached&) {
  PyObject* const facts = PyInterpreterState_GetDict(PyInterpreterState_Get());
  if (facts == nullptr || PyDict_DelItemString(facts, kKey) != 0) PyErr_Clear();
}

bool OpenedFiles::wanted(std::string_view path) const {
  for (const std::string_view ending : kCode) {
    if (path.ends_with(ending)) return false;
  }
  for (const std::string& root : roots_) {
    if (path.size() > root.size() && path.starts_with(root) && path[root.size()] == '/') {
      return path.find("/site-packages/") == std::string_view::npos;
    }
  }
  return false;
}

void OpenedFiles::add(std::string_view path) {
  std::string absolute;
  if (!path.starts_with('/')) {
    char folder[PATH_MAX];
    if (::getcwd(folder, sizeof folder) == nullptr) return;
    absolute = std::string(folder) + "/" + std::string(path);
    path = absolute;
  }
  if (!wanted(path)) return;
  const std::scoped_lock lock(mutex_);
  if (known_.size() >= kMost) return;
  if (const auto [at, fresh] = known_.emplace(path); fresh) {
    pending_.push_back(*at);
    news_ = true;
  }
}

std::vector<std::string> OpenedFiles::take() {
  const std::scoped_lock lock(mutex_);
  news_ = false;
  return std::exchange(pending_, {});
}

}  // namespace moult
