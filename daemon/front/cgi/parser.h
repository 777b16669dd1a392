#pragma once

#include "daemon/front/cgi/variables.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace moult::cgi {

// One wire of those that tell a request by variables: FastCGI, SCGI, uwsgi. A push parser for what comes, in
// any split, and the framing of what goes. No I/O, no clock; one per connection.
class Parser {
 public:
  // What was found. Called from inside feed(); none of them may destroy the parser.
  class Sink {
   public:
    virtual ~Sink() = default;
    virtual void on_variables() = 0;  // all have come
    virtual void on_body(std::string_view piece) = 0;
    virtual void on_body_end() = 0;
    virtual void on_abort() = 0;                        // the client of the front server has gone
    virtual void on_reply(std::string_view bytes) = 0;  // of the protocol, to be sent now
  };

  explicit Parser(Sink& sink) : sink_(sink) {}
  virtual ~Parser() = default;
  Parser(const Parser&) = delete;
  Parser& operator=(const Parser&) = delete;

  // Something: nothing that follows can be understood.
  virtual std::optional<http::Refusal> feed(std::string_view bytes) = 0;
  virtual bool has_started() const = 0;  // a byte of a request has come
  virtual void next() = 0;               // the request was answered
  virtual bool keeps_connection() const = 0;
  Variables& variables() { return variables_; }

  virtual void append_status(std::string& out, int status, std::string_view reason) const;
  virtual void append_data(std::string& out, std::string_view data) const { out.append(data); }
  virtual void append_end(std::string&) const {}
  // The frame before so many bytes of a file, which is followed by nothing; at most kFilePiece at a time.
  virtual void append_file_prefix(std::string&, std::size_t) const {}
  static constexpr std::size_t kFilePiece = 65'528;  // a multiple of 8: no padding

 protected:
  Sink& sink_;
  Variables variables_;
};

std::unique_ptr<Parser> make_fcgi_parser(Parser::Sink& sink);
std::unique_ptr<Parser> make_scgi_parser(Parser::Sink& sink);
std::unique_ptr<Parser> make_uwsgi_parser(Parser::Sink& sink);

}  // namespace moult::cgi
