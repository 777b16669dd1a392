#pragma once

#include "tests/support/http_client.h"

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace moult::testing {

// Steady load: each of its threads sends one request after the other over a keep-alive connection of
// its own, from the constructor until stop(). Each request carries a number of its own as ?n=…; the
// validator says what is wrong with the answer ("" = nothing), and is called from all threads. A
// connection that the server ends is a failure too: no promise of Moult allows it.
class LoadClient {
 public:
  using Validate = std::function<std::string(const HttpResponse& response, const std::string& number)>;

  LoadClient(std::string address, std::string target, int connections, Validate validate);
  LoadClient(const LoadClient&) = delete;
  LoadClient& operator=(const LoadClient&) = delete;
  ~LoadClient();

  // Ends the load after the calls in flight; returns when all threads have.
  void stop();

  std::uint64_t answered() const { return answered_; }
  std::uint64_t failed() const { return failed_; }
  std::string failures() const;  // the first ten, one a line

 private:
  void ask_on_and_on(int index);
  void note_failure(const std::string& what);

  const std::string address_;
  const std::string target_;
  const Validate validate_;
  std::atomic<bool> stopping_{false};
  std::atomic<std::uint64_t> answered_{0};
  std::atomic<std::uint64_t> failed_{0};
  mutable std::mutex mutex_;
  std::vector<std::string> first_failures_;
  std::vector<std::thread> threads_;
};

}  // namespace moult::testing
