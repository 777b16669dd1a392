#pragma once

#include "interp/py/attach.h"
#include "interp/py/ref.h"

#include <cstdint>
#include <optional>

namespace moult {

// The type behind wsgi.file_wrapper of one interpreter: FileWrapper(filelike, block_size=8192), an
// iterable with close() that reads blocks. Returned by the app itself, and over a regular file, its
// descriptor goes to the daemon instead.
py::Ref make_file_wrapper_type(const py::Attached& py);

struct FileRegionOfWrapper {
  int fd = -1;
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
};

// The rest of the regular file that `wrapper` (of that type) is over, or nothing when it is over
// something else. Leaves no exception pending.
std::optional<FileRegionOfWrapper> regular_file_of(const py::Attached& py, PyObject* wrapper);

}  // namespace moult
