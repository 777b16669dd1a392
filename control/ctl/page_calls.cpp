#include "control/ctl/pages.h"
#include "control/ctl/table.h"
#include "ipc/base/json.h"

#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

namespace moult::ctl {

namespace {

std::string or_dash(const std::string& text) { return text.empty() ? "-" : text; }

std::string state_of_call(const Json& call) {
  const std::uint64_t interrupts = whole_at(call, "interrupts");
  std::string state = flag_at(call, "waited_for") ? "" : "given up";
  if (interrupts > 0) state += fmt::format("{}interrupted {}x", state.empty() ? "" : ", ", interrupts);
  return or_dash(state);
}

// "total(order, factor=2)".
std::string declaration_of(const Json& exported) {
  return text_at(exported, "name") + text_at(exported, "signature");
}

std::string kind_of(const Json& exported) {
  if (flag_at(exported, "stream")) return "stream";
  return flag_at(exported, "inline") ? "inline" : "-";
}

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

}  // namespace

std::string calls_table(const Json& result, const Look& look) {
  Table table;
  table.column("CALL").column("APP").column("GEN", Align::right).column("TIME", Align::right);
  table.column("CALLER").column("STATE").column("WHAT");
  for (const Json& call : list_at(result, "calls")) {
    const bool given_up = !flag_at(call, "waited_for");
    table.row({text_at(call, "call"),
               text_at(call, "app"),
               label_at(call, "generation"),
               human_seconds(number_at(call, "seconds")),
               or_dash(text_at(call, "caller")),
               {state_of_call(call), given_up ? Tone::warning : Tone::plain},
               text_at(call, "what")});
  }
  std::string text = table.is_empty() ? "no calls\n" : table.render(look);
  std::vector<std::string> silent;
  for (const Json& host : list_at(result, "silent_hosts")) silent.push_back(host.dump());
  if (!silent.empty()) text += fmt::format("did not answer: host {}\n", fmt::join(silent, ", "));
  return text;
}

std::string exports_table(const Json& result, const Look& look) {
  Table table;
  table.column("FUNCTION").column("KIND").column("DOC");
  for (const Json& exported : list_at(result, "exports"))
    table.row({declaration_of(exported), kind_of(exported), or_dash(first_line(text_at(exported, "doc")))});
  if (table.is_empty()) return fmt::format("{} exports no functions\n", text_at(result, "app"));
  return table.render(look);
}

std::string indented_json(std::string_view text) {
  if (is_json_too_deep(text)) return std::string(text);  // the spaces would be its square
  std::string out;
  std::size_t depth = 0;
  bool in_string = false;
  bool empty = false;  // nothing has come since a bracket was opened
  const auto new_line = [&] { out.append("\n").append(2 * depth, ' '); };
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      out += c;
      if (c == '\\' && i + 1 < text.size()) out += text[++i];
      if (c == '"') in_string = false;
      continue;
    }
    if (c == ' ' || c == '\t' || c == '\n' || c == '\r') continue;
    const bool closes = c == ']' || c == '}';
    if (closes && depth > 0) --depth;
    if (closes ? !empty : empty) new_line();
    empty = c == '[' || c == '{';
    out += c;
    if (empty) ++depth;
    if (c == ',') new_line();
    if (c == ':') out += ' ';
    in_string = c == '"';
  }
  return out;
}

}  // namespace moult::ctl
