#include "daemon/front/cgi/parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

// FastCGI 1.0, the role of a responder, one request at a time on a connection.

namespace moult::cgi {

namespace {

enum Type : std::uint8_t {
  kBegin = 1,
  kAbort = 2,
  kEndRequest = 3,
  kParams = 4,
  kStdin = 5,
  kStdout = 6,
  kGetValues = 9,
  kGetValuesResult = 10,
  kUnknownType = 11,
};
enum ProtocolStatus : std::uint8_t { kComplete = 0, kCannotMultiplex = 1, kUnknownRole = 3 };

constexpr std::size_t kHeaderSize = 8;
constexpr std::size_t kBeginSize = 8;
constexpr std::size_t kValuesMax = 1024;  // of what GET_VALUES asks for
constexpr std::size_t kRecordMax = Parser::kFilePiece;
constexpr std::uint16_t kResponder = 1;

std::uint8_t byte_at(std::string_view bytes, std::size_t at) { return static_cast<std::uint8_t>(bytes[at]); }
std::uint16_t short_at(std::string_view bytes, std::size_t at) {
  return static_cast<std::uint16_t>(byte_at(bytes, at) << 8 | byte_at(bytes, at + 1));
}

void append_header(std::string& out, Type type, std::uint16_t id, std::size_t size, std::size_t padding) {
  out.append({1, static_cast<char>(type), static_cast<char>(id >> 8), static_cast<char>(id & 0xff),
              static_cast<char>(size >> 8), static_cast<char>(size & 0xff), static_cast<char>(padding), 0});
}

std::size_t padding_of(std::size_t size) { return (8 - size % 8) % 8; }

void append_end_request(std::string& out, std::uint16_t id, ProtocolStatus status) {
  append_header(out, kEndRequest, id, 8, 0);
  out.append({0, 0, 0, 0, static_cast<char>(status), 0, 0, 0});
}

// Takes a length of one byte or four off `text`. Nothing: it is not whole.
std::optional<std::size_t> take_length(std::string_view& text) {
  if (text.empty()) return std::nullopt;
  std::size_t length = byte_at(text, 0);
  if (length < 128) {
    text.remove_prefix(1);
    return length;
  }
  if (text.size() < 4) return std::nullopt;
  length = (length & 0x7f) << 24 | static_cast<std::size_t>(byte_at(text, 1)) << 16 | short_at(text, 2);
  text.remove_prefix(4);
  return length;
}

struct Pair {
  std::string_view name;
  std::string_view value;
};
std::optional<Pair> take_pair(std::string_view& text) {
  const auto name = take_length(text);
  const auto value = name ? take_length(text) : std::nullopt;
  if (!value || text.size() < *name || text.size() - *name < *value) return std::nullopt;
  const Pair pair{text.substr(0, *name), text.substr(*name, *value)};
  text.remove_prefix(*name + *value);
  return pair;
}

class FcgiParser final : public Parser {
 public:
  using Parser::Parser;

  std::optional<http::Refusal> feed(std::string_view bytes) override {
    while (!bytes.empty()) {
      if (header_.size() < kHeaderSize) {
        const std::size_t size = std::min(kHeaderSize - header_.size(), bytes.size());
        header_.append(bytes.substr(0, size));
        bytes.remove_prefix(size);
        if (header_.size() < kHeaderSize) return std::nullopt;
        if (const auto refusal = begin_record()) return refusal;
      }
      const std::size_t size = std::min(content_left_, bytes.size());
      if (size > 0) {
        if (const auto refusal = take_content(bytes.substr(0, size))) return refusal;
        content_left_ -= size;
        bytes.remove_prefix(size);
      }
      if (content_left_ > 0) return std::nullopt;
      const std::size_t padding = std::min(padding_left_, bytes.size());
      padding_left_ -= padding;
      bytes.remove_prefix(padding);
      if (padding_left_ > 0) return std::nullopt;
      if (const auto refusal = end_record()) return refusal;
      header_.clear();
    }
    return std::nullopt;
  }
  bool has_started() const override { return id_ != 0 || !header_.empty(); }
  void next() override {
    id_ = 0;
    state_ = State::idle;
    params_.clear();
    variables_.clear();
  }
  bool keeps_connection() const override { return keep_; }

  void append_data(std::string& out, std::string_view data) const override {
    while (!data.empty()) {
      const std::string_view piece = data.substr(0, kRecordMax);
      data.remove_prefix(piece.size());
      append_header(out, kStdout, id_, piece.size(), padding_of(piece.size()));
      out.append(piece).append(padding_of(piece.size()), '\0');
    }
  }
  void append_end(std::string& out) const override {
    append_header(out, kStdout, id_, 0, 0);
    append_end_request(out, id_, kComplete);
  }
  void append_file_prefix(std::string& out, std::size_t size) const override {
    append_header(out, kStdout, id_, size, 0);
  }

