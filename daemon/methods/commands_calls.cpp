#include "daemon/daemon.h"
#include "daemon/methods/commands.h"
#include "daemon/methods/pending.h"
#include "ipc/base/json.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <charconv>
#include <memory>
#include <optional>

// Calls of functions on the control socket: making them, and looking at those that run.

namespace moult {

using control::Json;
using control::Reply;

namespace {

constexpr Seconds kCallTimeout{60};
constexpr std::size_t kFunctionMax = 1024;

ErrorCode code_of(const ScriptOutcome& outcome) {
  if (outcome.failure == CallFailure::app_stopped || outcome.failure == CallFailure::app_unavailable)
    return ErrorCode::not_running;
  const std::string& reason = outcome.error->reason;
  if (reason == "timeout") return ErrorCode::timed_out;
  return reason == "too_large" ? ErrorCode::too_large : ErrorCode::failed;
}

void fail_call(Reply& reply, const std::string& app, const ScriptOutcome& outcome) {
  const CallError& why = *outcome.error;
  Error error{code_of(outcome),
              outcome.failure && outcome.failure != CallFailure::app_error
                  ? why.message
                  : fmt::format("{}: {}", why.type, why.message),
              why.traceback,
              {},
              0,
              why.hint};
  Json more{{"app", app}, {"kind", why.reason}, {"type", why.type}};
  if (outcome.generation != 0) more["generation"] = outcome.generation;
  reply.fail(error, more);
}

// Makes the call; `answer` gives the reply to one that succeeded.
template <typename Answer>
void make_call(Daemon& daemon, App& app, ScriptCall::Order order, Reply reply, Answer answer) {
  const auto shared = std::make_shared<Reply>(std::move(reply));
  order.app = app.config().name;
  ScriptCalls& scripts = daemon.calls().scripts();
  const std::uint64_t number = scripts.call(*app.route_target().calls, order,
                                            [shared, answer, name = order.app](const ScriptOutcome& outcome) {
                                              if (outcome.error) {
                                                fail_call(*shared, name, outcome);
                                              } else {
                                                answer(*shared, outcome);
                                              }
                                            });
  if (shared->is_open()) shared->on_gone([&scripts, number] { scripts.cancel(number); });
}

// The arguments as JSON text, exactly as they came where that was asked for.
Result<std::string> arguments_of(const Json& params) {
  const bool as_text = params.contains("args_json");
  if (as_text && params.contains("args"))
    return fail(Error{ErrorCode::usage, "give either `args` or `args_json`"});
  if (!as_text)
    return params.value("args", Json::array()).dump(-1, ' ', false, Json::error_handler_t::replace);
  const std::string text = params.at("args_json").get<std::string>();
  const std::size_t start = text.find_first_not_of(" \t\r\n");
  const bool right = start != std::string::npos && (text[start] == '{' || text[start] == '[');
  const auto parsed = parse_json(text);
  if (!right || !parsed) {
    Error error{ErrorCode::usage, is_json_too_deep(text)
                                      ? parsed.error().message
                                      : "the arguments are neither a JSON object nor a JSON list"};
    error.hint = "write '{\"order\": 7}' for keywords or '[7]' for positions";
    return fail(std::move(error));
  }
  return text;
}

void call(Daemon& daemon, App& app, const Json& params, Reply reply) {
  auto arguments = arguments_of(params);
  const std::string function = params.at("function").get<std::string>();
  const bool is_ours = function.rfind("moult.", 0) == 0;  // hooks, and what `exports` is for
  if (arguments && (function.empty() || function.size() > kFunctionMax || is_ours))
    arguments = fail(Error{ErrorCode::usage,
                           fmt::format("\"{}\" is no name of an exported function", function.substr(0, 80))});
  if (!arguments) {
    reply.fail(arguments.error());
    return;
  }
  const SteadyTime began = Steady::now();
  ScriptCall::Order order;
  order.function = function;
  order.arguments = std::move(*arguments);
  order.deadline = began + timeout_of(params, kCallTimeout);
  const bool raw = params.value("raw", false);
  make_call(daemon, app, std::move(order), std::move(reply),
            [raw, began, name = app.config().name](Reply& to, const ScriptOutcome& outcome) {
              Json answer{{"app", name},
                          {"generation", outcome.generation},
                          {"seconds", Seconds(Steady::now() - began).count()}};
              if (raw) {
                answer["result_json"] = outcome.result;
              } else {
                answer["result"] = parse_json_or_discard(outcome.result);
                if (answer["result"].is_discarded()) {
                  to.fail({ErrorCode::protocol, is_json_too_deep(outcome.result)
                                                    ? "the result is nested too deep: ask for it `raw`"
                                                    : "the result is no JSON"});
                  return;
                }
              }
              to.ok(answer);
            });
}

void exports(Daemon& daemon, App& app, const Json& params, Reply reply) {
  ScriptCall::Order order;
  order.function = "moult.exports";
  order.arguments = "[]";
  order.deadline = Steady::now() + timeout_of(params, Seconds(10));
  make_call(daemon, app, std::move(order), std::move(reply),
            [name = app.config().name](Reply& to, const ScriptOutcome& outcome) {
              Json list = parse_json_or_discard(outcome.result);
              if (!list.is_array()) {
                to.fail({ErrorCode::protocol, "the list of exports is no JSON list"});
                return;
              }
              to.ok({{"app", name}, {"generation", outcome.generation}, {"exports", std::move(list)}});
            });
}

// ---- those that run

// A call that a worker serves, and where.
struct Served {
  App* app = nullptr;
  Generation* generation = nullptr;
  Interpreter* interpreter = nullptr;
  Flight* flight = nullptr;
};

template <typename Visit>
void for_each_served(Daemon& daemon, const Visit& visit) {
  for (App* app : daemon.supervisor().apps_that_run()) {
    for (const auto& generation : app->moulting().generations()) {
      for (const auto& interpreter : generation->interpreters()) {
        if (interpreter->host() == nullptr) continue;
        for (Flight* const flight : interpreter->flights())
          visit(Served{app, generation.get(), interpreter.get(), flight});
      }
    }
  }
}

// "w2-817": in a worker of host 2; "h2-12": in host 2 itself, which numbers those.
struct CallName {
  char kind = 0;
  int host = 0;
  std::uint64_t number = 0;
};

std::optional<CallName> parse_name(const std::string& text) {
  CallName name;
  const std::size_t dash = text.find('-');
  if (dash == std::string::npos || (text[0] != 'w' && text[0] != 'h')) return std::nullopt;
  name.kind = text[0];
  const char* const middle = text.data() + dash;
  const char* const end = text.data() + text.size();
  const auto host = std::from_chars(text.data() + 1, middle, name.host);
  const auto number = std::from_chars(middle + 1, end, name.number);
  const bool good =
      host.ec == std::errc() && host.ptr == middle && number.ec == std::errc() && number.ptr == end;
  return good ? std::optional(name) : std::nullopt;
}

Error no_such_call(const std::string& name) {
  Error error{ErrorCode::failed, fmt::format("no call {} runs", name)};
  error.hint = "`moultctl calls` lists those that do";
  return error;
}

Json row_of(const Served& served) {
  const Flight& flight = *served.flight;
  return {{"call", fmt::format("w{}-{}", served.interpreter->host()->number(), flight.call_id())},
          {"app", served.app->config().name},
          {"generation", served.generation->number()},
          {"host", served.interpreter->host()->number()},
          {"kind", flight.serves_function() ? "function" : "request"},
          {"what", flight.what()},
          {"caller", flight.caller()},
          {"seconds", Seconds(Steady::now() - flight.started()).count()},
          {"waited_for", flight.call() != nullptr},
          {"interrupts", flight.interrupts}};
}

Json row_of(const HostCall& call, int host) {
  return {{"call", call.call},
          {"app", call.app},
          {"generation", call.generation},
          {"host", host},
          {"kind", "function"},
          {"what", call.function},
          {"caller", call.caller},
          {"seconds", call.seconds.count()},
          {"waited_for", true},
          {"interrupts", 0}};
}

// What all hosts answer, one after the other; the last gives the reply.
struct Gathering {
  Gathering(Reply to, std::string wanted_app) : reply(std::move(to)), app(std::move(wanted_app)) {}
  Reply reply;
  std::string app;  // "": all
  Json rows = Json::array();
  Json silent = Json::array();
  std::size_t left = 1;

