#pragma once

#include "daemon/config/config.h"
#include "daemon/config/units.h"
#include "daemon/config/value_reader.h"

#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace moult {

// What must be done anew when a setting of an app changes (diff.h).
enum class Effect { generation, routes, watching, limits };

// One key of a config file: how it is read into an AppConfig or DaemonConfig, how it is written as
// TOML, and what its change asks for. The lists below are all there is to know about the keys; reading,
// `config show`, the difference of two configs and the list of known keys follow from them.
template <typename C>
struct Setting {
  std::string key;
  Effect effect = Effect::limits;
  std::function<void(ValueReader&, const Value&, C&)> read;  // sets nothing when it finds an error
  std::function<std::string(const C&)> show;
  std::string alias{};  // a second spelling: `route` of `routes`
};

// In the order of docs/configuration.md.
std::vector<Setting<AppConfig>> app_settings();
std::vector<Setting<DaemonConfig>> daemon_settings();

template <typename C>
Setting<C> number_setting(std::string key, Effect effect, int C::*member, int least, int most) {
  return {std::move(key), effect,
          [=](ValueReader& reader, const Value& value, C& into) {
            if (const auto number = reader.integer(value, least, most))
              into.*member = static_cast<int>(*number);
          },
          [=](const C& from) { return std::to_string(from.*member); }};
}

template <typename C>
Setting<C> duration_setting(std::string key, Effect effect, Milliseconds C::*member, Milliseconds least,
                            Milliseconds most) {
  return {std::move(key), effect,
          [=](ValueReader& reader, const Value& value, C& into) {
            if (const auto duration = reader.duration(value, least, most)) into.*member = *duration;
          },
          [=](const C& from) { return toml_string(duration_text(from.*member)); }};
}

template <typename C>
Setting<C> size_setting(std::string key, Effect effect, std::uint64_t C::*member, std::uint64_t least,
                        std::uint64_t most) {
  return {std::move(key), effect,
          [=](ValueReader& reader, const Value& value, C& into) {
            if (const auto size = reader.size(value, least, most)) into.*member = *size;
          },
          [=](const C& from) { return toml_string(size_text(from.*member)); }};
}

template <typename C>
Setting<C> flag_setting(std::string key, Effect effect, bool C::*member) {
  return {std::move(key), effect,
          [=](ValueReader& reader, const Value& value, C& into) {
            if (const auto flag = reader.boolean(value)) into.*member = *flag;
          },
          [=](const C& from) { return from.*member ? "true" : "false"; }};
}

template <typename C>
Setting<C> toggle_setting(std::string key, Effect effect, Toggle C::*member) {
  return {std::move(key), effect,
          [=](ValueReader& reader, const Value& value, C& into) {
            if (const auto flag = reader.boolean(value)) into.*member = *flag ? Toggle::on : Toggle::off;
          },
          [=](const C& from) { return toml_string(from.*member == Toggle::on ? "on" : "off"); }};
}

// `words` are the names of the enum's values, in their order.
template <typename C, typename E>
Setting<C> word_setting(std::string key, Effect effect, E C::*member, const std::vector<std::string>& words) {
  return {std::move(key), effect,
          [=](ValueReader& reader, const Value& value, C& into) {
            if (const auto index = reader.word(value, words)) into.*member = static_cast<E>(*index);
          },
          [=](const C& from) { return toml_string(words.at(static_cast<std::size_t>(from.*member))); }};
}

std::string listen_text(const std::vector<ListenAddress>& addresses);
void read_listen(ValueReader& reader, const Value& value, std::vector<ListenAddress>& into);

template <typename C>
Setting<C> listen_setting() {
  return {"listen", Effect::routes,
          [](ValueReader& reader, const Value& value, C& into) { read_listen(reader, value, into.listen); },
          [](const C& from) { return listen_text(from.listen); }};
}

}  // namespace moult
