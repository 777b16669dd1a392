#include "interp/imports/boot_code.h"

#include "interp/boot_sources.h"
#include "interp/py/error.h"

#include <marshal.h>

namespace moult {

Result<BootCode> BootCode::compile(const py::Attached& py) {
  BootCode boot;
  for (const BootSource& source : kBootSources) {
    const std::string file = "<moult " + std::string(source.name) + ">";
    const py::Ref code = py::Ref::steal(Py_CompileString(source.text, file.c_str(), Py_file_input));
    const py::Ref bytes =
        code ? py::Ref::steal(PyMarshal_WriteObjectToString(code.get(), Py_MARSHAL_VERSION)) : py::Ref();
    if (!bytes) return fail(Error{ErrorCode::failed, file + ": " + py::take_error(py).line});
    boot.parts_.push_back(
        {source.name, std::string(PyBytes_AS_STRING(bytes.get()),
                                  static_cast<std::size_t>(PyBytes_GET_SIZE(bytes.get())))});
  }
  return boot;
}

// `start` is the last of those that run at boot; `preimport` is the main interpreter's.
bool BootCode::run_all(const py::Attached& py) const {
  for (const Part& part : parts_) {
    if (!run(py, part)) return false;
    if (part.name == "start") return true;
  }
  return false;
}

const std::string* BootCode::on_demand(std::string_view name) const {
  bool is_later = false;
  for (const Part& part : parts_) {
    if (is_later && part.name == name) return &part.code;
    if (part.name == "preimport") is_later = true;
  }
  return nullptr;
}

bool BootCode::run_one(const py::Attached& py, std::string_view name) const {
  for (const Part& part : parts_) {
    if (part.name == name) return run(py, part);
  }
  PyErr_SetString(PyExc_RuntimeError, "no such boot module");
  return false;
}

bool BootCode::run(const py::Attached&, const Part& part) {
  const std::string name = "_moult." + part.name;
  const py::Ref code = py::Ref::steal(
      PyMarshal_ReadObjectFromString(part.code.data(), static_cast<Py_ssize_t>(part.code.size())));
  if (!code) return false;
  // Puts the module into sys.modules itself.
  const py::Ref module = py::Ref::steal(PyImport_ExecCodeModule(name.c_str(), code.get()));
  if (!module) return false;
  PyObject* const parent = PyDict_GetItemString(PyImport_GetModuleDict(), "_moult");
  return parent == nullptr || PyObject_SetAttrString(parent, part.name.c_str(), module.get()) == 0;
}

}  // namespace moult
