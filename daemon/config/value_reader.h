#pragma once

#include "daemon/config/config.h"
#include "daemon/config/value.h"

#include <cstdint>
#include <initializer_list>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace moult {

// Turns the values of one table of one file into C++ values and collects what is wrong with them; one
// is made per table and lives on the stack. A getter that returns nothing has added an error.
class ValueReader {
 public:
  ValueReader(std::string file, std::string folder, std::string home, ConfigErrors& errors)
      : file_(std::move(file)), folder_(std::move(folder)), home_(std::move(home)), errors_(errors) {}

  // The key that errors are about from now on: "threads", "env.LANG".
  void set_key(std::string key) { key_ = std::move(key); }
  const std::string& key() const { return key_; }
  // Keys with an error so far; `env` for "env.LANG".
  const std::set<std::string>& bad_keys() const { return bad_keys_; }
  Origin origin(const Value& value) const { return Origin{file_, value.line, value.column}; }

  void error(const Origin& at, std::string message, std::string hint = {});
  void error(const Value& at, std::string message, std::string hint = {});
  void error(const Value& at, const Error& error);

  std::optional<std::int64_t> integer(const Value& value, std::int64_t least, std::int64_t most);
  std::optional<std::string> text(const Value& value);
  // A list of strings; one string is a list of one.
  std::vector<std::pair<const Value*, std::string>> texts(const Value& value);
  // true, false, "on", "off".
  std::optional<bool> boolean(const Value& value);
  std::optional<Milliseconds> duration(const Value& value, Milliseconds least, Milliseconds most);
  std::optional<std::uint64_t> size(const Value& value, std::uint64_t least, std::uint64_t most);
  // The index of the one of `words` that the value is.
  std::optional<std::size_t> word(const Value& value, const std::vector<std::string>& words);
  std::optional<ListenAddress> listen(const Value& value);

  enum class Exists { folder, file_or_folder, need_not };
  // Absolute; relative ones are below the file's folder. Looks at the disk as `exists` says.
  std::optional<std::string> path(const Value& value, const std::string& written, Exists exists);
  std::optional<std::string> path(const Value& value, Exists exists);
  // A Python executable: a path, or a name without a slash that is looked for in PATH.
  std::optional<std::string> python(const Value& value);
  // A virtual environment: pyvenv.cfg and bin/python; or a conda environment.
  std::optional<std::string> venv(const Value& value);

  const std::string& file() const { return file_; }

 private:
  std::optional<ListenAddress> listen_table(const Value& value, const Value::Table& table);
  void wrong_type(const Value& value, std::string_view wanted, std::string hint = {});

  std::string file_;
  std::string folder_;
  std::string home_;
  ConfigErrors& errors_;
  std::string key_;
  std::set<std::string> bad_keys_;
};

// `name` as an executable file: absolute, or found in `search` (PATH). "" when there is none.
std::string find_executable(const std::string& name, std::string_view search);

}  // namespace moult
