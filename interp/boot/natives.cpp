#include "interp/boot/natives.h"

#include "interp/boot/import_clock.h"
#include "interp/boot/verdict_natives.h"
#include "interp/calls/functions.h"
#include "interp/calls/scratch_functions.h"
#include "interp/payload/payload_natives.h"
#include "interp/py/error.h"
#include "interp/py/types.h"
#include "ipc/base/hex.h"

#include <fmt/format.h>

#include <clocale>

namespace moult {

namespace {

constexpr const char* kCapsule = "moult.natives";

}  // namespace

int ChildOutput::descriptor(Events& events, InterpNumber interp) {
  const std::scoped_lock lock(mutex_);
  if (!write_end_) {
    auto pipe = make_pipe();
    if (!pipe) return -1;
    events.hand_over(OutputEvent{interp}, pipe->read);
    write_end_ = std::move(pipe->write);
  }
  return write_end_.get();
}

Natives& natives_of(PyObject* capsule) {
  return *static_cast<Natives*>(PyCapsule_GetPointer(capsule, kCapsule));
}

namespace {

std::string_view view_of(PyObject* text) {
  Py_ssize_t size = 0;
  const char* const data = PyUnicode_AsUTF8AndSize(text, &size);
  return data != nullptr ? std::string_view(data, static_cast<std::size_t>(size)) : std::string_view();
}

std::optional<std::string_view> content_of(PyObject* self, PyObject* path) {
  const Natives& natives = natives_of(self);
  if (!natives.snapshot || !PyUnicode_Check(path)) return std::nullopt;
  const std::string_view name = view_of(path);
  PyErr_Clear();  // a path that UTF-8 cannot say is in no snapshot
  return natives.snapshot->find(name);
}

PyObject* snapshot_get(PyObject* self, PyObject* path) {
  const auto content = content_of(self, path);
  if (!content) Py_RETURN_NONE;
  return PyBytes_FromStringAndSize(content->data(), static_cast<Py_ssize_t>(content->size()));
}

PyObject* snapshot_has(PyObject* self, PyObject* path) {
  return PyBool_FromLong(content_of(self, path).has_value());
}

PyObject* snapshot_holds(PyObject* self, PyObject* folder) {
  const Natives& natives = natives_of(self);
  const std::string_view name = PyUnicode_Check(folder) ? view_of(folder) : std::string_view();
  PyErr_Clear();
  return PyBool_FromLong(natives.snapshot && !name.empty() && natives.snapshot->holds(name));
}

PyObject* snapshot_names(PyObject* self, PyObject* folder) {
  const Natives& natives = natives_of(self);
  py::Ref names = py::Ref::steal(PyList_New(0));
  if (!names || !natives.snapshot || !PyUnicode_Check(folder)) return names.release();
  const std::string_view path = view_of(folder);
  PyErr_Clear();
  for (const std::string_view name : natives.snapshot->names_in(path)) {
    const py::Ref item = py::Ref::steal(
        PyUnicode_DecodeUTF8(name.data(), static_cast<Py_ssize_t>(name.size()), "surrogateescape"));
    if (!item || PyList_Append(names.get(), item.get()) != 0) return nullptr;
  }
  return names.release();
}

PyObject* hex_text(std::string_view bytes) {
  const std::string hex = hex_of(bytes);
  return PyUnicode_FromStringAndSize(hex.data(), static_cast<Py_ssize_t>(hex.size()));
}

PyObject* snapshot_hash(PyObject* self, PyObject* path) {
  return hex_text(content_of(self, path) ? natives_of(self).snapshot->hash_of(view_of(path)) : "");
}

PyObject* cached_code(PyObject* self, PyObject* path) {
  Natives& natives = natives_of(self);
  if (!content_of(self, path)) Py_RETURN_NONE;
  const std::string_view name = view_of(path);
  const std::string_view hash = natives.snapshot->hash_of(name);
  CodeCache::Code code = natives.code.find(name, hash);
  if (!code) {
    const py::DetachScope detached(py::Attached::by_caller());
    code = natives.code.find_stored(name, hash);
  }
  if (!code) Py_RETURN_NONE;
  return PyBytes_FromStringAndSize(code->data(), static_cast<Py_ssize_t>(code->size()));
}

PyObject* last_code(PyObject* self, PyObject* path) {
  if (!PyUnicode_Check(path)) Py_RETURN_NONE;
  const auto last = natives_of(self).code.last(view_of(path));
  if (PyErr_Occurred()) return nullptr;
  if (!last.code) Py_RETURN_NONE;
  const py::Ref hash = py::Ref::steal(hex_text(last.hash));
  if (!hash) return nullptr;
  return Py_BuildValue("Oy#", hash.get(), last.code->data(), static_cast<Py_ssize_t>(last.code->size()));
}

PyObject* keep_code(PyObject* self, PyObject* args) {
  PyObject* path = nullptr;
  PyObject* code = nullptr;
  if (!PyArg_ParseTuple(args, "US", &path, &code)) return nullptr;
  Natives& natives = natives_of(self);
  if (content_of(self, path)) {
    const std::string_view name = view_of(path);
    natives.imports.add_compiled(name);
    natives.code.keep(name, natives.snapshot->hash_of(name),
                      {PyBytes_AS_STRING(code), static_cast<std::size_t>(PyBytes_GET_SIZE(code))});
  }
  Py_RETURN_NONE;
}

PyObject* child_output(PyObject* self, PyObject*) {
  Natives& natives = natives_of(self);
  int descriptor = -1;
  {
    const py::DetachScope detached(py::Attached::by_caller());
    descriptor = natives.children.descriptor(natives.events, natives.interp);
  }
  return PyLong_FromLong(descriptor);
}

PyObject* log_write(PyObject* self, PyObject* args) {
  const auto py = py::Attached::by_caller();
  int stream = 0;
  PyObject* text = nullptr;
  if (!PyArg_ParseTuple(args, "CO", &stream, &text)) return nullptr;
  Natives& natives = natives_of(self);
  if (PyBytes_Check(text)) {
    log_text(py, natives, static_cast<char>(stream),
             {PyBytes_AS_STRING(text), static_cast<std::size_t>(PyBytes_GET_SIZE(text))});
  } else {
    log_text(py, natives, static_cast<char>(stream), py::text_of(py, text));
  }
  Py_RETURN_NONE;
}

PyObject* notice(PyObject* self, PyObject* args) {
  const auto py = py::Attached::by_caller();
  const char* level = nullptr;
  const char* text = nullptr;
  const char* file = "";
  int line = 0;
  if (!PyArg_ParseTuple(args, "ss|si", &level, &text, &file, &line)) return nullptr;
  Natives& natives = natives_of(self);
  const NoticeEvent event{natives.interp, level, text, file, line};
  {
    const py::DetachScope detached(py);
    natives.events.tell(event);
  }
  Py_RETURN_NONE;
}

PyObject* process_wide(PyObject* self, PyObject* args) {
  const auto py = py::Attached::by_caller();
  const char* what = nullptr;
  const char* value = nullptr;
  if (!PyArg_ParseTuple(args, "ss", &what, &value)) return nullptr;
  Natives& natives = natives_of(self);
  const ProcessWideEvent event{natives.interp, what, value};
  {
    const py::DetachScope detached(py);
    natives.events.tell(event);
  }
  Py_RETURN_NONE;
}

PyObject* opened(PyObject* self, PyObject* files) {
  const auto py = py::Attached::by_caller();
  std::vector<std::string> paths;
  const py::Ref list = py::Ref::steal(PySequence_List(files));
  if (!list) return nullptr;
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list.get()); ++i) {
    paths.push_back(py::text_of(py, PyList_GET_ITEM(list.get(), i)));
  }
  Natives& natives = natives_of(self);
  {
    const py::DetachScope detached(py);
    natives.events.tell(OpenedEvent{natives.interp, std::move(paths)});
  }
  Py_RETURN_NONE;
}

