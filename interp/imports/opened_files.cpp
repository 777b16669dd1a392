#include "interp/imports/opened_files.h"

#include "interp/py/ref.h"

#include <fmt/format.h>

#include <fcntl.h>
#include <unistd.h>
#include <algorithm>
#include <array>
#include <climits>
#include <cstring>
#include <filesystem>

namespace moult {

namespace {

constexpr const char* kKey = "moult.opened_files";

// Sources and extensions are the importer's business.
constexpr std::array<std::string_view, 3> kCode = {".py", ".pyc", ".so"};

enum class Use { none, read, written };

Use use_of(PyObject* mode, PyObject* flags) {
  if (PyUnicode_Check(mode) && PyUnicode_GET_LENGTH(mode) > 0) {
    const bool changes = PyUnicode_READ_CHAR(mode, 0) != 'r' ||
                         PyUnicode_FindChar(mode, '+', 0, PyUnicode_GET_LENGTH(mode), 1) >= 0;
    return changes ? Use::written : Use::read;
  }
  if (!PyLong_Check(flags)) return Use::none;
  const long bits = PyLong_AsLong(flags);
  if ((bits & O_ACCMODE) != O_RDONLY) return Use::written;
  return (bits & O_DIRECTORY) == 0 ? Use::read : Use::none;
}

// The text of a path; "" for a descriptor.
std::string path_in(PyObject* path) {
  Py_ssize_t size = 0;
  if (PyBytes_Check(path)) return {PyBytes_AS_STRING(path), static_cast<std::size_t>(PyBytes_GET_SIZE(path))};
  const char* const text = PyUnicode_Check(path) ? PyUnicode_AsUTF8AndSize(path, &size) : nullptr;
  return text == nullptr ? std::string() : std::string(text, static_cast<std::size_t>(size));
}

// "file:data.db?mode=rw" of sqlite3.connect(uri=True).
std::string database_in(PyObject* argument) {
  std::string path = path_in(argument);
  if (!path.starts_with("file:")) return path;
  if (path.find("mode=ro") != std::string::npos || path.find("immutable=1") != std::string::npos) return {};
  path = path.substr(5, path.find_first_of("?#") - 5);
  return path.starts_with("///") ? path.substr(2) : path;
}

// Audit events by which files are changed other than by opening them, and which of their arguments are
// paths (https://docs.python.org/3/library/audit_events.html). os.replace() is an os.rename too. Paths
// below a folder's descriptor are not followed.
struct Writer {
  const char* event;
  int first;
  int last;
  int descriptor;  // argument that is -1 where the path stands for itself; 0: none
};
constexpr std::array kWriters = {Writer{"os.rename", 0, 1, 2}, Writer{"os.remove", 0, 0, 1},
                                 Writer{"os.truncate", 0, 0, 0}, Writer{"os.link", 1, 1, 3},
                                 Writer{"os.symlink", 1, 1, 2}};

bool is_plain(PyObject* args, const Writer& writer) {
  if (PyTuple_GET_SIZE(args) <= std::max(writer.last, writer.descriptor)) return false;
  if (writer.descriptor == 0) return true;
  PyObject* const descriptor = PyTuple_GET_ITEM(args, writer.descriptor);
  return PyLong_Check(descriptor) && PyLong_AsLong(descriptor) == -1;
}

OpenedFiles* instance(const py::Attached&) {
  PyObject* const facts = PyInterpreterState_GetDict(PyInterpreterState_Get());
  PyObject* const capsule = facts != nullptr ? PyDict_GetItemString(facts, kKey) : nullptr;
  return capsule == nullptr ? nullptr : static_cast<OpenedFiles*>(PyCapsule_GetPointer(capsule, kKey));
}

void note(const py::Attached& py, OpenedFiles& files, const char* event, PyObject* args) {
  if (std::strcmp(event, "open") == 0) {
    if (PyTuple_GET_SIZE(args) != 3) return;
    const Use use = use_of(PyTuple_GET_ITEM(args, 1), PyTuple_GET_ITEM(args, 2));
    if (use == Use::read) files.add(path_in(PyTuple_GET_ITEM(args, 0)));
    if (use == Use::written) files.add_written(py, path_in(PyTuple_GET_ITEM(args, 0)));
    return;
  }
  if (std::strcmp(event, "sqlite3.connect") == 0) {
    if (PyTuple_GET_SIZE(args) > 0) files.add_written(py, database_in(PyTuple_GET_ITEM(args, 0)));
    return;
  }
  for (const Writer& writer : kWriters) {
    if (std::strcmp(event, writer.event) != 0 || !is_plain(args, writer)) continue;
    for (int at = writer.first; at <= writer.last; ++at)
      files.add_written(py, path_in(PyTuple_GET_ITEM(args, at)));
  }
}

// Never raises: it only watches.
int on_audit(const char* event, PyObject* args, void*) {
  const bool may_concern = std::strncmp(event, "o", 1) == 0 || std::strncmp(event, "sqlite3.c", 9) == 0;
  if (!may_concern || args == nullptr || !PyTuple_Check(args) || PyErr_Occurred() != nullptr) return 0;
  const auto py = py::Attached::by_caller();
  if (OpenedFiles* const files = instance(py); files != nullptr) note(py, *files, event, args);
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

OpenedFiles::OpenedFiles(std::vector<std::string> roots, OnWritten on_written)
    : roots_(std::move(roots)),
      libraries_(roots_),
      on_written_(std::move(on_written)),
      process_(::getpid()) {}

std::string OpenedFiles::wanted(std::string_view path) const {
  for (const std::string_view ending : kCode) {
    if (path.ends_with(ending)) return {};
  }
  std::string absolute(path);
  if (!path.starts_with('/')) {
    char folder[PATH_MAX];
    if (path.empty() || ::getcwd(folder, sizeof folder) == nullptr) return {};
    absolute = fmt::format("{}/{}", folder, path);
  }
  if (absolute.find("/.") != std::string::npos || absolute.find("//") != std::string::npos)
    absolute = std::filesystem::path(absolute).lexically_normal().string();
  for (const std::string& root : roots_) {
    if (absolute.size() > root.size() && absolute.starts_with(root) && absolute[root.size()] == '/')
      return absolute.find("/site-packages/") == std::string::npos ? absolute : std::string();
  }
  return {};
}

void OpenedFiles::add(std::string_view path) {
  std::string file = wanted(path);
  if (file.empty()) return;
  const std::scoped_lock lock(mutex_);
  if (known_.size() >= kMost) return;
  if (const auto [at, fresh] = known_.insert(std::move(file)); fresh) {
    pending_.push_back(*at);
    news_ = true;
  }
}

void OpenedFiles::add_written(const py::Attached& py, std::string_view path) {
  const std::string file = wanted(path);
  // A forked child has no other threads: whoever held a lock of ours at the fork never gives it back.
  if (file.empty() || ::getpid() != process_) return;
  {
    const std::scoped_lock lock(mutex_);
    if (written_.size() >= kMostWritten) written_.clear();  // the daemon is told again
    if (!written_.insert(file).second) return;
  }
  const py::DetachScope detached(py);
  on_written_(file);
}

std::vector<std::string> OpenedFiles::take() {
  const std::scoped_lock lock(mutex_);
  news_ = false;
  return std::exchange(pending_, {});
}

}  // namespace moult
