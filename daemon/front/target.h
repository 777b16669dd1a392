#pragma once

#include "daemon/front/request_head.h"

#include <string_view>

namespace moult::http {

// The parts of a request-target (RFC 9112 section 3.2), as views of it.
struct Target {
  std::string_view authority;  // of the absolute form, else empty
  std::string_view path;       // raw; "*" for the asterisk form
  std::string_view query;      // without the '?'
  Refusal refusal{0, {}};      // status 0: fine
};
Target split_target(std::string_view method, std::string_view target);

}  // namespace moult::http
