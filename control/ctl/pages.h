#pragma once

#include "control/ctl/fields.h"
#include "control/ctl/human.h"
#include "ipc/base/error.h"

#include <string>

namespace moult::ctl {

// What moultctl prints for people, from what the daemon answered (docs/control.md). Pure: text that
// ends in a newline, or is empty.

// Tables.
std::string list_table(const Json& result, const Look& look);
std::string generations_table(const Json& result, const Look& look);
std::string hosts_table(const Json& result, const Look& look);
std::string calls_table(const Json& result, const Look& look);
std::string exports_table(const Json& result, const Look& look);
// `most`: how many modules; 0: all.
std::string imports_table(const Json& result, std::size_t most, const Look& look);
std::string doctor_table(const Json& result, const Look& look);

// Pages.
std::string status_page(const Json& app, const Look& look);
std::string daemon_page(const Json& result, const Look& look);
std::string why_page(const Json& result, const Look& look);
std::string compat_page(const Json& result, const Look& look);
std::string config_page(const Json& result, const Look& look);
std::string version_page(const Json& result, const Look& look);
std::string properties_page(const Json& object, const Look& look);  // "key: value", nested as "a.b"

// Lines.
std::string event_line(const Json& event, const Look& look);
std::string log_line(const Json& line, const Look& look);
// What start, stop, reload, … of one app came to.
std::string outcome_line(const Json& result, const Look& look);
std::string check_line(const Json& result, const Look& look);
std::string recycle_lines(const Json& result, const Look& look);
std::string config_check_line(const Json& result, const Look& look);
std::string config_reload_lines(const Json& result, const Look& look);

// The rows of `imports`, which come in the order in which their imports ended, by "total", "self" or "name".
void sort_imports(Json& modules, const std::string& by);

// JSON text with a member or item a line; nothing of it but its white space changes, so that numbers
// of any size stay what they are. Text that is no JSON comes back in some shape.
std::string indented_json(std::string_view text);

// An error with its place, detail and hint. `data`: the whole data of the answer, or null.
std::string error_text(const Error& error, const Json& data, const Look& look);

}  // namespace moult::ctl
