#include "control/ctl/commands.h"
#include "control/ctl/front_recipe.h"

#include <nlohmann/json.hpp>

namespace moult::ctl {

int run_front(Invocation& invocation) {
  const std::string& front = invocation.options().front;
  const auto status = invocation.call("status", Json::object());
  if (!status) return invocation.fail(status.error());
  const Json& daemon = status->contains("daemon") ? (*status)["daemon"] : *status;
  const auto recipe = front_recipe(front, texts_at(daemon, "listening"));
  if (!recipe) return invocation.fail(recipe.error());
  if (invocation.options().json) {
    invocation.print_json({{"front", front}, {"address", recipe->address}, {"text", recipe->text}});
  } else {
    invocation.print(recipe->text);
  }
  return 0;
}

}  // namespace moult::ctl
