#include "daemon/front/cgi/parser.h"
#include "daemon/front/http_text.h"

#include <fmt/format.h>

#include <algorithm>

// SCGI (a netstring of variables, then the body) and uwsgi (a size, variables, then the body): one request on
// a connection, whose body ends by CONTENT_LENGTH.

namespace moult::cgi {

namespace {

// What the two have in common: a head of known size, and a body of known length.
class OneRequestParser : public Parser {
 public:
  using Parser::Parser;

  std::optional<http::Refusal> feed(std::string_view bytes) final {
    while (!bytes.empty() && !in_body_) {
      const std::size_t wanted = wanted_size(head_);
      const std::size_t size = std::min(wanted - head_.size(), bytes.size());
      head_.append(bytes.substr(0, size));
      bytes.remove_prefix(size);
      if (head_.size() < wanted) return std::nullopt;
      if (const auto refusal = judge(head_)) return refusal;
      if (wanted_size(head_) > head_.size()) continue;
      if (const auto refusal = read_variables(head_)) return refusal;
      in_body_ = true;
      left_ = http::parse_decimal(variables_.find("CONTENT_LENGTH")).value_or(0);
      sink_.on_variables();
      if (left_ == 0) sink_.on_body_end();
    }
    const std::string_view piece =
        bytes.substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(left_, bytes.size())));
    if (piece.empty()) return std::nullopt;
    left_ -= piece.size();
    sink_.on_body(piece);
    if (left_ == 0) sink_.on_body_end();
    return std::nullopt;
  }
  bool has_started() const final { return !head_.empty(); }
  void next() final {}
  bool keeps_connection() const final { return false; }

 protected:
  static http::Refusal too_large() { return {431, "The headers are larger than this server accepts."}; }
  static http::Refusal damaged() { return {400, "The variables of the request are damaged."}; }

  // How many bytes of the head are needed to go on, given those that there are; more than that.
  virtual std::size_t wanted_size(std::string_view head) const = 0;
  // So many have come: is it possible?
  virtual std::optional<http::Refusal> judge(std::string_view head) const = 0;
  virtual std::optional<http::Refusal> read_variables(std::string_view head) = 0;

 private:
  std::string head_;
  bool in_body_ = false;
  std::uint64_t left_ = 0;
};

class ScgiParser final : public OneRequestParser {
 public:
  using OneRequestParser::OneRequestParser;

 private:
  static constexpr std::size_t kDigitsMax = 6;

  std::size_t wanted_size(std::string_view head) const override {
    const std::size_t colon = head.find(':');
    if (colon == std::string_view::npos) return head.size() + 1;
    const auto size = http::parse_decimal(head.substr(0, colon));
    return size && *size <= Variables::kBytesMax ? colon + 1 + static_cast<std::size_t>(*size) + 1
                                                 : colon + 1;
  }
  std::optional<http::Refusal> judge(std::string_view head) const override {
    const std::size_t colon = head.find(':');
    if (colon == std::string_view::npos) {
      const bool possible = head.size() <= kDigitsMax && std::ranges::all_of(head, http::is_digit);
      return possible ? std::nullopt : std::optional(http::Refusal{400, "This is no SCGI."});
    }
    const auto size = http::parse_decimal(head.substr(0, colon));
    if (!size) return http::Refusal{400, "This is no SCGI."};
    if (*size > Variables::kBytesMax) return too_large();
    return std::nullopt;
  }
  std::optional<http::Refusal> read_variables(std::string_view head) override {
    std::string_view text = head.substr(head.find(':') + 1);
    if (text.back() != ',') return damaged();
    text.remove_suffix(1);
    while (!text.empty()) {
      const std::size_t name = text.find('\0');
      const std::size_t value = name == std::string_view::npos ? name : text.find('\0', name + 1);
      if (value == std::string_view::npos) return damaged();
      if (!variables_.add(text.substr(0, name), text.substr(name + 1, value - name - 1))) return too_large();
      text.remove_prefix(value + 1);
    }
    if (variables_.find("CONTENT_LENGTH").empty()) return http::Refusal{400, "CONTENT_LENGTH is missing."};
    return std::nullopt;
  }
};

class UwsgiParser final : public OneRequestParser {
 public:
  using OneRequestParser::OneRequestParser;

  // Front servers look for it, or for "Status:"; Apache's for this one only.
  void append_status(std::string& out, int status, std::string_view reason) const override {
    fmt::format_to(std::back_inserter(out), "HTTP/1.1 {} {}\r\n", status, reason);
  }

 private:
  static constexpr std::size_t kHeaderSize = 4;

  static std::size_t short_at(std::string_view text, std::size_t at) {
    return static_cast<std::uint8_t>(text[at]) |
           static_cast<std::size_t>(static_cast<std::uint8_t>(text[at + 1])) << 8;
  }
  std::size_t wanted_size(std::string_view head) const override {
    return head.size() < kHeaderSize ? kHeaderSize : kHeaderSize + short_at(head, 1);
  }
  std::optional<http::Refusal> judge(std::string_view head) const override {
    if (head[0] != 0 || head[3] != 0)
      return http::Refusal{400, "uwsgi packets of this kind (modifiers other than 0) are not served."};
    return std::nullopt;
  }
  std::optional<http::Refusal> read_variables(std::string_view head) override {
    std::string_view text = head.substr(kHeaderSize);
    const auto take = [&text]() -> std::optional<std::string_view> {
      if (text.size() < 2 || text.size() - 2 < short_at(text, 0)) return std::nullopt;
      const std::string_view taken = text.substr(2, short_at(text, 0));
      text.remove_prefix(2 + taken.size());
      return taken;
    };
    while (!text.empty()) {
      const auto name = take();
      const auto value = name ? take() : std::nullopt;
      if (!value) return damaged();
      if (!variables_.add(*name, *value)) return too_large();
    }
    return std::nullopt;
  }
};

}  // namespace

std::unique_ptr<Parser> make_scgi_parser(Parser::Sink& sink) { return std::make_unique<ScgiParser>(sink); }
std::unique_ptr<Parser> make_uwsgi_parser(Parser::Sink& sink) { return std::make_unique<UwsgiParser>(sink); }

}  // namespace moult::cgi
