#include "control/method.h"

namespace moult::control {

namespace {

using Kind = Parameter::Kind;

Parameter required_text(std::string name, std::string help) {
  return Parameter{std::move(name), Kind::text, true, std::move(help)};
}

Parameter optional(std::string name, Kind kind, std::string help) {
  return Parameter{std::move(name), kind, false, std::move(help)};
}

Parameter choice(std::string name, std::vector<std::string> choices, std::string help) {
  return Parameter{std::move(name), Kind::choice, false, std::move(help), std::move(choices)};
}

const Parameter kApp = required_text("app", "name of the app");
const Parameter kMaybeApp = optional("app", Kind::text, "name of the app");
const Parameter kCall = required_text("call", "name of a call, as `calls` has it");
const Parameter kApps = optional("apps", Kind::texts, "names and patterns");
const Parameter kAll = optional("all", Kind::flag, "all apps");
const Parameter kTimeout = optional("timeout", Kind::number, "seconds to wait at most");
const Parameter kWait = choice("wait", {"ready", "switched", "drained", "none"}, "what to wait for");

std::vector<Method> make_methods() {
  const Parameter wait_ready = choice("wait", {"ready", "none"}, "what to wait for");
  const Parameter force = optional("force", Kind::flag, "also when no file has changed");
  const Parameter generation = optional("generation", Kind::whole, "number of a generation");
  const std::string side = "number of a generation, `active`, `standby`, `previous` or `disk`";
  return {
      {"ping", Access::read, "whether the daemon answers"},
      {"version", Access::read, "which daemon this is"},
      {"methods", Access::read, "the methods that this daemon serves"},
      {"list", Access::read, "one row per app", {kApps}},
      {"status", Access::read, "how an app, or the daemon, is", {kMaybeApp}},
      {"show", Access::read, "everything about an app", {kApp}},
      {"start", Access::change, "start stopped apps", {kMaybeApp, kApps, kAll, wait_ready, kTimeout}},
      {"stop", Access::change, "stop apps after their calls", {kMaybeApp, kApps, kAll, kTimeout}},
      {"reload", Access::change, "make a new generation", {kMaybeApp, kApps, kAll, kWait, kTimeout, force}},
      {"restart",
       Access::change,
       "start anew without loss",
       {kMaybeApp, kApps, kAll, kWait, kTimeout, force}},
      {"check", Access::change, "import the tree in a throw-away interpreter", {kApp, kTimeout}},
      {"generations", Access::read, "the generations of an app", {kApp}},
      {"diff",
       Access::read,
       "the files that two generations do not have alike",
       {kApp, optional("from", Kind::text, side), optional("to", Kind::text, side)}},
      {"rollback", Access::change, "serve an older generation", {kApp, generation, kWait, kTimeout}},
      {"deploy.begin",
       Access::change,
       "let changes wait for the end of a deploy",
       {kMaybeApp, kApps, kAll, optional("for_seconds", Kind::number, "how long at most (600)"), kTimeout}},
      {"deploy.end",
       Access::change,
       "make one generation of what a deploy has changed",
       {kMaybeApp, kApps, kAll, kWait, kTimeout}},
      {"freeze", Access::change, "do not act on changes", {kMaybeApp, kApps, kAll}},
      {"thaw", Access::change, "act on changes again", {kMaybeApp, kApps, kAll}},
      {"wait",
       Access::read,
       "wait for a state of an app",
       {kApp,
        Parameter{
            "until", Kind::choice, true, "what to wait for", {"ready", "stopped", "generation", "drained"}},
        generation, kTimeout}},
      {"call",
       Access::change,
       "call a function that an app exports",
       {kApp, required_text("function", "its name"),
        optional("args", Kind::arguments, "object: keyword arguments; list: positional ones"),
        optional("args_json", Kind::text, "the same as JSON text, passed on as it is"),
        optional("raw", Kind::flag, "the result as JSON text, as it came"), kTimeout}},
      {"exports", Access::read, "the functions that can be called", {kApp, kTimeout}},
      {"calls", Access::read, "the calls that run now", {kMaybeApp}},
      {"stack", Access::read, "where a call is in its Python code", {kCall}},
      {"kill", Access::change, "interrupt a call", {kCall}},
      {"hosts", Access::read, "the host processes"},
      {"recycle",
       Access::change,
       "replace hosts by new ones",
       {optional("host", Kind::whole, "id of a host"), kTimeout}},
      {"logs",
       Access::read,
       "what an app wrote",
       {kApp, optional("lines", Kind::whole, "how many lines"), optional("follow", Kind::flag, "go on"),
        generation, choice("stream", {"stdout", "stderr", "log", "moult"}, "one stream alone")}},
      {"events",
       Access::read,
       "what happened",
       {optional("since", Kind::text, "a cursor"), optional("app", Kind::text, "a name or pattern"),
        optional("filter", Kind::text_or_texts, "patterns of event names"),
        optional("follow", Kind::flag, "go on"), optional("limit", Kind::whole, "how many at most")}},
      {"imports", Access::read, "the modules that a generation has imported", {kApp, generation}},
      {"why", Access::read, "why an app is as it is", {kApp}},
      {"compat", Access::read, "how an app is isolated and why", {kApp}},
      {"config.show", Access::read, "the settings in force", {kMaybeApp}},
      {"config.check", Access::read, "check the files", {optional("folder", Kind::text, "a config folder")}},
      {"config.reload", Access::change, "apply the files, all or nothing"},
      {"doctor", Access::read, "what is wrong with the set-up"},
      {"shutdown", Access::change, "end the daemon after its calls", {kTimeout}},
  };
}

}  // namespace

const std::vector<Method>& standard_methods() {
  static const std::vector<Method> methods = make_methods();
  return methods;
}

std::string_view to_string(Parameter::Kind kind) {
  switch (kind) {
    case Kind::text: return "text";
    case Kind::number: return "number";
    case Kind::whole: return "whole number";
    case Kind::flag: return "true or false";
    case Kind::texts: return "list of texts";
    case Kind::text_or_texts: return "text or list of texts";
    case Kind::choice: return "choice";
    case Kind::arguments: return "object or list";
  }
  return "text";
}

}  // namespace moult::control
