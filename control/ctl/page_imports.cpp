#include "control/ctl/pages.h"
#include "control/ctl/table.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <vector>

namespace moult::ctl {

namespace {

std::string time_of(const Json& module, const char* name) {
  return has(module, name) ? human_seconds(number_at(module, name)) : "-";
}

// "source, compiled", "extension, multi-phase, own-gil".
std::string kind_of(const Json& module) {
  std::string kind = text_at(module, "kind");
  for (const char* more : {"code", "phase", "interpreters"}) {
    const std::string word = text_at(module, more);
    if (!word.empty()) kind += ", " + word;
  }
  return kind;
}

}  // namespace

void sort_imports(Json& modules, const std::string& by) {
  if (by == "order" || !modules.is_array()) return;
  if (by == "name") {
    std::stable_sort(modules.begin(), modules.end(), [](const Json& a, const Json& b) {
      return text_at(a, "module") < text_at(b, "module");
    });
    return;
  }
  const char* const time = by == "self" ? "self_seconds" : "total_seconds";
  std::stable_sort(modules.begin(), modules.end(), [time](const Json& a, const Json& b) {
    return number_at(a, time, -1) > number_at(b, time, -1);
  });
}

std::string imports_table(const Json& result, std::size_t most, const Look& look) {
  Table table;
  table.column("TOTAL", Align::right).column("SELF", Align::right).column("MODULE").column("KIND");
  table.column("HASH").column("FILE");
  const Json& modules = list_at(result, "modules");
  std::size_t shown = 0;
  double sum = 0;
  for (const Json& module : modules) {
    sum += number_at(module, "self_seconds");
    if (most != 0 && shown == most) continue;
    ++shown;
    const std::string error = text_at(module, "error");
    const std::string hash = text_at(module, "hash");
    const std::string file = text_at(module, "file");
    table.row({time_of(module, "total_seconds"),
               time_of(module, "self_seconds"),
               text_at(module, "module"),
               {error.empty() ? kind_of(module) : "refused", error.empty() ? Tone::plain : Tone::warning},
               hash.empty() ? "-" : hash,
               error.empty() ? (file.empty() ? "-" : file) : fmt::format("{}: {}", file, error)});
  }
  if (table.is_empty()) return "no modules\n";
  std::string text = table.render(look);
  const std::size_t hidden = modules.size() - shown + whole_at(result, "left_out");
  text += fmt::format("\ngeneration {} ({}): {}, imported in {}{}\n", label_at(result, "generation"),
                      printable(cause_of(result)), count_of(modules.size(), "module"), human_seconds(sum),
                      hidden == 0 ? "" : fmt::format("; {} more with -n 0", hidden));
  return text;
}

}  // namespace moult::ctl