// sys.flags cannot be made by Python code.
PyObject* flags_like(PyObject*, PyObject* args) {
  PyObject* flags = nullptr;
  PyObject* values = nullptr;
  if (!PyArg_ParseTuple(args, "OO!", &flags, &PyTuple_Type, &values)) return nullptr;
  const py::Ref all = py::Ref::steal(PyObject_GetAttrString(flags, "n_fields"));
  const Py_ssize_t count = all ? PyLong_AsSsize_t(all.get()) : -1;
  if (count < 0) return nullptr;
  py::Ref made = py::Ref::steal(PyStructSequence_New(Py_TYPE(flags)));
  if (!made) return nullptr;
  for (Py_ssize_t at = 0; at < count; ++at) {
    PyObject* const item =
        at < PyTuple_GET_SIZE(values) ? PyTuple_GET_ITEM(values, at) : PyStructSequence_GetItem(flags, at);
    PyStructSequence_SetItem(made.get(), at, Py_XNewRef(item));
  }
  return made.release();
}

// Without a change of the process' locale.
PyObject* locale_exists(PyObject*, PyObject* name) {
  const char* const text = PyUnicode_AsUTF8(name);
  if (text == nullptr) return nullptr;
  const locale_t found = newlocale(LC_ALL_MASK, text, nullptr);
  if (found != nullptr) freelocale(found);
  return PyBool_FromLong(found != nullptr);
}

