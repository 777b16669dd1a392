#include "tests/support/load_client.h"

#include <memory>
#include <utility>

namespace moult::testing {

LoadClient::LoadClient(std::string address, std::string target, int connections, Validate validate)
    : address_(std::move(address)), target_(std::move(target)), validate_(std::move(validate)) {
  for (int i = 0; i < connections; ++i) {
    threads_.emplace_back([this, i] { ask_on_and_on(i); });
  }
}

LoadClient::~LoadClient() { stop(); }

void LoadClient::stop() {
  stopping_ = true;
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

void LoadClient::ask_on_and_on(int index) {
  std::unique_ptr<HttpConnection> connection;
  for (int i = 0; !stopping_; ++i) {
    const std::string number = std::to_string(index) + "." + std::to_string(i);
    try {
      if (!connection) connection = std::make_unique<HttpConnection>(address_);
      connection->send(get_request(target_ + "?n=" + number));
      const HttpResponse response = connection->read_response();
      std::string wrong = validate_(response, number);
      if (wrong.empty() && response.header("Connection") == "close")
        wrong = "the server closes the connection";
      if (!wrong.empty()) note_failure("request " + number + ": " + wrong);
      ++answered_;
    } catch (const std::exception& error) {
      note_failure("request " + number + ": " + error.what());
      connection.reset();
      let_pass(std::chrono::milliseconds(5));
    }
  }
  if (connection && !connection->unread().empty()) {
    note_failure("bytes that belong to no response: " + connection->unread());
  }
}

void LoadClient::note_failure(const std::string& what) {
  constexpr std::size_t kKept = 10;
  ++failed_;
  const std::lock_guard lock(mutex_);
  if (first_failures_.size() < kKept) first_failures_.push_back(what);
}

std::string LoadClient::failures() const {
  const std::lock_guard lock(mutex_);
  std::string text;
  for (const std::string& line : first_failures_) text += line + "\n";
  return text;
}

}  // namespace moult::testing
