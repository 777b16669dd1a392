#include "ipc/host_protocol.h"

#include "ipc/base/json.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <concepts>
#include <utility>

namespace moult {

namespace {

using Json = nlohmann::json;

constexpr std::size_t kPacketLimit = 120 * 1024;
constexpr std::size_t kBatchLimit = 100 * 1024;  // of rows, beside which there is little
// Thirty years. Who adds it to a time, in nanoseconds, must not overflow.
constexpr double kSecondsMax = 1e9;

template <typename T>
constexpr bool kIsList = false;
template <typename T>
constexpr bool kIsList<std::vector<T>> = true;
template <typename T>
constexpr bool kIsOptional = false;
template <typename T>
constexpr bool kIsOptional<std::optional<T>> = true;

// Paths and what apps say may be any bytes; a dump must not throw for them.
std::string dump(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

// Writes the members of a struct into an object.
class MemberWriter {
 public:
  explicit MemberWriter(Json& object) : object_(object) {}

  template <typename T, typename... Rest>
  void have(const char* name, const T& value, const Rest&... rest) {
    object_[name] = json_of(value);
    if constexpr (sizeof...(rest) > 0) have(rest...);
  }
  void need(const auto&... members) { have(members...); }
  template <typename T>
  void may_have(const char* name, const T& value) {
    if (!(value == T{})) have(name, value);
  }

  template <typename T>
  static Json json_of(const T& value) {
    if constexpr (requires(MemberWriter & list) { T::members(value, list); }) {
      Json object = Json::object();
      MemberWriter list(object);
      T::members(value, list);
      return object;
    } else if constexpr (kIsList<T>) {
      Json array = Json::array();
      for (const auto& item : value) array.push_back(json_of(item));
      return array;
    } else if constexpr (kIsOptional<T>) {
      return *value;
    } else if constexpr (std::same_as<T, Seconds>) {
      return value.count();
    } else if constexpr (std::same_as<T, InterpreterMode>) {
      return to_string(value);
    } else {
      return value;
    }
  }

 private:
  Json& object_;
};

// Reads the members of a struct from an object. The first that is wrong is its fault; a null is none.
class MemberReader {
 public:
  explicit MemberReader(const Json& object) : object_(object) {}

  // "spec.entry.kind is missing"; "": all is well.
  const std::string& fault() const { return fault_; }

  template <typename T, typename... Rest>
  void have(const char* name, T& value, Rest&... rest) {
    read(name, value);
    if constexpr (sizeof...(rest) > 0) have(rest...);
  }
  template <typename T, typename... Rest>
  void need(const char* name, T& value, Rest&... rest) {
    if (!read(name, value)) blame(name, " is missing");
    if constexpr (sizeof...(rest) > 0) need(rest...);
  }
  void may_have(const char* name, auto& value) { read(name, value); }

 private:
  // Whether it is there.
  bool read(const char* name, auto& value) {
    const auto found = object_.find(name);
    if (found == object_.end() || found->is_null()) return false;
    blame(name, take(*found, value));
    return true;
  }

  void blame(const char* name, const std::string& wrong) {
    if (fault_.empty() && !wrong.empty()) fault_ = name + wrong;
  }

  // What is wrong, as the sentence goes on after its name.
  template <typename T>
  static std::string take(const Json& json, T& value) {
    if constexpr (requires(MemberReader & list) { T::members(value, list); }) {
      if (!json.is_object()) return " is no object";
      MemberReader list(json);
      T::members(value, list);
      return list.fault().empty() ? std::string() : "." + list.fault();
    } else if constexpr (kIsList<T>) {
      if (!json.is_array()) return " is no list";
      for (const Json& item : json) {
        const std::string wrong = take(item, value.emplace_back());
        if (!wrong.empty()) return fmt::format("[{}]{}", value.size() - 1, wrong);
      }
      return {};
    } else if constexpr (kIsOptional<T>) {
      return take(json, value.emplace());
    } else {
      return take_plain(json, value);
    }
  }

  static std::string take_plain(const Json& json, std::string& text) {
    if (!json.is_string()) return " is no text";
    text = json.get_ref<const std::string&>();
    return {};
  }

  static std::string take_plain(const Json& json, bool& flag) {
    if (!json.is_boolean()) return " is neither true nor false";
    flag = json.get<bool>();
    return {};
  }

  static std::string take_plain(const Json& json, std::integral auto& number) {
    using Number = std::remove_reference_t<decltype(number)>;
    const auto fits = [&number](auto read) {
      if (!std::in_range<Number>(read)) return false;
      number = static_cast<Number>(read);
      return true;
    };
    const bool taken = json.is_number_unsigned()  ? fits(json.get<std::uint64_t>())
                       : json.is_number_integer() ? fits(json.get<std::int64_t>())
                                                  : false;
    return taken ? "" : " is no whole number, or too large a one";
  }

  static std::string take_plain(const Json& json, double& number) {
    if (!json.is_number()) return " is no number";
    number = json.get<double>();
    return {};
  }

  static std::string take_plain(const Json& json, Seconds& time) {
    if (!json.is_number() || std::abs(json.get<double>()) > kSecondsMax) return " is no time in seconds";
    time = Seconds(json.get<double>());
    return {};
  }

  static std::string take_plain(const Json& json, InterpreterMode& mode) {
    for (const auto each :
         {InterpreterMode::own, InterpreterMode::strict, InterpreterMode::shared, InterpreterMode::main}) {
      mode = each;
      if (json == to_string(each)) return {};
    }
    return " is no mode of an interpreter";
  }

  static std::string take_plain(const Json& json, std::map<std::string, std::string>& texts) {
    if (!json.is_object()) return " is no object";
    for (const auto& [name, text] : json.items()) {
      if (!text.is_string()) return " has a member that is no text";
      texts[name] = text.get_ref<const std::string&>();
    }
    return {};
  }

  const Json& object_;
  std::string fault_;
};

// Which end of the channel a packet comes from: the member that has its name, and a word for people.
struct Kind {
  const char* key;
  std::string_view word;
};
constexpr Kind kCommand{"do", "command"};
constexpr Kind kEvent{"event", "host event"};

template <typename Message>
Json json_of(const Kind& kind, const Message& message) {
  Json json = MemberWriter::json_of(message);
  json[kind.key] = Message::kName;
  return json;
}

Failure refused(std::string message) { return fail(Error{ErrorCode::protocol, std::move(message)}); }

template <typename Packet, std::size_t kAt = 0>
Result<Packet> packet_of(const Kind& kind, std::string_view name, const Json& json) {
  if constexpr (kAt == std::variant_size_v<Packet>) {
    return refused(fmt::format("unknown {} \"{}\"", kind.word, name));
  } else {
    using Message = std::variant_alternative_t<kAt, Packet>;
    if (name != Message::kName) return packet_of<Packet, kAt + 1>(kind, name, json);
    Message message;
    MemberReader list(json);
    Message::members(message, list);
    if (list.fault().empty()) return message;
    return refused(fmt::format("{} \"{}\": {}", kind.word, name, list.fault()));
  }
}

template <typename Packet>
Result<Packet> decode(const Kind& kind, std::string_view packet) {
  auto json = parse_json(packet);
  if (!json) return fail(std::move(json.error()).with_context(kind.word));
  if (!json->is_object()) return refused(fmt::format("a {} that is no JSON object", kind.word));
  const auto name = json->find(kind.key);
  const bool is_named = name != json->end() && name->is_string();
  return packet_of<Packet>(kind, is_named ? name->get_ref<const std::string&>() : std::string(), *json);
}

// Halves the longest text or list until the packet is small enough.
std::string fit(Json json) {
  std::string packet = dump(json);
  while (packet.size() > kPacketLimit) {
    auto size_of = [](const Json& value) { return dump(value).size(); };
    auto longest = std::max_element(json.begin(), json.end(),
                                    [&](const Json& a, const Json& b) { return size_of(a) < size_of(b); });
    if (longest->is_array()) {
      longest->erase(longest->begin() + static_cast<std::ptrdiff_t>(longest->size() / 2), longest->end());
    } else {
      const auto text = longest->get<std::string>();
      *longest = text.substr(0, text.size() / 4) + "\n[...]\n" + text.substr(text.size() - text.size() / 4);
    }
    packet = dump(json);
  }
  return packet;
}

std::vector<std::string> packets_of(const auto& event) { return {fit(json_of(kEvent, event))}; }

std::vector<std::string> packets_of(const ImportsEvent& whole) {
  std::vector<std::string> packets;
  ImportsEvent part{whole.ask, {}, whole.left_out, whole.error, true};
  std::size_t size = 0;
  for (const ModuleNote& module : whole.modules) {
    const std::size_t row_size = dump(MemberWriter::json_of(module)).size() + 1;
    if (size + row_size > kBatchLimit && !part.modules.empty()) {
      packets.push_back(fit(json_of(kEvent, part)));
      part.modules.clear();
      size = 0;
    }
    part.modules.push_back(module);
    size += row_size;
  }
  part.more = whole.more;
  packets.push_back(fit(json_of(kEvent, part)));
  return packets;
}

}  // namespace

std::string_view to_string(InterpreterMode mode) {
  switch (mode) {
    case InterpreterMode::own: return "own";
    case InterpreterMode::strict: return "strict";
    case InterpreterMode::shared: return "shared";
    case InterpreterMode::main: return "main";
  }
  return "main";
}

std::string encode_command(const HostCommand& command) {
  return std::visit([](const auto& what) { return dump(json_of(kCommand, what)); }, command);
}

Result<HostCommand> decode_command(std::string_view packet) { return decode<HostCommand>(kCommand, packet); }

std::vector<std::string> encode_event(const HostEvent& event) {
  return std::visit([](const auto& what) { return packets_of(what); }, event);
}

Result<HostEvent> decode_event(std::string_view packet) { return decode<HostEvent>(kEvent, packet); }

}  // namespace moult
