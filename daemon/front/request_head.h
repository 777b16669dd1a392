#pragma once

#include "ipc/lane.h"

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <vector>

namespace moult::http {

// Why a message is refused: the status of the answer and one sentence for its page. The connection
// closes after it. A value; the sentence is static.
struct Refusal {
  int status = 400;
  std::string_view sentence;
};

// The head of one request, whatever wire it came over. The views belong to the wire and stay until the
// request's end.
struct RequestHead {
  std::string_view method;
  std::string_view target;
  bool http10 = false;
  bool chunked = false;
  bool has_length = false;
  std::uint64_t content_length = 0;
  // In their order; names in lower case, values trimmed. Names with '_' are left out: CGI's rules
  // would let them pose as names with '-'.
  std::vector<lane::Header> headers;

  const lane::Header* find(std::string_view name) const {
    const auto found = std::ranges::find(headers, name, &lane::Header::name);
    return found == headers.end() ? nullptr : &*found;
  }
};

}  // namespace moult::http
