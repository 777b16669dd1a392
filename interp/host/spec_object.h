#pragma once

#include "interp/py/attach.h"
#include "interp/py/ref.h"
#include "ipc/host_commands.h"

#include <optional>

namespace moult {

// What a host adds to the spec.
struct HostFacts {
  const std::string& module_dir;
  const std::optional<std::string>& timezone;
  int wake_fd = -1;         // process isolation: for signal.set_wakeup_fd
  bool own_folder = false;  // working folder and umask are this interpreter's
};

// A list of str, and what is in one; paths may be no UTF-8 and are as os.fsencode() wants them.
py::Ref text_list(const py::Attached& py, const std::vector<std::string>& values);
std::vector<std::string> texts_of(const py::Attached& py, PyObject* list);

// What interp/boot/start.py gets: the protocol's `spec` as a dict, with `generation`, `mode`,
// `module_dir`, `host_tz`, `wake_fd` and `own_folder`. Null with an exception pending.
py::Ref spec_object(const py::Attached& py, const MakeCommand& make, const HostFacts& host);

}  // namespace moult
