// Each command and each event with generated values, there and back; and what becomes of packets that nobody
// would send.

#include "ipc/host_protocol.h"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <concepts>
#include <fstream>
#include <limits>
#include <random>
#include <set>
#include <sstream>
#include <string>

using namespace moult;

namespace {

using Json = nlohmann::json;
using Random = std::mt19937;

// Gives each member of a struct a value that differs from the one that it has by itself.
class Filler {
 public:
  enum class Wanted { all, needed };  // and no member that may be left out

  Filler(Random& random, Wanted wanted) : random_(random), wanted_(wanted) {}

  template <typename T, typename... Rest>
  void have(const char* name, T& value, Rest&... rest) {
    names.insert(name);
    fill(value);
    if constexpr (sizeof...(rest) > 0) have(rest...);
  }
  void need(auto&... members) { have(members...); }
  void may_have(const char* name, auto& value) {
    if (wanted_ == Wanted::all) have(name, value);
  }

  std::set<std::string> names;

 private:
  void fill(std::string& text) { text = texts[random_() % std::size(texts)]; }
  void fill(bool& flag) { flag = true; }
  void fill(double& number) { number = static_cast<double>(random_()) / 1000; }
  void fill(Seconds& time) { time = Seconds(static_cast<double>(random_() % 1'000'000'000) / 1000 + 1); }
  void fill(InterpreterMode& mode) { mode = static_cast<InterpreterMode>(random_() % 4); }
  void fill(std::map<std::string, std::string>& texts_by_name) {
    for (unsigned i = 0; i < 3; ++i) fill(texts_by_name["NAME" + std::to_string(i)]);
  }
  template <std::integral T>
  void fill(T& number) {
    number = random_() % 4 == 0 ? std::numeric_limits<T>::max() : static_cast<T>(random_() % 1000 + 1);
  }
  template <typename T>
  void fill(std::optional<T>& value) {
    fill(value.emplace());
  }
  template <typename T>
  void fill(std::vector<T>& list) {
    for (unsigned left = 1 + random_() % 3; left > 0; --left) fill(list.emplace_back());
  }
  template <typename T>
  requires requires(T& it, Filler& list) { T::members(it, list); }
  void fill(T& value) {
    Filler list(random_, wanted_);
    T::members(value, list);
  }

  static constexpr const char* texts[] = {"x", "/srv/größe.py", "two\nlines\t\"quoted\\\"", "{\"do\": []}",
                                          "\x01"};
  Random& random_;
  Wanted wanted_;
};

// Calls `look` with each message of a variant, filled.
template <typename Packet, std::size_t kAt = 0>
void for_each_message(Random& random, Filler::Wanted wanted, const auto& look) {
  if constexpr (kAt < std::variant_size_v<Packet>) {
    std::variant_alternative_t<kAt, Packet> message;
    Filler list(random, wanted);
    message.members(message, list);
    look(message, list.names);
    for_each_message<Packet, kAt + 1>(random, wanted, look);
  }
}

std::string packet_of(const HostCommand& command) { return encode_command(command); }

std::string packet_of(const HostEvent& event) {
  const auto packets = encode_event(event);
  REQUIRE(packets.size() == 1);
  return packets[0];
}

Result<HostCommand> decode_as(std::string_view packet, const HostCommand&) { return decode_command(packet); }
Result<HostEvent> decode_as(std::string_view packet, const HostEvent&) { return decode_event(packet); }

template <typename Packet>
void check_round_trips() {
  Random random(20261201);
  for (int round = 0; round < 200; ++round) {
    const auto wanted = round % 2 == 0 ? Filler::Wanted::all : Filler::Wanted::needed;
    for_each_message<Packet>(random, wanted, [](const auto& message, const auto& names) {
      const std::string packet = packet_of(Packet(message));
      CAPTURE(packet);
      // Written: each member, and the name.
      CHECK(Json::parse(packet).size() == names.size() + 1);
      const auto back = decode_as(packet, Packet(message));
      REQUIRE(back);
      CHECK(std::holds_alternative<std::decay_t<decltype(message)>>(*back));
      CHECK(packet_of(*back) == packet);
    });
  }
}

// One of the values inside of `json`, itself included.
Json& any_of(Json& json, Random& random) {
  if (!json.is_structured() || json.empty() || random() % 3 == 0) return json;
  auto at = json.begin();
  std::advance(at, random() % json.size());
  return any_of(*at, random);
}

Json deep(unsigned levels) {
  Json json = 1;
  for (; levels > 0; --levels) json = levels % 2 == 0 ? Json{{"a", json}} : Json::array({json});
  return json;
}

Json odd_value(Random& random) {
  switch (random() % 9) {
    case 0: return nullptr;
    case 1: return random() % 2 == 0;
    case 2: return -1 - static_cast<std::int64_t>(random());
    case 3: return std::numeric_limits<std::uint64_t>::max() - random() % 2;
    case 4: return random() % 2 == 0 ? 1e300 : -0.5;
    case 5: return std::string(random() % 3 * 40'000, 'x');
    case 6: return Json::array({1, "x", nullptr, Json::object()});
    case 7: return deep(random() % 62);
    default: return {{"kind", 1}, {"interp", "x"}, {"entry", Json::array()}};
  }
}

// The packet with a value replaced or taken away, or with bytes of it replaced, taken away or put in.
std::string mutated(const std::string& packet, Random& random) {
  if (random() % 2 == 0) {
    Json json = Json::parse(packet);
    for (unsigned changes = 1 + random() % 3; changes > 0; --changes) {
      Json& value = any_of(json, random);
      if (json.is_object() && random() % 2 == 0) {
        json["colour"] = odd_value(random);  // which nobody knows
      } else if (value.is_structured() && random() % 4 == 0) {
        value.clear();
      } else {
        value = odd_value(random);
      }
    }
    return json.dump();
  }
  constexpr std::string_view kPieces[] = {"[",     "[[[[", "{\"do\":", "]",    "}", ",",
                                          "1e999", "\"",   "\\u0000",  "\xff", "-", "null"};
  std::string text = packet;
  for (unsigned changes = 1 + random() % 4; changes > 0; --changes) {
    const std::size_t at = random() % (text.size() + 1);
    text.replace(at, random() % 4, kPieces[random() % std::size(kPieces)]);
  }
  return text;
}

template <typename Packet>
void check_mutations() {
  Random random(1201);
  int taken = 0;
  int refused = 0;
  for (int round = 0; round < 150; ++round) {
    for_each_message<Packet>(random, Filler::Wanted::all, [&](const auto& message, const auto&) {
      const std::string packet = mutated(packet_of(Packet(message)), random);
      const auto back = decode_as(packet, Packet(message));
      ++(back ? taken : refused);
      if (!back) {
        CAPTURE(packet);
        CHECK(back.error().code == ErrorCode::protocol);
        CHECK_FALSE(back.error().message.empty());
        return;
      }
      // What was taken can be said again, and then means the same.
      const std::string again = packet_of(*back);
      const auto twice = decode_as(again, *back);
      REQUIRE(twice);
      CHECK(packet_of(*twice) == again);
    });
  }
  CHECK(taken > 100);
  CHECK(refused > 100);
}

// The row of the table below `heading` of ipc/PROTOCOL.md that begins with that name.
std::string row_of(const std::string& text, const std::string& heading, std::string_view name) {
  const std::size_t table = text.find("\n" + heading + "\n");
  REQUIRE(table != std::string::npos);
  const std::size_t row = text.find("\n| `" + std::string(name) + "` |", table);
  return row == std::string::npos ? "" : text.substr(row + 1, text.find('\n', row + 1) - row - 1);
}

}  // namespace

TEST_CASE("each command comes back as it went, with all that may be missing and without") {
  check_round_trips<HostCommand>();
}

TEST_CASE("each event comes back as it went, with all that may be missing and without") {
  check_round_trips<HostEvent>();
}

TEST_CASE("whatever becomes of a command on its way, it is decoded or refused") {
  check_mutations<HostCommand>();
}

TEST_CASE("whatever becomes of an event on its way, it is decoded or refused") {
  check_mutations<HostEvent>();
}

TEST_CASE("a member that is needed and missing, or of another kind, is named in the refusal") {
  Random random(7);
  for_each_message<HostCommand>(random, Filler::Wanted::all, [](const auto& message, const auto& names) {
    for (const std::string& name : names) {
      Json json = Json::parse(encode_command(message));
      if (!json.contains(name)) continue;
      json[name] = Json::array({Json::array()});
      const auto back = decode_command(json.dump());
      CAPTURE(name);
      REQUIRE_FALSE(back);
      const std::string begin = "command \"" + std::string(message.kName) + "\": " + name;
      CHECK(back.error().message.starts_with(begin));
    }
  });
}

TEST_CASE("ipc/PROTOCOL.md lists each command, each event and their members") {
  std::ifstream file(MOULT_SOURCE_DIR "/ipc/PROTOCOL.md");
  std::stringstream stream;
  stream << file.rdbuf();
  const std::string text = stream.str();
  Random random(1);
  const auto look = [&](const char* heading) {
    return [&text, heading](const auto& message, const auto& names) {
      const std::string row = row_of(text, heading, message.kName);
      CAPTURE(message.kName);
      CHECK_FALSE(row.empty());
      for (const std::string& name : names) {
        CAPTURE(name);
        const bool in_row = row.find("`" + name + "`") != std::string::npos;
        CHECK((in_row || name == "spare" || name == "modules" || name == "sources"));  // in prose below
      }
    };
  };
  for_each_message<HostCommand>(random, Filler::Wanted::all, look("Commands:"));
  const std::string prose =
      text.substr(text.find("\n`spec`: "), text.find("\nEvents:") - text.find("\n`spec`: "));
  Filler spec(random, Filler::Wanted::all);
  InterpreterSpec filled;
  InterpreterSpec::members(filled, spec);
  for (const std::string& name : spec.names) {
    CAPTURE(name);
    CHECK(prose.find("`" + name + "`") != std::string::npos);
  }
  for_each_message<HostEvent>(random, Filler::Wanted::all, look("Events:"));
}
