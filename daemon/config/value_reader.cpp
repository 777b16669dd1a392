#include "daemon/config/value_reader.h"

#include "daemon/config/paths.h"
#include "daemon/config/units.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

namespace moult {

void ValueReader::error(const Origin& at, std::string message, std::string hint) {
  bad_keys_.insert(key_.substr(0, key_.find('.')));
  errors_.push_back(config_error(at, fmt::format("{}: {}", key_, message), std::move(hint)));
}

void ValueReader::error(const Value& at, std::string message, std::string hint) {
  error(origin(at), std::move(message), std::move(hint));
}

void ValueReader::error(const Value& at, const Error& cause) { error(at, cause.message, cause.hint); }

void ValueReader::wrong_type(const Value& value, std::string_view wanted, std::string hint) {
  error(value, fmt::format("must be {}, not {}", wanted, value.kind()), std::move(hint));
}

std::optional<std::int64_t> ValueReader::integer(const Value& value, std::int64_t least, std::int64_t most) {
  const auto* number = value.get_if<std::int64_t>();
  if (number == nullptr) {
    wrong_type(value, "an integer", value.get_if<std::string>() ? "write it without quotes" : "");
  } else if (*number < least || *number > most) {
    error(value, fmt::format("{} is not in {} to {}", *number, least, most));
  } else {
    return *number;
  }
  return {};
}

std::optional<std::string> ValueReader::text(const Value& value) {
  if (const auto* text = value.get_if<std::string>()) {
    if (text->find('\0') == std::string::npos) return *text;
    error(value, "contains a NUL character");
  } else {
    wrong_type(value, "a string",
               value.get_if<Value::Array>() || value.get_if<Value::Table>() ? "" : "put it in quotes");
  }
  return {};
}

std::vector<std::pair<const Value*, std::string>> ValueReader::texts(const Value& value) {
  std::vector<std::pair<const Value*, std::string>> all;
  const auto* items = value.get_if<Value::Array>();
  if (items == nullptr) {
    if (value.get_if<std::string>() == nullptr) {
      wrong_type(value, "a list of strings");
    } else if (auto one = text(value)) {
      all.emplace_back(&value, std::move(*one));
    }
    return all;
  }
  for (const Value& item : *items) {
    if (auto one = text(item)) all.emplace_back(&item, std::move(*one));
  }
  return all;
}

std::optional<bool> ValueReader::boolean(const Value& value) {
  if (const auto* flag = value.get_if<bool>()) return *flag;
  if (const auto* text = value.get_if<std::string>(); text != nullptr && (*text == "on" || *text == "off")) {
    return *text == "on";
  }
  wrong_type(value, "true, false, \"on\" or \"off\"");
  return {};
}

std::optional<Milliseconds> ValueReader::duration(const Value& value, Milliseconds least, Milliseconds most) {
  std::string written;
  if (const auto* text = value.get_if<std::string>()) {
    written = *text;
  } else if (const auto* whole = value.get_if<std::int64_t>(); whole != nullptr && *whole >= 0) {
    written = fmt::format("{}", *whole);
  } else if (const auto* real = value.get_if<double>();
             real != nullptr && std::isfinite(*real) && *real >= 0) {
    written = fmt::format("{}", *real);
  } else {
    wrong_type(
        value,
        value.get_if<std::int64_t>() || value.get_if<double>() ? "a duration of 0 or more" : "a duration",
        "write \"250ms\", \"5s\", \"2min\", \"1h\" or a number of seconds");
    return {};
  }
  const auto duration = parse_duration(written);
  if (!duration) {
    error(value, duration.error());
  } else if (*duration < least || *duration > most) {
    error(value, fmt::format("{} is not in {} to {}", duration_text(*duration), duration_text(least),
                             duration_text(most)));
  } else {
    return *duration;
  }
  return {};
}

std::optional<std::uint64_t> ValueReader::size(const Value& value, std::uint64_t least, std::uint64_t most) {
  Result<std::uint64_t> size = 0;
  if (const auto* text = value.get_if<std::string>()) {
    size = parse_size(*text);
  } else if (const auto* whole = value.get_if<std::int64_t>(); whole != nullptr && *whole >= 0) {
    size = static_cast<std::uint64_t>(*whole);
  } else {
    wrong_type(value, "a size", "write \"64MiB\", \"10kB\" or a number of bytes");
    return {};
  }
  if (!size) {
    error(value, size.error());
  } else if (*size < least || *size > most) {
    error(value, fmt::format("{} is not in {} to {}", size_text(*size), size_text(least), size_text(most)));
  } else {
    return *size;
  }
  return {};
}

std::optional<std::size_t> ValueReader::word(const Value& value, const std::vector<std::string>& words) {
  const auto written = text(value);
  if (!written) return {};
  const auto found = std::find(words.begin(), words.end(), *written);
  if (found != words.end()) return static_cast<std::size_t>(found - words.begin());
  const std::string near = nearest(*written, words);
  error(value, fmt::format("\"{}\" is none of \"{}\"", *written, fmt::join(words, "\", \"")),
        near.empty() ? "" : fmt::format("did you mean \"{}\"?", near));
  return {};
}

std::optional<ListenAddress> ValueReader::listen(const Value& value) {
  if (const auto* table = value.get_if<Value::Table>()) return listen_table(value, *table);
  const auto written = text(value);
  if (!written) return {};
  auto address = parse_listen(*written);
  if (!address) {
    error(value, address.error());
    return {};
  }
  if (address->is_unix()) {
    auto socket = path(value, address->unix_path, Exists::need_not);
    if (!socket) return {};
    if (const auto fits = check_socket_path(*socket); !fits) {
      error(value, fits.error());
      return {};
    }
    address->unix_path = std::move(*socket);
  }
  return std::move(*address);
}

std::optional<ListenAddress> ValueReader::listen_table(const Value& value, const Value::Table& table) {
  const std::string key = key_;
  ListenAddress address;
  bool good = true;
  bool has_mode = false;
  for (const Member& member : table) {
    set_key(key + "." + member.key);
    if (member.key == "unix") {
      const auto written = text(member.value);
      auto socket = written ? path(member.value, *written, Exists::need_not) : std::nullopt;
      good = good && socket;
      if (socket) address.unix_path = std::move(*socket);
    } else if (member.key == "mode") {
      has_mode = true;
      // A string, because TOML's 660 is decimal and a mode is octal.
      const auto written = text(member.value);
      const bool octal = written && (written->size() == 3 || written->size() == 4) &&
                         written->find_first_not_of("01234567") == std::string::npos;
      if (octal) address.mode = std::stoi(*written, nullptr, 8);
      if (written && (!octal || address.mode > 0777))
        error(member.value, "not the mode of a socket", "write \"0660\"");
      good = good && octal && address.mode <= 0777;
    } else if (member.key == "group") {
      auto group = text(member.value);
      good = good && group;
      if (group) address.group = std::move(*group);
    } else if (member.key == "wire") {
      const auto index = word(member.value, {"http", "fcgi", "scgi", "uwsgi"});
      good = good && index;
      if (index) address.wire = static_cast<Wire>(*index);
    } else {
      const std::string near = nearest(member.key, {"unix", "mode", "group", "wire"});
      error(
          Origin{file_, member.line, member.column}, "unknown key",
          near.empty() ? "the keys are unix, mode, group and wire" : fmt::format("did you mean `{}`?", near));
      good = false;
    }
  }
  set_key(key);
  if (!has_mode && !address.group.empty()) address.mode = 0660;
  if (good && address.unix_path.empty()) {
    error(value, "the table needs `unix`",
          "listen = { unix = \"PATH\", mode = \"0660\", group = \"www-data\" }");
    good = false;
  }
  if (!good) return {};
  if (const auto fits = check_socket_path(address.unix_path); !fits) {
    error(value, fits.error());
    return {};
  }
  return address;
}

}  // namespace moult
