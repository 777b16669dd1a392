#include "ipc/function_call.h"

#include "ipc/base/json.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstring>

namespace moult {

namespace {

using Json = nlohmann::json;

constexpr std::size_t kItemPrefix = sizeof(std::uint32_t) + 1;

}  // namespace

std::string encode_fault(const CallFault& fault) {
  Json json{{"type", fault.type}, {"message", fault.message}, {"traceback", fault.traceback}};
  if (!fault.path.empty()) json["path"] = fault.path;
  if (!fault.class_name.empty()) json["class_name"] = fault.class_name;
  if (!fault.file.empty()) json["file"] = fault.file;
  if (fault.line != 0) json["line"] = fault.line;
  if (!fault.hint.empty()) json["hint"] = fault.hint;
  // Texts of an app may hold any bytes; a dump must not throw for them.
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::optional<CallFault> decode_fault(std::string_view reason, std::string_view text) {
  const Json json = parse_json_or_discard(text);
  if (!json.is_object()) return std::nullopt;
  const auto field = [&](const char* name) {
    const auto found = json.find(name);
    return found != json.end() && found->is_string() ? found->get<std::string>() : std::string();
  };
  CallFault fault{std::string(reason), field("type"),       field("message"), field("traceback"),
                  field("path"),       field("class_name"), field("file"),    0,
                  field("hint")};
  if (const auto line = json.find("line"); line != json.end() && line->is_number_integer())
    fault.line = line->get<int>();
  return fault;
}

void append_item(std::string& stream, const StreamItem& item) {
  const auto size = static_cast<std::uint32_t>(item.bytes.size());
  char prefix[kItemPrefix];
  std::memcpy(prefix, &size, sizeof size);
  prefix[sizeof size] = item.kind;
  stream.append(prefix, sizeof prefix).append(item.bytes);
}

std::optional<StreamItem> take_item(std::string_view& rest) {
  if (rest.size() < kItemPrefix) return std::nullopt;
  std::uint32_t size = 0;
  std::memcpy(&size, rest.data(), sizeof size);
  if (rest.size() - kItemPrefix < size) return std::nullopt;
  const StreamItem item{rest[sizeof size], rest.substr(kItemPrefix, size)};
  rest.remove_prefix(kItemPrefix + size);
  return item;
}

std::string encode_item_fault(const CallFault& fault) { return fault.reason + '\n' + encode_fault(fault); }

ReasonAndError split_item_fault(std::string_view bytes) {
  const std::size_t end = std::min(bytes.find('\n'), bytes.size());
  return {bytes.substr(0, end), bytes.substr(std::min(end + 1, bytes.size()))};
}

// steady_clock counts CLOCK_MONOTONIC's nanoseconds (libstdc++ and libc++ on Linux), which all
// processes of a machine share.
std::string encode_deadline(SteadyTime deadline) {
  return std::to_string(
      std::chrono::duration_cast<std::chrono::nanoseconds>(deadline.time_since_epoch()).count());
}

std::optional<SteadyTime> decode_deadline(std::string_view text) {
  std::int64_t nanoseconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), nanoseconds);
  if (error != std::errc() || end != text.data() + text.size() || nanoseconds < 0) return std::nullopt;
  return SteadyTime(std::chrono::duration_cast<Steady::duration>(std::chrono::nanoseconds(nanoseconds)));
}

}  // namespace moult
