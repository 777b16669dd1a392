#include "tests/support/control_client.h"

#include <nlohmann/json.hpp>

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <system_error>
#include <utility>

namespace moult::testing {

using Json = nlohmann::json;

struct Answer::Parsed {
  Json line;

  const Json& at(std::string_view pointer, const std::string& raw) const {
    const Json::json_pointer path("/result" + std::string(pointer));
    if (!line.contains(path)) throw std::runtime_error("no " + std::string(pointer) + " in " + raw);
    return line.at(path);
  }
};

Answer::Answer(std::string line) : raw_(std::move(line)), parsed_(std::make_unique<Parsed>()) {
  parsed_->line = Json::parse(raw_);
}
Answer::~Answer() = default;
Answer::Answer(Answer&&) noexcept = default;
Answer& Answer::operator=(Answer&&) noexcept = default;

bool Answer::ok() const { return parsed_->line.contains("result"); }

std::string Answer::error_code() const { return ok() ? "" : error_text("/code"); }

std::string Answer::error_message() const {
  return ok() ? "" : parsed_->line.at("error").at("message").get<std::string>();
}

std::string Answer::error_text(std::string_view pointer) const {
  const Json::json_pointer path("/error/data" + std::string(pointer));
  if (!parsed_->line.contains(path)) return {};
  const Json& value = parsed_->line.at(path);
  return value.is_string() ? value.get<std::string>() : value.dump();
}

bool Answer::has(std::string_view pointer) const {
  const Json::json_pointer path("/result" + std::string(pointer));
  return parsed_->line.contains(path) && !parsed_->line.at(path).is_null();
}

std::string Answer::text(std::string_view pointer) const {
  return parsed_->at(pointer, raw_).get<std::string>();
}
double Answer::number(std::string_view pointer) const { return parsed_->at(pointer, raw_).get<double>(); }
bool Answer::flag(std::string_view pointer) const { return parsed_->at(pointer, raw_).get<bool>(); }
std::size_t Answer::size(std::string_view pointer) const { return parsed_->at(pointer, raw_).size(); }

ControlClient::ControlClient(const std::string& socket_path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket_path.size() >= sizeof address.sun_path)
    throw std::runtime_error("path too long: " + socket_path);
  std::memcpy(address.sun_path, socket_path.c_str(), socket_path.size() + 1);
  fd_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    const int number = errno;
    ::close(fd_);
    throw std::system_error(number, std::generic_category(), "connect " + socket_path);
  }
}

ControlClient::~ControlClient() { ::close(fd_); }

Answer ControlClient::call(std::string_view method, std::string_view parameters, Deadline deadline) {
  std::string line = R"({"jsonrpc":"2.0","id":)" + std::to_string(next_id_++) + R"(,"method":)";
  line.append(json_text(method)).append(R"(,"params":)").append(parameters).append("}");
  return send_line(line, deadline);
}

Answer ControlClient::send_line(std::string_view line, Deadline deadline) {
  const std::string bytes = std::string(line) + "\n";
  // What the daemon no longer wants to read is not an error here: its answer may say why.
  for (std::size_t sent = 0; sent < bytes.size();) {
    const ssize_t part = ::send(fd_, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (part < 0) break;
    sent += static_cast<std::size_t>(part);
  }
  while (true) {
    Answer answer(read_line(deadline));
    if (answer.raw().find(R"("method":)") == std::string::npos || answer.ok()) return answer;
    notifications_.push_back(answer.raw());
  }
}

std::string ControlClient::read_line(Deadline deadline) {
  std::size_t end = 0;
  while ((end = buffer_.find('\n')) == std::string::npos) {
    pollfd question{fd_, POLLIN, 0};
    if (::poll(&question, 1, left(deadline)) == 0)
      throw std::runtime_error("no answer on the control socket");
    char part[16384];
    const ssize_t got = ::recv(fd_, part, sizeof part, 0);
    if (got <= 0) throw std::runtime_error("the control connection ended before the answer");
    buffer_.append(part, static_cast<std::size_t>(got));
  }
  std::string line = buffer_.substr(0, end);
  buffer_.erase(0, end + 1);
  return line;
}

bool ControlClient::ends(Deadline deadline) {
  pollfd question{fd_, POLLIN, 0};
  if (::poll(&question, 1, left(deadline)) == 0) return false;
  char byte = 0;
  return ::recv(fd_, &byte, 1, MSG_DONTWAIT) <= 0;
}

std::string json_text(std::string_view text) { return Json(text).dump(); }

}  // namespace moult::testing
