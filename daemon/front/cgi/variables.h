#pragma once

#include "daemon/front/front_shared.h"
#include "daemon/front/request_head.h"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace moult::cgi {

// The variables with which a front server tells a request (RFC 3875 section 4.1), and the request that they
// say. Used again for each; pure.
class Variables {
 public:
  static constexpr std::size_t kBytesMax = 64 * 1024;  // of names and values together
  static constexpr std::size_t kCountMax = 500;

  void clear();
  // False: there are too many of them. A name that no variable can have is left out.
  bool add(std::string_view name, std::string_view value);
  std::string_view find(std::string_view name) const;  // "" when there is none

  // Of the last one: `head`, whose views stay good until clear(). HTTP_* are headers; what the front server
  // adds (REMOTE_USER, SSL_*, REDIRECT_*, ...) are headers whose name begins with '=': variables for the app.
  // The peer is the front server's own client.
  std::optional<http::Refusal> read(http::RequestHead& head, http::Peer& peer);

 private:
  struct Entry {
    std::size_t name = 0;  // in text_, behind a '='
    std::size_t name_size = 0;
    std::size_t value = 0;
    std::size_t value_size = 0;
  };
  std::string_view name_of(const Entry& entry) const {
    return std::string_view(text_).substr(entry.name, entry.name_size);
  }
  std::string_view value_of(const Entry& entry) const {
    return std::string_view(text_).substr(entry.value, entry.value_size);
  }
  void make_target();
  std::optional<http::Refusal> add_headers(http::RequestHead& head);

  std::string text_;
  std::vector<Entry> entries_;
  std::string target_;   // where the front server tells none
  std::string headers_;  // their names
};

}  // namespace moult::cgi