 private:
  enum class State { idle, params, body, over };

  bool is_current() const { return record_id_ == id_ && id_ != 0; }

  std::optional<http::Refusal> begin_record() {
    if (byte_at(header_, 0) != 1) return http::Refusal{400, "This is no FastCGI of version 1."};
    type_ = byte_at(header_, 1);
    record_id_ = short_at(header_, 2);
    content_left_ = short_at(header_, 4);
    padding_left_ = byte_at(header_, 6);
    control_.clear();
    if (type_ == kBegin && content_left_ != kBeginSize)
      return http::Refusal{400, "A record that begins a request has another size."};
    // An empty record ends its stream, and has no content to be told of.
    return std::nullopt;
  }

  std::optional<http::Refusal> take_content(std::string_view piece) {
    if (type_ == kBegin || type_ == kGetValues) {
      control_.append(piece.substr(0, kValuesMax - std::min(kValuesMax, control_.size())));
    } else if (type_ == kParams && is_current() && state_ == State::params) {
      if (params_.size() + piece.size() > Variables::kBytesMax) return too_large();
      params_.append(piece);
      has_content_ = true;
    } else if (type_ == kStdin && is_current() && state_ == State::body) {
      has_content_ = true;
      sink_.on_body(piece);
    }
    return std::nullopt;
  }

  std::optional<http::Refusal> end_record() {
    const bool is_empty = !std::exchange(has_content_, false);
    std::string reply;
    switch (type_) {
      case kBegin: begin_request(reply); break;
      case kAbort:
        if (is_current()) sink_.on_abort();
        break;
      case kParams:
        if (is_current() && state_ == State::params && is_empty) return end_params();
        break;
      case kStdin:
        if (is_current() && state_ == State::body && is_empty) {
          state_ = State::over;
          sink_.on_body_end();
        }
        break;
      case kGetValues: answer_values(reply); break;
      default:
        if (record_id_ != 0) break;
        append_header(reply, kUnknownType, 0, 8, 0);
        reply.append({static_cast<char>(type_), 0, 0, 0, 0, 0, 0, 0});
    }
    if (!reply.empty()) sink_.on_reply(reply);
    return std::nullopt;
  }

  void begin_request(std::string& reply) {
    if (record_id_ == 0) return;
    if (id_ != 0) return append_end_request(reply, record_id_, kCannotMultiplex);
    if (short_at(control_, 0) != kResponder) return append_end_request(reply, record_id_, kUnknownRole);
    id_ = record_id_;
    keep_ = (byte_at(control_, 2) & 1) != 0;
    state_ = State::params;
  }

  std::optional<http::Refusal> end_params() {
    std::string_view text = params_;
    while (!text.empty()) {
      const auto pair = take_pair(text);
      if (!pair) return http::Refusal{400, "The variables of the request are damaged."};
      if (!variables_.add(pair->name, pair->value)) return too_large();
    }
    state_ = State::body;
    sink_.on_variables();
    return std::nullopt;
  }

  void answer_values(std::string& reply) {
    std::string values;
    std::string_view asked = control_;
    while (const auto pair = take_pair(asked)) {
      const bool is_count = pair->name == "FCGI_MAX_CONNS" || pair->name == "FCGI_MAX_REQS";
      if (!is_count && pair->name != "FCGI_MPXS_CONNS") continue;
      const std::string value = is_count ? "1000" : "0";
      values.append({static_cast<char>(pair->name.size()), static_cast<char>(value.size())});
      values.append(pair->name).append(value);
    }
    append_header(reply, kGetValuesResult, 0, values.size(), 0);
    reply.append(values);
  }

  static http::Refusal too_large() { return {431, "The headers are larger than this server accepts."}; }

  std::string header_;  // of the record, as far as it has come
  std::uint8_t type_ = 0;
  std::uint16_t record_id_ = 0;
  std::size_t content_left_ = 0;
  std::size_t padding_left_ = 0;
  bool has_content_ = false;
  std::string control_;   // of records that are looked at whole
  std::uint16_t id_ = 0;  // of the request; 0: there is none
  bool keep_ = false;
  State state_ = State::idle;
  std::string params_;
};

}  // namespace

void Parser::append_status(std::string& out, int status, std::string_view reason) const {
  fmt::format_to(std::back_inserter(out), "Status: {} {}\r\n", status, reason);
}

std::unique_ptr<Parser> make_fcgi_parser(Parser::Sink& sink) { return std::make_unique<FcgiParser>(sink); }

}  // namespace moult::cgi
