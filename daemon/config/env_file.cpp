#include "daemon/config/env_file.h"

#include "ipc/base/fd.h"

#include <fmt/format.h>

#include <filesystem>
#include <system_error>

namespace moult {

namespace {

constexpr std::size_t kFileMax = 1u << 20;

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r'; }

bool is_name_char(char c, bool first) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
         (!first && ((c >= '0' && c <= '9') || c == '.' || c == '-'));
}

// One file; lives on the stack of parse_env_file.
class EnvReader {
 public:
  EnvReader(std::string_view text, const std::string& file) : text_(text), file_(file) {
    if (text_.starts_with("\xEF\xBB\xBF")) at_ = 3;  // what some editors begin UTF-8 with
  }

  Result<std::map<std::string, std::string>> read() {
    std::map<std::string, std::string> variables;
    for (; at_ < text_.size(); ++at_, ++line_) {  // stands on the end of a line after each round
      skip_blanks();
      if (is_at_end_of_line() || peek() == '#') {
        skip_line();
        continue;
      }
      std::string name = read_name();
      if (name == "export" && is_blank(peek())) {
        skip_blanks();
        name = read_name();
      }
      skip_blanks();
      if (name.empty() || peek() != '=') return fail(error("not a KEY=VALUE line", line_));
      ++at_;
      MOULT_ASSIGN(variables[name], read_value());
    }
    return variables;
  }

 private:
  char peek() const { return at_ < text_.size() ? text_[at_] : '\n'; }
  bool is_at_end_of_line() const { return peek() == '\n'; }
  void skip_blanks() {
    while (is_blank(peek())) ++at_;
  }
  void skip_line() {
    while (!is_at_end_of_line()) ++at_;
  }

  Error error(std::string message, int line) const {
    return Error{ErrorCode::config_invalid,         std::move(message), {}, file_, line,
                 "write KEY=value or KEY=\"value\""};
  }

  std::string read_name() {
    std::string name;
    while (is_name_char(peek(), name.empty())) name += text_[at_++];
    return name;
  }

  Result<std::string> read_value() {
    skip_blanks();
    if (peek() == '"' || peek() == '\'') return read_quoted(peek());
    std::string value;
    for (; !is_at_end_of_line(); ++at_) {
      if (peek() == '#' && (value.empty() || is_blank(value.back()))) break;
      value += peek();
    }
    skip_line();
    while (!value.empty() && is_blank(value.back())) value.pop_back();
    if (value.find('\0') != std::string::npos) return fail(error("a variable cannot hold a NUL byte", line_));
    return value;
  }

  Result<std::string> read_quoted(char quote) {
    const int begin = line_;
    std::string value;
    for (++at_; at_ < text_.size() && text_[at_] != quote; ++at_) {
      char c = text_[at_];
      if (c == '\n') ++line_;
      if (c == '\0') return fail(error("a variable cannot hold a NUL byte", line_));
      if (quote == '"' && c == '\\' && at_ + 1 < text_.size()) {
        const char next = text_[at_ + 1];
        if (next == 'n') c = '\n';
        if (next == 't') c = '\t';
        if (next == '"' || next == '\\' || next == '$') c = next;
        if (c != '\\' || next == '\\') ++at_;
      }
      value += c;
    }
    if (at_ == text_.size()) return fail(error(fmt::format("the quote ({}) is not closed", quote), begin));
    ++at_;
    skip_blanks();
    if (!is_at_end_of_line() && peek() != '#')
      return fail(error("there is something behind the closing quote", line_));
    skip_line();
    return value;
  }

  std::string_view text_;
  const std::string& file_;
  std::size_t at_ = 0;
  int line_ = 1;
};

}  // namespace

Result<std::map<std::string, std::string>> parse_env_file(std::string_view text, const std::string& file) {
  return EnvReader(text, file).read();
}

Result<std::map<std::string, std::string>> read_env_file(const std::string& file) {
  std::error_code code;
  // A pipe could be read once, and keep a thread waiting.
  if (std::filesystem::exists(file, code) && !std::filesystem::is_regular_file(file, code))
    return fail(Error{ErrorCode::config_invalid, fmt::format("{}: not a regular file", file)});
  MOULT_ASSIGN(const std::string text, read_file(file, kFileMax));
  return parse_env_file(text, file);
}

}  // namespace moult
