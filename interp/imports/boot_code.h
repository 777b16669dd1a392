#pragma once

#include "interp/py/attach.h"
#include "ipc/base/result.h"

#include <string>
#include <vector>

namespace moult {

// The Python of interp/boot, compiled once by the main interpreter and kept as marshalled code, so
// that each interpreter only loads it. One per process, made by main, then read-only.
class BootCode {
 public:
  static Result<BootCode> compile(const py::Attached& py);

  // Runs the files that every interpreter needs as modules `_moult.<name>` of the attached one, whose
  // module `_moult` is there already. False with an exception pending.
  bool run_all(const py::Attached& py) const;
  bool run_one(const py::Attached& py, std::string_view name) const;
  // The marshalled code of one that is run on demand (boot/on_demand.py); null: there is none.
  const std::string* on_demand(std::string_view name) const;

 private:
  struct Part {
    std::string name;
    std::string code;
  };
  static bool run(const py::Attached& py, const Part& part);
  std::vector<Part> parts_;
};

}  // namespace moult
