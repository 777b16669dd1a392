#pragma once

#include "tests/support/eventually.h"

#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace moult::testing {

struct HttpResponse {
  int status = 0;
  std::string version;  // "HTTP/1.1"
  std::string reason;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  bool chunked = false;

  // First value of a header, in any case of letters; "" when it is not there.
  std::string header(std::string_view name) const;
  std::size_t count(std::string_view name) const;
};

// The connection ended, or the deadline passed, or what came is no HTTP.
struct HttpError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// One client connection over TCP or a unix socket: sends exactly the bytes that it is told to, reads
// whole responses. Blocks with deadlines; one thread at a time. Strict about what it reads, for a test
// must see a response that is cut or followed by stray bytes.
class HttpConnection {
 public:
  // "127.0.0.1:34567" or "unix:/path".
  explicit HttpConnection(const std::string& address);
  HttpConnection(const HttpConnection&) = delete;
  HttpConnection& operator=(const HttpConnection&) = delete;
  ~HttpConnection();

  void send(std::string_view bytes, Deadline deadline = soon());
  void half_close();  // no more will be sent
  void reset();       // close with RST

  // The next response; 1xx ones are responses too. `to_head`: it answers a HEAD request.
  enum class To { get, head };
  HttpResponse read_response(To to = To::get, Deadline deadline = soon());
  // Status line and headers alone, then the body piece by piece ("" at the end of a chunked body).
  HttpResponse read_head(Deadline deadline = soon());
  std::string read_chunk(Deadline deadline = soon());
  std::string read_exactly(std::size_t size, Deadline deadline = soon());

  // Whether the server has ended the connection by the deadline, without sending more bytes.
  bool ends(Deadline deadline = soon());
  // What came but belongs to no response yet.
  const std::string& unread() const { return buffer_; }

 private:
  bool read_more(Deadline deadline);  // false: the server has ended it
  std::string read_line(Deadline deadline);
  std::string read_to_end(Deadline deadline);

  int fd_ = -1;
  std::string buffer_;
};

// "GET target HTTP/1.1" with Host and these further header lines ("Name: value").
std::string get_request(std::string_view target, const std::vector<std::string>& header_lines = {},
                        std::string_view host = "localhost");
std::string post_request(std::string_view target, std::string_view body,
                         const std::vector<std::string>& header_lines = {});

// One request on a connection of its own.
HttpResponse get(const std::string& address, std::string_view target,
                 const std::vector<std::string>& header_lines = {});
HttpResponse post(const std::string& address, std::string_view target, std::string_view body,
                  const std::vector<std::string>& header_lines = {});

}  // namespace moult::testing
