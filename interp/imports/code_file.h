#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace moult {

// What compiled code is the code of. Views of the caller's; any difference is other code.
struct CodeKey {
  std::string_view kind;  // of compiler: the Python's magic number, optimisation, …
  std::string_view path;  // is part of the code: co_filename
  std::string_view hash;  // of the source, 32 bytes
};

// The name of its file: 64 hex digits.
std::string code_file_name(const CodeKey& key);

// A file of the bytecode cache, whole:
//   8 bytes "MOULTBC1", u32 length of kind, u32 length of path, u64 length of code,
//   32 bytes source hash, 32 bytes SHA-256 of all that is not this field; kind, path, code
// with integers in machine order: a cache belongs to one machine or to machines of one kind.
std::string encode_code_file(const CodeKey& key, std::string_view code);

// The code in `file`, which it is a view of. Nothing when a byte of it is not as it was written, or when
// it is of another key: marshal believes what it reads, and can crash of it.
std::optional<std::string_view> decode_code_file(std::string_view file, const CodeKey& key);

}  // namespace moult
