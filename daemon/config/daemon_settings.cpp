#include "daemon/config/setting.h"

#include <fmt/format.h>

#include <arpa/inet.h>
#include <charconv>

namespace moult {

namespace {

using namespace std::chrono_literals;
using C = DaemonConfig;

constexpr std::uint64_t kMiB = 1u << 20;
constexpr std::uint64_t kTiB = 1ull << 40;

// "unix", "10.0.0.7", "10.0.0.0/8", "fd00::/8".
bool is_proxy(const std::string& text) {
  if (text == "unix") return true;
  const std::size_t slash = text.find('/');
  const std::string address = text.substr(0, slash);
  in6_addr place{};
  const bool is_v4 = ::inet_pton(AF_INET, address.c_str(), &place) == 1;
  if (!is_v4 && ::inet_pton(AF_INET6, address.c_str(), &place) != 1) return false;
  if (slash == std::string::npos) return true;
  int bits = -1;
  const char* last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data() + slash + 1, last, bits);
  return error == std::errc{} && end == last && bits >= 0 && bits <= (is_v4 ? 32 : 128);
}

void read_proxies(ValueReader& reader, const Value& value, C& into) {
  std::vector<std::string> proxies;
  const std::size_t before = reader.bad_keys().size();
  for (const auto& [at, text] : reader.texts(value)) {
    if (is_proxy(text)) {
      proxies.push_back(text);
    } else {
      reader.error(*at, fmt::format("\"{}\" is no address of a proxy", text),
                   "write \"unix\", \"10.0.0.7\", \"10.0.0.0/8\" or \"fd00::/8\"");
    }
  }
  if (reader.bad_keys().size() == before) into.trusted_proxies = std::move(proxies);
}

// 0 turns it off; less than what one app takes would recycle without end.
void read_growth(ValueReader& reader, const Value& value, C& into) {
  const auto size = reader.size(value, 0, kTiB);
  if (size && *size > 0 && *size < 16 * kMiB) {
    reader.error(value, fmt::format("{} is less than 16MiB", size_text(*size)),
                 "0 turns recycling by memory off");
  } else if (size) {
    into.host_memory_growth = *size;
  }
}

// A size, or "off".
void read_bytecode_cache(ValueReader& reader, const Value& value, C& into) {
  const auto* const text = value.get_if<std::string>();
  if (text != nullptr && *text == "off") {
    into.bytecode_cache = 0;
  } else if (const auto size = reader.size(value, kMiB, kTiB)) {
    into.bytecode_cache = *size;
  }
}

}  // namespace

std::vector<Setting<DaemonConfig>> daemon_settings() {
  constexpr Effect kLimits = Effect::limits;
  return {
      listen_setting<C>(),
      {"trusted_proxies", kLimits, read_proxies,
       [](const C& from) { return toml_list(from.trusted_proxies); }},
      number_setting("hosts", kLimits, &C::hosts, 0, 64),
      {"host_memory_growth", kLimits, read_growth,
       [](const C& from) { return toml_string(size_text(from.host_memory_growth)); }},
      toggle_setting("reload", kLimits, &C::reload),
      duration_setting("header_timeout", kLimits, &C::header_timeout, 100ms, 1h),
      duration_setting("body_timeout", kLimits, &C::body_timeout, 100ms, 1h),
      duration_setting("idle_timeout", kLimits, &C::idle_timeout, 0ms, 24h),
      duration_setting("send_timeout", kLimits, &C::send_timeout, 100ms, 24h),
      size_setting("min_rate", kLimits, &C::min_rate, 0, kMiB),
      number_setting("max_connections", kLimits, &C::max_connections, 1, 1'000'000),
      size_setting("snapshot_max_size", kLimits, &C::snapshot_max_bytes, kMiB, kTiB),
      number_setting("snapshot_keep", kLimits, &C::snapshot_keep, 1, 100),
      {"bytecode_cache", kLimits, read_bytecode_cache,
       [](const C& from) {
         return toml_string(from.bytecode_cache == 0 ? "off" : size_text(from.bytecode_cache));
       }},
      flag_setting("access_log", kLimits, &C::access_log),
  };
}

}  // namespace moult
