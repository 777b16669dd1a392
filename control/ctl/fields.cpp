#include "control/ctl/fields.h"

#include <nlohmann/json.hpp>

namespace moult::ctl {

namespace {

const Json* find(const Json& object, const char* name) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(name);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

}  // namespace

std::string text_at(const Json& object, const char* name) {
  const Json* value = find(object, name);
  return value != nullptr && value->is_string() ? value->get<std::string>() : "";
}

double number_at(const Json& object, const char* name, double otherwise) {
  const Json* value = find(object, name);
  return value != nullptr && value->is_number() ? value->get<double>() : otherwise;
}

std::uint64_t whole_at(const Json& object, const char* name) {
  const double number = number_at(object, name);
  return number < 0 ? 0 : static_cast<std::uint64_t>(number);
}

bool flag_at(const Json& object, const char* name) {
  const Json* value = find(object, name);
  return value != nullptr && value->is_boolean() && value->get<bool>();
}

bool has(const Json& object, const char* name) { return find(object, name) != nullptr; }

const Json& object_at(const Json& object, const char* name) {
  static const Json none = Json::object();
  const Json* value = find(object, name);
  return value != nullptr && value->is_object() ? *value : none;
}

const Json& list_at(const Json& object, const char* name) {
  static const Json none = Json::array();
  const Json* value = find(object, name);
  return value != nullptr && value->is_array() ? *value : none;
}

std::vector<std::string> texts_at(const Json& object, const char* name) {
  std::vector<std::string> texts;
  for (const Json& one : list_at(object, name)) {
    if (one.is_string()) texts.push_back(one.get<std::string>());
  }
  return texts;
}

std::string label_at(const Json& object, const char* name) {
  const Json* value = find(object, name);
  if (value == nullptr) return "-";
  if (value->is_string()) return value->get<std::string>().empty() ? "-" : value->get<std::string>();
  return value->dump();
}

std::string cause_of(const Json& generation) {
  const std::string cause = text_at(generation, "cause");
  const std::string detail = text_at(generation, "cause_detail");
  if (detail.empty()) return cause;
  return detail.starts_with(cause) ? detail : cause + " (" + detail + ")";
}

}  // namespace moult::ctl
