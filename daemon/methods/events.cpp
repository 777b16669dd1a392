#include "daemon/methods/events.h"

#include <nlohmann/json.hpp>

namespace moult {

void EventBridge::event(std::string_view name, const std::string& app, EventData data) {
  control::Json json = control::Json::object();
  for (auto& [key, value] : data) {
    std::visit([&](auto& held) { json[key] = std::move(held); }, value);
  }
  log_.add(name, app, json);
}

}  // namespace moult
