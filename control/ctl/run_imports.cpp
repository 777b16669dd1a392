#include "control/ctl/commands.h"
#include "control/ctl/pages.h"

#include <nlohmann/json.hpp>

namespace moult::ctl {

int run_imports(Invocation& invocation) {
  const auto app = one_app(invocation);
  if (!app) return invocation.fail(app.error());
  const Options& options = invocation.options();
  Json params{{"app", *app}};
  if (options.generation) params["generation"] = *options.generation;
  auto result = invocation.call("imports", params);
  if (!result) return invocation.fail(result.error());
  sort_imports((*result)["modules"], options.sort);
  if (options.json) {
    invocation.print_json(*result);
  } else if (!options.quiet) {
    invocation.print(imports_table(*result, options.lines, invocation.look()));
  }
  return 0;
}

}  // namespace moult::ctl
