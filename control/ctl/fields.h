#pragma once

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace moult::ctl {

using Json = nlohmann::json;

// Members of an answer, read leniently: an older or newer daemon may leave some out, and a page is
// shown all the same.
std::string text_at(const Json& object, const char* name);
double number_at(const Json& object, const char* name, double otherwise = 0);
std::uint64_t whole_at(const Json& object, const char* name);
bool flag_at(const Json& object, const char* name);
bool has(const Json& object, const char* name);               // there, and not null
const Json& object_at(const Json& object, const char* name);  // an empty object when it is none
const Json& list_at(const Json& object, const char* name);    // an empty list when it is none
std::vector<std::string> texts_at(const Json& object, const char* name);
std::string label_at(const Json& object, const char* name);  // a number or text as text, "-" for none

// "change (views.py changed)" of a generation; the detail alone where it says the cause itself.
std::string cause_of(const Json& generation);

}  // namespace moult::ctl