// preimport(path, name): has the main interpreter import this extension module. Returns "" or why
// it could not.
PyObject* preimport(PyObject* self, PyObject* args) {
  const auto py = py::Attached::by_caller();
  const char* path = nullptr;
  const char* name = nullptr;
  if (!PyArg_ParseTuple(args, "ss", &path, &name)) return nullptr;
  Natives& natives = natives_of(self);
  std::string why;
  const std::string path_text(path);
  const std::string name_text(name);
  {
    const py::DetachScope detached(py);
    if (!natives.is_main) why = natives.main_thread.preimport("extension", path_text, name_text, Seconds(20));
  }
  return PyUnicode_FromStringAndSize(why.data(), static_cast<Py_ssize_t>(why.size()));
}

PyObject* boot_code(PyObject* self, PyObject* name) {
  const std::string* const code =
      natives_of(self).boot.on_demand(py::text_of(py::Attached::by_caller(), name));
  if (code == nullptr) Py_RETURN_NONE;
  return PyBytes_FromStringAndSize(code->data(), static_cast<Py_ssize_t>(code->size()));
}

// sys._current_frames() takes those of all interpreters, and one alone of a thread that is in two.
PyObject* frames(PyObject*, PyObject*) {
  py::Ref list = py::Ref::steal(PyList_New(0));
  PyThreadState* const own = PyThreadState_Get();
  for (PyThreadState* state = PyInterpreterState_ThreadHead(PyThreadState_GetInterpreter(own));
       list && state != nullptr; state = PyThreadState_Next(state)) {
    if (state == own) continue;
    const py::Ref frame = py::Ref::steal(py::as_object(PyThreadState_GetFrame(state)));
    if (!frame) continue;
    const py::Ref item = py::Ref::steal(Py_BuildValue("kO", state->thread_id, frame.get()));
    if (!item || PyList_Append(list.get(), item.get()) != 0) list.reset();
  }
  return list.release();
}

PyMethodDef kFunctions[] = {
    {"snapshot_get", snapshot_get, METH_O, "snapshot_get(path): bytes of that source, or None."},
    {"snapshot_has", snapshot_has, METH_O, "snapshot_has(path): is it a source of this generation?"},
    {"snapshot_holds", snapshot_holds, METH_O, "snapshot_holds(folder): are there sources below it?"},
    {"snapshot_names", snapshot_names, METH_O,
     "snapshot_names(folder): what lies in it; folders end in '/'."},
    {"snapshot_hash", snapshot_hash, METH_O, "snapshot_hash(path): of its content; '' when it is not there."},
    {"cached_code", cached_code, METH_O, "cached_code(path): marshalled code of that very source, or None."},
    {"keep_code", keep_code, METH_VARARGS, "keep_code(path, code): for cached_code."},
    {"last_code", last_code, METH_O, "last_code(path): (hash of the source, code) that the host had last."},
    {"log_write", log_write, METH_VARARGS, "log_write(stream, text): text (str or bytes) for the app's log."},
    {"child_output", child_output, METH_NOARGS, "child_output(): a descriptor for children, or -1."},
    {"notice", notice, METH_VARARGS, "notice(level, text, file='', line=0): tells the daemon."},
    {"process_wide", process_wide, METH_VARARGS, "process_wide(what, value): asks for another host."},
    {"opened", opened, METH_O, "opened(paths): files that belong to the app."},
    {"module_support", module_support, METH_O, "module_support(module): the interpreters that it can be in."},
    {"import_times", import_times, METH_NOARGS, "import_times(): {module: (seconds, seconds of its own)}."},
    {"compiled_here", compiled_here, METH_O, "compiled_here(path): was its source compiled here?"},
    {"boot_code", boot_code, METH_O, "boot_code(name) -> bytes or None"},
    {"frames", frames, METH_NOARGS, "frames(): [(thread, frame)] of the other threads that run here."},
    {"flags_like", flags_like, METH_VARARGS, "flags_like(flags, values): of the same type."},
    {"locale_exists", locale_exists, METH_O, "locale_exists(name): does setlocale(3) know it?"},
    {"preimport", preimport, METH_VARARGS, "preimport(path, name): imports it in the main interpreter."},
};

}  // namespace

