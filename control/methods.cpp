#include "control/method.h"
#include "control/words.h"
#include "ipc/base/clock.h"

#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <optional>

namespace moult::control {

namespace {

constexpr int kMethodNotFound = -32601;  // JSON-RPC 2.0, section 5.1

struct Wrong {
  std::string field;
  std::string message;
  std::string hint;
};

bool is_texts(const Json& value) {
  return value.is_array() &&
         std::all_of(value.begin(), value.end(), [](const Json& one) { return one.is_string(); });
}

bool is_of_kind(const Json& value, const Parameter& parameter) {
  using Kind = Parameter::Kind;
  switch (parameter.kind) {
    case Kind::text: return value.is_string();
    case Kind::number: return value.is_number() && value.get<double>() >= 0;
    case Kind::whole: return value.is_number_integer() && value >= 0;
    case Kind::flag: return value.is_boolean();
    case Kind::texts: return is_texts(value);
    case Kind::text_or_texts: return value.is_string() || is_texts(value);
    case Kind::arguments: return value.is_object() || value.is_array();
    case Kind::choice: {
      const auto& choices = parameter.choices;
      return value.is_string() &&
             std::find(choices.begin(), choices.end(), value.get<std::string>()) != choices.end();
    }
  }
  return false;
}

Wrong wrong_kind(const Parameter& parameter) {
  Wrong wrong{
      parameter.name, fmt::format("`{}` must be a {}", parameter.name, to_string(parameter.kind)), {}};
  if (parameter.kind == Parameter::Kind::choice) {
    wrong.message = fmt::format("`{}` must be one of {}", parameter.name, fmt::join(parameter.choices, ", "));
  } else if (parameter.kind == Parameter::Kind::number) {
    wrong.message = fmt::format("`{}` must be a number of 0 or more", parameter.name);
  }
  return wrong;
}

std::optional<Wrong> find_wrong(const Method& method, const Json& params) {
  if (!params.is_object()) return Wrong{"params", "`params` must be an object", {}};
  std::vector<std::string> known;
  for (const Parameter& parameter : method.parameters) {
    known.push_back(parameter.name);
    const auto found = params.find(parameter.name);
    if (found == params.end()) {
      if (parameter.required)
        return Wrong{parameter.name, fmt::format("`{}` is missing", parameter.name), {}};
    } else if (!is_of_kind(*found, parameter)) {
      return wrong_kind(parameter);
    }
  }
  for (const auto& [name, value] : params.items()) {
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    const std::string near = nearest_word(name, known);
    return Wrong{name, fmt::format("{} has no parameter `{}`", method.name, name),
                 near.empty() ? "" : fmt::format("did you mean `{}`?", near)};
  }
  return std::nullopt;
}

Json describe(const Method& method) {
  Json parameters = Json::array();
  for (const Parameter& parameter : method.parameters) {
    Json one{{"name", parameter.name},
             {"kind", to_string(parameter.kind)},
             {"required", parameter.required},
             {"help", parameter.help}};
    if (!parameter.choices.empty()) one["choices"] = parameter.choices;
    parameters.push_back(std::move(one));
  }
  return Json{{"name", method.name},
              {"access", method.access == Access::read ? "read" : "change"},
              {"help", method.help},
              {"parameters", std::move(parameters)}};
}

}  // namespace

void Methods::serve(std::string_view name, Handler handler) {
  const auto& all_methods = standard_methods();
  const auto found = std::find_if(all_methods.begin(), all_methods.end(),
                                  [&](const Method& method) { return method.name == name; });
  MOULT_CHECK(found != all_methods.end(), "a method that docs/control.md does not have");
  add(*found, std::move(handler));
}

void Methods::add(Method method, Handler handler) {
  const std::string name = method.name;
  entries_.insert_or_assign(name, Entry{std::move(method), std::move(handler)});
}

void Methods::call(const std::string& name, const Json& params, Access allowed, Reply reply) const {
  const auto found = entries_.find(name);
  if (found == entries_.end()) {
    std::vector<std::string> names;
    for (const auto& [known, entry] : entries_) names.push_back(known);
    const std::string near = nearest_word(name, names);
    Error error{ErrorCode::usage, fmt::format("there is no method `{}`", name)};
    error.hint = near.empty() ? "`methods` lists them" : fmt::format("did you mean `{}`?", near);
    reply.fail_as(kMethodNotFound, error, Json());
    return;
  }
  reply.access_ = allowed;
  const Entry& entry = found->second;
  if (entry.method.access == Access::change && allowed == Access::read) {
    Error error{ErrorCode::denied,
                fmt::format("`{}` changes things, and this socket is for reading only", name)};
    error.hint = "use control.sock in the same folder";
    reply.fail(error);
    return;
  }
  const Json& given = params.is_null() ? Json::object() : params;
  if (const auto wrong = find_wrong(entry.method, given)) {
    Error error{ErrorCode::usage, wrong->message};
    error.hint = wrong->hint;
    reply.fail(error, Json{{"field", wrong->field}});
    return;
  }
  entry.handler(given, std::move(reply));
}

std::vector<const Method*> Methods::all() const {
  std::vector<const Method*> methods;
  for (const auto& [name, entry] : entries_) methods.push_back(&entry.method);
  return methods;
}

void serve_common(Methods& methods) {
  methods.serve("ping", [](const Json&, Reply reply) {
    reply.ok(Json{{"pong", true}, {"time", rfc3339_now()}});
  });
  methods.serve("methods", [&methods](const Json&, Reply reply) {
    Json list = Json::array();
    for (const Method* method : methods.all()) list.push_back(describe(*method));
    reply.ok(Json{{"methods", std::move(list)}});
  });
}

}  // namespace moult::control
