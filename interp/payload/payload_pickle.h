#pragma once

#include "interp/payload/payload.h"

namespace moult::payload {

// Writes a value as a pickle into the message. Objects that hold bytes, and every memoryview, are
// persistent objects of the pickle: their bytes become buffers of the message. False: either the
// writer is too_large(), or an exception is pending.
bool write_pickle(const py::Attached& py, Payload& message, PyObject* value);

// Can a memoryview be carried? If not, BufferError is pending and says why.
bool check_memory(const py::Attached& py, PyObject* memory);

// What a pickle stands for. Null: a PayloadError is pending, or what is no Exception.
py::Ref read_pickle(const py::Attached& py, std::string_view pickle,
                    std::span<const std::string_view> buffers);

}  // namespace moult::payload
