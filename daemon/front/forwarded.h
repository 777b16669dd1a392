#pragma once

#include "daemon/front/request_head.h"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace moult::http {

// The peers whose X-Forwarded-* headers are believed: "unix", addresses and CIDR blocks. A value,
// made from the config.
class TrustedProxies {
 public:
  // Nothing when `text` is none of the three forms.
  bool add(std::string_view text);

  bool trusts_unix() const { return unix_; }
  bool trusts(std::string_view address) const;  // numeric; anything else is not trusted

 private:
  struct Block {
    std::array<std::uint8_t, 16> address{};  // IPv4 as ::ffff:a.b.c.d
    int bits = 128;
  };
  bool unix_ = false;
  std::vector<Block> blocks_;
};

struct Forwarded {
  std::string_view address;  // empty: nothing said
  bool https = false;
};

// What the headers of a trusted peer say: the right-most address of X-Forwarded-For that is no
// trusted proxy itself (the ones left of it are the client's own words), and X-Forwarded-Proto of
// the nearest proxy.
Forwarded read_forwarded(const RequestHead& request, const TrustedProxies& trusted);
// Takes the forwarding headers of an untrusted peer out, so that no app believes them.
void drop_forwarded(RequestHead& request);

}  // namespace moult::http
