#pragma once

#include "ipc/base/error.h"

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace moult {

struct Member;

// One value of a TOML file with its place in it: a plain tree, so that only toml_file.cpp includes
// the TOML library. Dates and times are kept as `other`: no setting takes one.
struct Value {
  struct Other {
    std::string kind;  // "a date"
  };
  using Array = std::vector<Value>;
  using Table = std::vector<Member>;  // in the order of the file

  std::variant<Other, std::string, std::int64_t, double, bool, Array, Table> data;
  int line = 0;  // 1-based; 0: not known
  int column = 0;

  template <typename T>
  const T* get_if() const {
    return std::get_if<T>(&data);
  }
  // "a string", "a list", …: for "must be an integer, not a string".
  std::string kind() const;
};

// One `key = value` of a table; line and column are the key's.
struct Member {
  std::string key;
  int line = 0;
  int column = 0;
  Value value;
};

// Where a setting was written, for errors that are found later (two apps with one route).
struct Origin {
  std::string file;
  int line = 0;
  int column = 0;
};

// An error of the config at `origin`; the column goes into the message.
Error config_error(const Origin& origin, std::string message, std::string hint = {});

}  // namespace moult
