#include "interp/host/spec_object.h"

#include "interp/py/error.h"

namespace moult {

namespace {

py::Ref text(const std::string& value) {
  // Paths and variables may be no UTF-8: the same bytes come back out by os.fsencode().
  return py::Ref::steal(
      PyUnicode_DecodeUTF8(value.data(), static_cast<Py_ssize_t>(value.size()), "surrogateescape"));
}

py::Ref dict(const std::map<std::string, std::string>& values) {
  py::Ref result = py::Ref::steal(PyDict_New());
  for (const auto& [name, value] : values) {
    const py::Ref key = text(name);
    const py::Ref item = text(value);
    if (!result || !key || !item || PyDict_SetItem(result.get(), key.get(), item.get()) != 0) return {};
  }
  return result;
}

}  // namespace

py::Ref text_list(const py::Attached&, const std::vector<std::string>& values) {
  py::Ref result = py::Ref::steal(PyList_New(0));
  for (const std::string& value : values) {
    const py::Ref item = text(value);
    if (!result || !item || PyList_Append(result.get(), item.get()) != 0) return {};
  }
  return result;
}

std::vector<std::string> texts_of(const py::Attached& py, PyObject* list) {
  std::vector<std::string> texts;
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list); ++i)
    texts.push_back(py::text_of(py, PyList_GET_ITEM(list, i)));
  return texts;
}

py::Ref spec_object(const py::Attached& py, const MakeCommand& make, const HostFacts& host) {
  const InterpreterSpec& spec = make.spec;
  py::Ref result = py::Ref::steal(PyDict_New());
  const auto put = [&](const char* name, const py::Ref& value) {
    if (result && (!value || PyDict_SetItemString(result.get(), name, value.get()) != 0)) result.reset();
  };
  put("generation", py::Ref::steal(PyLong_FromUnsignedLongLong(make.generation)));
  put("mode", text(std::string(to_string(make.mode))));
  put("tree", text(spec.tree));
  put("roots", text_list(py, spec.roots));
  put("cwd", text(spec.cwd.empty() ? spec.tree : spec.cwd));
  put("path", text_list(py, spec.path));
  put("env", dict(spec.env));
  put("venv", text(spec.venv));
  put("argv", text_list(py, spec.argv));
  put("preimport", text_list(py, spec.preimport));
  put("warnings", text_list(py, spec.warnings));
  put("signals", text(spec.signals));
  put("python_flags", text_list(py, spec.python_flags));
  put("module_dir", text(host.module_dir));
  put("app", text(make.app));
  put("interp", py::Ref::steal(PyLong_FromUnsignedLongLong(make.interp)));
  put("host", py::Ref::steal(PyLong_FromLong(spec.host)));
  put("cause", text(spec.cause));
  put("log_imports", text(spec.log_imports));
  put("preload", text_list(py, spec.preload));
  put("exports", text_list(py, spec.exports));
  put("static", text_list(py, spec.static_paths));
  put("host_tz", host.timezone ? text(*host.timezone) : py::Ref::borrow(Py_None));
  put("wake_fd", py::Ref::steal(PyLong_FromLong(host.wake_fd)));
  put("own_folder", py::Ref::steal(PyBool_FromLong(host.own_folder)));
  return result;
}

}  // namespace moult
