#pragma once

#include "control/client.h"
#include "control/ctl/fields.h"
#include "control/ctl/human.h"
#include "control/ctl/options.h"
#include "control/socket_search.h"

#include <nlohmann/json.hpp>

#include <atomic>
#include <optional>
#include <string>
#include <vector>

namespace moult::ctl {

// One run of moultctl: what was asked, how to show it, and the connection, made at the first call.
// One per process, owned by main. Functions that return int return exit codes.
class Invocation {
 public:
  Invocation(Options options, control::Surroundings surroundings, Look look, std::atomic<bool>& interrupted);

  const Options& options() const { return options_; }
  const control::Surroundings& surroundings() const { return surroundings_; }
  const Look& look() const { return look_; }
  Look error_look() const;  // for what goes to stderr
  bool is_interrupted() const { return interrupted_.load(); }
  std::vector<std::string> socket_candidates() const;

  // The connection, tried anew when there is none.
  Result<control::Client*> connect();
  void disconnect() { client_.reset(); }

  // Asks the daemon. `seconds`: how long the answer may take without --timeout.
  Result<Json> call(const std::string& method, const Json& params, double seconds = kQuick);
  // The same for a method with a `timeout` of its own, which is --timeout when that was given.
  Result<Json> call_long(const std::string& method, Json params, double seconds);
  // For a stream: no deadline but --timeout; `on_event` for each.
  Result<Json> stream(const std::string& method, const Json& params,
                      const std::function<void(const Json&)>& on_event);

  const Json& error_data() const { return error_data_; }

  void print(const std::string& text);  // to stdout; a broken pipe ends the run
  void print_json(const Json& json);
  void complain(const std::string& text);  // to stderr
  // Prints an error (or its JSON) and returns its exit code.
  int fail(const Error& error);
  int fail(const Error& error, const Json& data);

  std::optional<SteadyTime> deadline(double seconds) const;

  static constexpr double kQuick = 30;
  static constexpr double kLongest = 3600;

 private:
  Result<Json> ask(const std::string& method, const Json& params, std::optional<SteadyTime> deadline);
  void show_progress(const Json& what);

  Options options_;
  control::Surroundings surroundings_;
  Look look_;
  std::atomic<bool>& interrupted_;
  std::optional<control::Client> client_;
  std::function<void(const Json&)> on_event_;
  Json error_data_;
};

// The exit code of an error: that of its kind, but 1 for rejected code when nothing serves.
int exit_code_of(const Error& error, const Json& data);
// Of two exit codes the one that a script must hear of.
int graver(int one, int other);

}  // namespace moult::ctl
