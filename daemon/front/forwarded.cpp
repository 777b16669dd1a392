#include "daemon/front/forwarded.h"

#include "daemon/front/http_text.h"

#include <arpa/inet.h>
#include <algorithm>
#include <cstring>

namespace moult::http {

namespace {

using Address = std::array<std::uint8_t, 16>;

struct ParsedAddress {
  Address bytes{};
  bool v4 = false;
};

std::optional<ParsedAddress> parse_address(std::string_view text) {
  char buffer[INET6_ADDRSTRLEN + 1];
  if (text.empty() || text.size() >= sizeof buffer) return std::nullopt;
  std::memcpy(buffer, text.data(), text.size());
  buffer[text.size()] = '\0';
  ParsedAddress parsed;
  if (::inet_pton(AF_INET, buffer, parsed.bytes.data() + 12) == 1) {
    parsed.bytes[10] = parsed.bytes[11] = 0xff;
    parsed.v4 = true;
    return parsed;
  }
  if (::inet_pton(AF_INET6, buffer, parsed.bytes.data()) == 1) return parsed;
  return std::nullopt;
}

bool same_bits(const Address& a, const Address& b, int bits) {
  const auto whole = static_cast<std::size_t>(bits / 8);
  if (std::memcmp(a.data(), b.data(), whole) != 0) return false;
  if (bits % 8 == 0) return true;
  const auto mask = static_cast<std::uint8_t>(0xff << (8 - bits % 8));
  return (a[whole] & mask) == (b[whole] & mask);
}

// "1.2.3.4", "1.2.3.4:80", "::1", "[::1]:80" -> the address; empty when it is none.
std::string_view node_address(std::string_view node) {
  std::string_view address = node;
  if (node.starts_with('[')) {
    address = node.substr(1, std::min(node.find(']'), node.size()) - 1);
  } else if (std::ranges::count(node, ':') == 1) {
    address = node.substr(0, node.find(':'));
  }
  return parse_address(address) ? address : std::string_view();
}

// The last element of a comma-separated list, taken off it.
std::string_view take_last(std::string_view& list) {
  const std::size_t comma = list.rfind(',');
  const std::string_view last = comma == std::string_view::npos ? list : list.substr(comma + 1);
  list = comma == std::string_view::npos ? std::string_view() : list.substr(0, comma);
  return trim(last);
}

bool is_forwarding_header(std::string_view name) {
  return name == "forwarded" || name.starts_with("x-forwarded-");
}

}  // namespace

bool TrustedProxies::add(std::string_view text) {
  if (text == "unix") {
    unix_ = true;
    return true;
  }
  const std::size_t slash = text.find('/');
  const auto address = parse_address(text.substr(0, slash));
  if (!address) return false;
  const int width = address->v4 ? 32 : 128;
  int bits = width;
  if (slash != std::string_view::npos) {
    const auto number = parse_decimal(text.substr(slash + 1));
    if (!number || *number > static_cast<std::uint64_t>(width)) return false;
    bits = static_cast<int>(*number);
  }
  blocks_.push_back({address->bytes, bits + (128 - width)});
  return true;
}

bool TrustedProxies::trusts(std::string_view address) const {
  if (blocks_.empty()) return false;
  const auto parsed = parse_address(address);
  return parsed && std::ranges::any_of(blocks_, [&parsed](const Block& block) {
           return same_bits(parsed->bytes, block.address, block.bits);
         });
}

Forwarded read_forwarded(const RequestHead& request, const TrustedProxies& trusted) {
  Forwarded forwarded;
  bool found = false;
  bool scheme_known = false;
  for (auto header = request.headers.rbegin(); header != request.headers.rend(); ++header) {
    if (header->name == "x-forwarded-proto" && !scheme_known) {
      std::string_view list = header->value;
      forwarded.https = equals_ignoring_case(take_last(list), "https");
      scheme_known = true;
    }
    if (header->name != "x-forwarded-for") continue;
    std::string_view list = header->value;
    while (!found && !list.empty()) {
      const std::string_view address = node_address(take_last(list));
      if (address.empty()) {  // "unknown", or junk: nothing left of it can be believed
        found = true;
        break;
      }
      forwarded.address = address;
      found = !trusted.trusts(address);
    }
  }
  return forwarded;
}

void drop_forwarded(RequestHead& request) {
  std::erase_if(request.headers,
                [](const lane::Header& header) { return is_forwarding_header(header.name); });
}

}  // namespace moult::http