  void add(Json row) {
    if (app.empty() || row["app"] == app) rows.push_back(std::move(row));
  }
  void one_done() {
    if (--left > 0) return;
    std::stable_sort(rows.begin(), rows.end(),
                     [](const Json& a, const Json& b) { return a["seconds"] > b["seconds"]; });
    reply.ok({{"calls", std::move(rows)}, {"silent_hosts", std::move(silent)}});
  }
};

void calls(Daemon& daemon, const Json& params, Reply reply) {
  const std::string name = params.value("app", "");
  if (!name.empty() && daemon.supervisor().find(name) == nullptr) {
    reply.fail_no_such_app(name, daemon.supervisor().names());
    return;
  }
  const auto all = std::make_shared<Gathering>(std::move(reply), name);
  for_each_served(daemon, [&](const Served& served) { all->add(row_of(served)); });
  for (Host* host : daemon.supervisor().hosts().hosts()) {
    if (host->state() != Host::State::ready) continue;
    ++all->left;
    host->ask_calls([all, number = host->number()](const Result<CallsEvent>& answer) {
      if (!answer) all->silent.push_back(number);
      if (answer) {
        for (const HostCall& call : answer->calls) all->add(row_of(call, number));
      }
      all->one_done();
    });
  }
  all->one_done();
}

std::optional<Served> find_served(Daemon& daemon, const CallName& name) {
  std::optional<Served> found;
  for_each_served(daemon, [&](const Served& served) {
    if (served.interpreter->host()->number() == name.host && served.flight->call_id() == name.number)
      found = served;
  });
  return found;
}

void stack(Daemon& daemon, const Json& params, Reply reply) {
  const std::string text = params.at("call").get<std::string>();
  const auto name = parse_name(text);
  StackCommand command;
  Host* host = nullptr;
  if (name && name->kind == 'h') {
    host = daemon.supervisor().hosts().find(name->host);
    command.call = text;
  } else if (const auto served = name ? find_served(daemon, *name) : std::nullopt) {
    host = served->interpreter->host();
    command.interp = served->interpreter->number();
    if (const auto worker = served->flight->worker()) command.worker = static_cast<int>(*worker);
  }
  if (host == nullptr) {
    reply.fail(no_such_call(text));
    return;
  }
  host->ask_stack(command, [text, shared = std::make_shared<Reply>(std::move(reply))](const auto& answer) {
    if (!answer) {
      shared->fail(answer.error());
    } else if (answer->text.empty()) {
      shared->fail(no_such_call(text));  // it has ended meanwhile
    } else {
      shared->ok({{"call", text}, {"text", answer->text}});
    }
  });
}

void kill(Daemon& daemon, const Json& params, Reply reply) {
  const std::string text = params.at("call").get<std::string>();
  const auto name = parse_name(text);
  const Json done{{"call", text}, {"outcome", "interrupted"}};
  if (const auto served = name && name->kind == 'w' ? find_served(daemon, *name) : std::nullopt) {
    served->interpreter->interrupt(*served->flight);
    reply.ok(done);
    return;
  }
  Host* host = name && name->kind == 'h' ? daemon.supervisor().hosts().find(name->host) : nullptr;
  if (host == nullptr) {
    reply.fail(no_such_call(text));
    return;
  }
  host->ask_kill(text, [text, done, shared = std::make_shared<Reply>(std::move(reply))](const auto& answer) {
    if (!answer) {
      shared->fail(answer.error());
    } else if (!answer->found) {
      shared->fail(no_such_call(text));
    } else {
      shared->ok(done);
    }
  });
}

}  // namespace

void serve_call_commands(control::Methods& methods, Daemon& daemon) {
  const auto named = [&](const char* method, auto function) {
    serve_named(methods, daemon, method, function);
  };
  const auto plain = [&](const char* method, auto function) {
    methods.serve(method, [&daemon, function](const Json& params, Reply reply) {
      function(daemon, params, std::move(reply));
    });
  };
  named("call", call);
  named("exports", exports);
  plain("calls", calls);
  plain("stack", stack);
  plain("kill", kill);
}

}  // namespace moult