py::Ref add_native_module(const py::Attached& py, Natives& natives) {
  py::Ref module = py::Ref::steal(PyModule_New("_moult"));
  const py::Ref self = py::Ref::steal(PyCapsule_New(&natives, kCapsule, nullptr));
  const py::Ref path = py::Ref::steal(PyList_New(0));
  if (!module || !self || !path || PyObject_SetAttrString(module.get(), "__path__", path.get()) != 0)
    return {};
  const py::Ref exports = py::Ref::steal(PyDict_New());
  if (!py::add_functions(py, module.get(), kFunctions, self.get()) || !exports ||
      PyObject_SetAttrString(module.get(), "exports", exports.get()) != 0 ||
      !add_call_functions(py, module.get(), self.get()) ||
      !add_scratch_functions(py, module.get(), self.get()))
    return {};
  if (!add_payload_functions(py, module.get()) || !add_verdict_functions(py, module.get(), self.get()))
    return {};
  if (!start_import_clock(py, self.get())) PyErr_Clear();
  if (PyDict_SetItemString(PyImport_GetModuleDict(), "_moult", module.get()) != 0) return {};
  return module;
}

namespace {

void deliver_log(const py::Attached& py, Natives& natives, std::string ready) {
  if (ready.empty()) return;
  bool all = natives.log.write(ready);
  if (!all) {
    const py::DetachScope detached(py);
    while (!all && natives.log.wait_for_room()) all = natives.log.write(ready);
    if (!all) natives.log.drop(ready);
  }
  if (!all) return;
  if (const auto lost = natives.log.take_dropped(); lost > 0) {
    const NoticeEvent event{natives.interp, "warning",
                            fmt::format("{} log lines were dropped: the log was full", lost)};
    const py::DetachScope detached(py);
    natives.events.tell(event);
  }
}

}  // namespace

void log_text(const py::Attached& py, Natives& natives, char stream, std::string_view text) {
  std::string ready;
  natives.log.collect(stream, text, ready);
  deliver_log(py, natives, std::move(ready));
}

void log_rest(const py::Attached& py, Natives& natives) {
  std::string ready;
  natives.log.collect_rest(ready);
  deliver_log(py, natives, std::move(ready));
}

namespace {

// Files of late imports.
void add_new_modules(const py::Attached& py, Natives& natives, std::vector<std::string>& files) {
  const Py_ssize_t modules = PyDict_Size(PyImport_GetModuleDict());
  if (modules == natives.modules_seen) return;
  const py::Ref ask = py::boot_function(py, "start", "new_files");
  const py::Ref found = ask ? py::Ref::steal(PyObject_CallNoArgs(ask.get())) : py::Ref();
  PyErr_Clear();
  if (!found || !PyList_Check(found.get())) return;
  constexpr Py_ssize_t kFullList = 500;  // FILES_AT_A_TIME of boot/start.py
  if (PyList_GET_SIZE(found.get()) < kFullList) natives.modules_seen = modules;
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(found.get()); ++i) {
    files.push_back(py::text_of(py, PyList_GET_ITEM(found.get(), i)));
  }
}

}  // namespace

void tell_opened(const py::Attached& py, Natives& natives) {
  std::vector<std::string> files;
  add_new_modules(py, natives, files);
  if (natives.opened.has_news()) {
    for (std::string& file : natives.opened.take()) files.push_back(std::move(file));
  }
  for (std::string& file : natives.opened.take_libraries()) files.push_back(std::move(file));
  if (files.empty()) return;
  const py::DetachScope detached(py);
  natives.events.tell(OpenedEvent{natives.interp, std::move(files)});
}

}  // namespace moult
