#include "daemon/config/units.h"

#include "daemon/config/config.h"
#include "ipc/base/log.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>

namespace moult {

namespace {

struct Unit {
  std::string_view name;
  double factor;
};

constexpr Unit kTimes[] = {{"h", 3'600'000}, {"min", 60'000}, {"s", 1000}, {"ms", 1}};
// Upper case; compared without regard to case. "M" alone is what nginx and uWSGI users write.
constexpr Unit kSizes[] = {{"TIB", 0x1p40}, {"GIB", 0x1p30}, {"MIB", 0x1p20}, {"KIB", 0x1p10},
                           {"TB", 1e12},    {"GB", 1e9},     {"MB", 1e6},     {"KB", 1e3},
                           {"G", 0x1p30},   {"M", 0x1p20},   {"K", 0x1p10},   {"B", 1}};

struct Amount {
  double number = 0;
  std::string_view unit;
};

// "1.5 GiB" -> 1.5 and "GiB". Digits with at most one point; no sign, no exponent.
bool split_amount(std::string_view text, Amount& amount) {
  const std::size_t digits = std::min(text.find_first_not_of("0123456789."), text.size());
  if (digits == 0) return false;
  const auto [end, error] = std::from_chars(text.data(), text.data() + digits, amount.number);
  if (error != std::errc{} || end != text.data() + digits) return false;
  amount.unit = text.substr(digits);
  while (amount.unit.starts_with(' ')) amount.unit.remove_prefix(1);
  return true;
}

Error bad_text(std::string_view text, std::string_view what, std::string_view hint) {
  return Error{ErrorCode::config_invalid, fmt::format("\"{}\" is not a {}", text, what), {}, {}, 0,
               std::string(hint)};
}

constexpr double kMaxMilliseconds = 1e12;  // 31 years
constexpr double kMaxBytes = 0x1p53;       // whole numbers of a double end here

}  // namespace

Result<Milliseconds> parse_duration(std::string_view text) {
  constexpr std::string_view kHint = "write \"250ms\", \"5s\", \"2min\", \"1h\" or a number of seconds";
  Amount amount;
  if (!split_amount(text, amount)) return fail(bad_text(text, "duration", kHint));
  double factor = amount.unit.empty() ? 1000 : 0;
  for (const Unit& unit : kTimes) {
    if (amount.unit == unit.name) factor = unit.factor;
  }
  const double milliseconds = std::round(amount.number * factor);
  if (factor == 0 || milliseconds > kMaxMilliseconds) return fail(bad_text(text, "duration", kHint));
  return Milliseconds(static_cast<Milliseconds::rep>(milliseconds));
}

Result<std::uint64_t> parse_size(std::string_view text) {
  constexpr std::string_view kHint = "write \"64MiB\", \"10kB\" or a number of bytes";
  Amount amount;
  if (!split_amount(text, amount)) return fail(bad_text(text, "size", kHint));
  std::string unit_name(amount.unit);
  std::transform(unit_name.begin(), unit_name.end(), unit_name.begin(),
                 [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; });
  double factor = unit_name.empty() ? 1 : 0;
  for (const Unit& unit : kSizes) {
    if (unit_name == unit.name) factor = unit.factor;
  }
  const double bytes = std::round(amount.number * factor);
  if (factor == 0 || bytes > kMaxBytes) return fail(bad_text(text, "size", kHint));
  return static_cast<std::uint64_t>(bytes);
}

std::string duration_text(Milliseconds duration) {
  const auto count = duration.count();
  if (count == 0) return "0s";
  for (const Unit& unit : kTimes) {
    const auto factor = static_cast<Milliseconds::rep>(unit.factor);
    if (count % factor == 0) return fmt::format("{}{}", count / factor, unit.name);
  }
  return fmt::format("{}ms", count);
}

std::string size_text(std::uint64_t bytes) {
  constexpr std::pair<std::string_view, int> kShifts[] = {{"TiB", 40}, {"GiB", 30}, {"MiB", 20}, {"KiB", 10}};
  for (const auto& [name, shift] : kShifts) {
    if (bytes != 0 && bytes % (std::uint64_t{1} << shift) == 0)
      return fmt::format("{}{}", bytes >> shift, name);
  }
  return fmt::format("{}", bytes);
}

std::string toml_string(std::string_view text) {
  // JSON's escapes are a subset of those of TOML's basic strings.
  std::string out = "\"";
  append_json_escaped(out, text);
  return out + "\"";
}

std::string toml_list(const std::vector<std::string>& items) {
  std::vector<std::string> quoted;
  quoted.reserve(items.size());
  for (const std::string& item : items) quoted.push_back(toml_string(item));
  return fmt::format("[{}]", fmt::join(quoted, ", "));
}

std::string toml_key(std::string_view key) {
  const bool bare = !key.empty() && std::all_of(key.begin(), key.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
  return bare ? std::string(key) : toml_string(key);
}

}  // namespace moult
