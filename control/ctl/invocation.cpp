#include "control/ctl/invocation.h"

#include "control/ctl/pages.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <unistd.h>
#include <algorithm>
#include <array>
#include <cstdio>

namespace moult::ctl {

namespace {

constexpr double kGrace = 5;  // the daemon's own deadline comes first, with the better message

}  // namespace

int exit_code_of(const Error& error, const Json& data) {
  const bool nothing_serves = data.is_object() && data.contains("serving") && data["serving"].is_null();
  if (error.code == ErrorCode::code_rejected && nothing_serves) return 1;
  return exit_code(error.code);
}

int graver(int one, int other) {
  constexpr std::array<int, 11> order{0, 6, 124, 3, 4, 5, 8, 7, 2, 130, 1};
  const auto rank = [&](int code) { return std::find(order.begin(), order.end(), code) - order.begin(); };
  return rank(one) >= rank(other) ? one : other;
}

Invocation::Invocation(Options options, control::Surroundings surroundings, Look look,
                       std::atomic<bool>& interrupted)
    : options_(std::move(options)),
      surroundings_(std::move(surroundings)),
      look_(look),
      interrupted_(interrupted) {}

Look Invocation::error_look() const {
  Look look = look_;
  look.colour = look_.error_colour;
  return look;
}

std::vector<std::string> Invocation::socket_candidates() const {
  return control::socket_candidates(surroundings_, options_.socket);
}

Result<control::Client*> Invocation::connect() {
  if (!client_) {
    MOULT_ASSIGN(control::Client client, control::find_daemon(socket_candidates(), surroundings_.uid));
    client_.emplace(std::move(client));
    client_->set_interrupted(&interrupted_);
    client_->set_on_notice([this](const std::string& kind, const Json& params) {
      if (kind == "progress") show_progress(params);
      if (kind == "event" && on_event_) on_event_(params);
    });
  }
  return &*client_;
}

std::optional<SteadyTime> Invocation::deadline(double seconds) const {
  return Steady::now() + std::chrono::duration_cast<Steady::duration>(Seconds(std::min(seconds, 1e9)));
}

Result<Json> Invocation::ask(const std::string& method, const Json& params, std::optional<SteadyTime> until) {
  error_data_ = Json();
  MOULT_ASSIGN(control::Client * client, connect());
  auto answer = client->call(method, params, until);
  if (!answer) error_data_ = client->error_data();
  return answer;
}

Result<Json> Invocation::call(const std::string& method, const Json& params, double seconds) {
  return ask(method, params, deadline(options_.timeout.value_or(seconds)));
}

Result<Json> Invocation::call_long(const std::string& method, Json params, double seconds) {
  if (options_.timeout) params["timeout"] = *options_.timeout;
  return ask(method, params, deadline(options_.timeout.value_or(seconds) + kGrace));
}

Result<Json> Invocation::stream(const std::string& method, const Json& params,
                                const std::function<void(const Json&)>& on_event) {
  on_event_ = on_event;
  return ask(method, params, options_.timeout ? deadline(*options_.timeout) : std::nullopt);
}

void Invocation::print(const std::string& text) {
  const bool written =
      std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0;
  if (!written) interrupted_.store(true);  // nobody reads any more
}

void Invocation::print_json(const Json& json) {
  print(json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
}

void Invocation::complain(const std::string& text) { std::fwrite(text.data(), 1, text.size(), stderr); }

int Invocation::fail(const Error& error) { return fail(error, error_data_); }

int Invocation::fail(const Error& error, const Json& data) {
  if (options_.json) {
    print_json(Json{{"error", control::error_to_json(control::rpc_code(error.code), error, data)}});
  } else {
    complain(error_text(error, data, error_look()));
  }
  return exit_code_of(error, data);
}

void Invocation::show_progress(const Json& what) {
  if (options_.quiet || options_.json || ::isatty(STDERR_FILENO) != 1) return;
  const std::string line = fmt::format("{}: generation {} {}\n", text_at(what, "app"),
                                       label_at(what, "generation"), text_at(what, "state"));
  complain(in_tone(printable(line), Tone::dim, error_look()));
}

}  // namespace moult::ctl
