#pragma once

#include "interp/commands.h"
#include "interp/py/attach.h"
#include "interp/py/ref.h"

#include <optional>

namespace moult {

// What interp/boot/start.py gets: the protocol's `spec` as a dict, with `mode`, `module_dir` and
// `host_tz`. Null with an exception pending.
py::Ref spec_object(const py::Attached& py, const MakeCommand& make, const std::string& module_dir,
                    const std::optional<std::string>& host_tz);

}  // namespace moult
