#pragma once

#include "daemon/config/value.h"
#include "ipc/base/result.h"

#include <string>
#include <string_view>

namespace moult {

// The top table of a TOML text. A syntax error has the place where the parser gave up; `file` only
// names the text in errors.
Result<Value::Table> parse_toml(std::string_view text, const std::string& file);

// The same of a file of at most 1 MiB. Blocks.
Result<Value::Table> read_toml_file(const std::string& file);

}  // namespace moult
