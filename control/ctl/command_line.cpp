#include "control/ctl/command_line.h"

#include <fmt/format.h>

#include <charconv>

namespace moult::ctl {

namespace {

constexpr int kMostApps = 1 << 29;  // what CLI11 shows as "..."

double seconds_of(const std::string& option, const std::string& text) {
  if (const auto seconds = parse_seconds(text)) return *seconds;
  throw CLI::ValidationError(option, fmt::format("`{}` is no time (30, 500ms, 2min)", text));
}

constexpr double kDeployLongest = 86'400;

double deploy_seconds(const std::string& text) {
  const double seconds = seconds_of("--for", text);
  if (seconds >= 1 && seconds <= kDeployLongest) return seconds;
  throw CLI::ValidationError("--for", fmt::format("`{}` is not from 1s to 24h", text));
}

// What it sets up refers to the options alone, so it may go before the command line is parsed.
class Commands {
 public:
  Commands(CLI::App& app, Options& options) : app_(app), options_(options) { add_all(); }

 private:
  CLI::App* add(CLI::App& parent, const std::string& name, const std::string& help) {
    CLI::App* command = parent.add_subcommand(name, help);
    command->fallthrough()->footer("The options of `moultctl --help` can stand here too.");
    const std::string full = &parent == &app_ ? name : parent.get_name() + " " + name;
    command->callback([&options = options_, full] { options.command = full; });
    return command;
  }
  CLI::App* add(const std::string& name, const std::string& help) { return add(app_, name, help); }

  // At most one app, which may be left out when there is just one.
  CLI::App* one_app(CLI::App* command) {
    command->add_option("APP", options_.apps, "name of the app")->expected(0, 1);
    return command;
  }
  CLI::App* apps(CLI::App* command) {
    command->add_option("APP", options_.apps, "names and patterns")->expected(0, kMostApps);
    return command;
  }
  CLI::App* apps_or_all(CLI::App* command) {
    apps(command)->add_flag("-a,--all", options_.all, "all apps");
    return command;
  }
  // A number of what there is more than one of: "generation", "host".
  void numbered(CLI::App* command, const std::string& option, std::optional<std::uint64_t>& number,
                const std::string& what, const std::string& help) {
    const auto set = [option, &number, what](const std::string& text) {
      number = whole_number(text);
      if (!number) throw CLI::ValidationError(option, fmt::format("`{}` is no number of a {}", text, what));
    };
    command->add_option_function<std::string>(option, set, help)->type_name("NUMBER");
  }
  void lines(CLI::App* command, const std::string& help) {
    const auto set = [&options = options_](const std::string& text) {
      const auto number = whole_number(text);
      if (!number) throw CLI::ValidationError("-n,--lines", fmt::format("`{}` is no number of lines", text));
      options.lines = *number;
    };
    command->add_option_function<std::string>("-n,--lines", set, help)->type_name("NUMBER");
  }
  void generation(CLI::App* command, const std::string& option, const std::string& help) {
    numbered(command, option, options_.generation, "generation", help);
  }
  CLI::App* one_call(CLI::App* command) {
    command->add_option("CALL", options_.call_name, "its name, as `calls` has it")->required();
    return command;
  }
  CLI::App* waits(CLI::App* command, const std::vector<std::string>& choices) {
    command->add_option("--wait", options_.wait, "what to wait for")->check(CLI::IsMember(choices));
    command->add_flag_callback(
        "--no-wait", [&options = options_] { options.wait = "none"; }, "return at once");
    return command;
  }

  void add_all() {
    add_looking();
    add_changing();
    add_the_rest();
  }

  void add_looking() {
    apps(add("list", "one row per app"));
    apps(add("status", "a page on an app, or on the daemon"));
    one_app(add("show", "everything about an app"))
        ->add_option("-p,--property", options_.property, "print one member alone (active.host_pid)");
    one_app(add("generations", "the generations of an app"));
    CLI::App* diff = add("diff", "what differs in the sources of two generations");
    diff->add_option("APP", options_.apps,
                     "name of the app, then one or two of: number, active, standby, previous, disk\n"
                     "(default: previous active)")
        ->expected(0, kMostApps);
    diff->add_flag("--stat", options_.counts_alone, "how many lines of each file alone");
    diff->add_flag("--name-only,--names", options_.names_alone, "the files alone");
    add("hosts", "the host processes");
    one_app(add("why", "why an app is as it is"));
    one_app(add("compat", "how an app is isolated, and why"));
    CLI::App* imports =
        one_app(add("imports", "the modules that a generation has imported, and what they cost"));
    generation(imports, "-g,--gen,--generation", "of this one (default: the active one)");
    imports->add_option("--sort", options_.sort, "total (default), self, name or order")
        ->check(CLI::IsMember({"total", "self", "name", "order"}));
    lines(imports, "how many modules (100; 0: all)");
    one_app(add("exports", "the functions of an app that can be called"));
    one_app(add("calls", "the calls that run now (default: of all apps)"));
    one_call(add("stack", "where a call is in its Python code"));
    CLI::App* logs = one_app(add("logs", "what an app wrote"));
    logs->add_flag("-f,--follow", options_.follow, "go on with what comes");
    lines(logs, "how many lines (100)");
    generation(logs, "-g,--generation", "of one generation alone");
    logs->add_option("--stream", options_.stream, "stdout, stderr, log or moult alone")
        ->check(CLI::IsMember({"stdout", "stderr", "log", "moult"}));
    CLI::App* events = one_app(add("events", "what happened"));
    events->add_flag("-f,--follow", options_.follow, "go on with what comes");
    events->add_option("--since", options_.since, "a cursor: only what came after it");
    events->add_option("--filter", options_.filters, "patterns of event names ('generation.*')")
        ->allow_extra_args(false);
    one_app(add("wait", "wait for a state of an app"))
        ->add_option("--until", options_.until, "ready (default), stopped, drained or generation")
        ->check(CLI::IsMember({"ready", "stopped", "drained", "generation"}));
    generation(app_.get_subcommand("wait"), "-g,--generation", "until this one, or a newer one, serves");
  }

  void add_changing() {
    const std::vector<std::string> all_waits{"ready", "switched", "drained", "none"};
    waits(apps_or_all(add("start", "start stopped apps")), {"ready", "none"});
    apps_or_all(add("stop", "stop apps after their calls"));
    waits(apps_or_all(add("restart", "start anew in a fresh host, without loss")), all_waits);
    waits(apps_or_all(add("reload", "make a new generation of the code on disk and switch to it")), all_waits)
        ->add_flag("--if-changed", options_.only_if_changed, "not when no file has changed");
    one_app(add("check", "import the code on disk in a throw-away interpreter, switch nothing"));
    CLI::App* rollback = waits(add("rollback", "serve an older generation"), all_waits);
    rollback
        ->add_option("APP", options_.apps, "name of the app, and the generation (default: the one before)")
        ->expected(0, kMostApps);
    generation(rollback, "-g,--generation", "which generation");
    CLI::App* deploy = app_.add_subcommand("deploy", "take up the changes of a deploy all at once");
    deploy->require_subcommand(1)->fallthrough();
    apps_or_all(add(*deploy, "begin", "changes on disk wait from now on for `deploy end`"))
        ->add_option_function<std::string>(
            "--for",
            [&options = options_](const std::string& text) { options.deploy_seconds = deploy_seconds(text); },
            "how long at most: 90s, 10min (default), 2h");
    waits(apps_or_all(add(*deploy, "end", "make one generation of what has changed and switch to it")),
          all_waits);
    apps_or_all(add("freeze", "do not act on changes on disk (default: all apps)"));
    apps_or_all(add("thaw", "act on changes again; lifts a roll-back's pin"));
    CLI::App* call = add("call", "call a function that an app exports");
    call->add_option_function<std::string>(
            "APP", [&options = options_](const std::string& name) { options.apps = {name}; },
            "name of the app")
        ->required();
    call->add_option("FUNCTION", options_.function, "its name, as `exports` has it")->required();
    call->add_option("ARGUMENTS", options_.arguments,
                     "JSON: '{\"order\": 7}' for keywords, '[7]' for positions, - to read them from stdin");
    one_call(add("kill", "interrupt a call"));
    numbered(add("recycle", "replace hosts by new ones, without loss"), "HOST", options_.host, "host",
             "id of a host; default: all, one after the other");
  }

  void add_the_rest() {
    CLI::App* config = app_.add_subcommand("config", "the configuration");
    config->require_subcommand(1)->fallthrough();
    one_app(add(*config, "show", "the settings in force"));
    add(*config, "check", "check the files, change nothing")
        ->add_option("FOLDER", options_.folder, "default: the daemon's");
    add(*config, "reload", "apply the files, all or nothing");
    add("ensure", "start the daemon when none runs, and wait until the apps are ready")
        ->add_option("--config", options_.folder, "the config folder");
    add("doctor", "what is wrong with the set-up");
    add("front", "print the settings of a front server for this daemon")
        ->add_option("SERVER", options_.front, "apache, htaccess, lighttpd or nginx")
        ->required()
        ->check(CLI::IsMember({"apache", "htaccess", "lighttpd", "nginx"}));
    add("shutdown", "end the daemon after its calls");
    add("version", "versions of this program and of the daemon");
    add("completion", "print the completion script of a shell")
        ->add_option("SHELL", options_.shell, "bash, zsh or fish")
        ->required()
        ->check(CLI::IsMember({"bash", "zsh", "fish"}));
    CLI::App* hidden = add("__complete", "");
    hidden->group("")->prefix_command();
  }

  CLI::App& app_;
  Options& options_;
};

bool is_option_with_value(const CLI::App& command, const std::string& word) {
  const CLI::Option* option = command.get_option_no_throw(word);
  return option != nullptr && option->get_items_expected_max() > 0;
}

}  // namespace

void add_commands(CLI::App& app, Options& options) { const Commands added(app, options); }

void add_globals(CLI::App& app, Options& options, std::string& timeout) {
  app.add_option("-s,--socket", options.socket, "the daemon's socket ($MOULT_SOCKET, else the usual places)");
  app.add_flag("--json", options.json, "print the answer as JSON");
  app.add_flag("-q,--quiet", options.quiet, "print errors alone (list: names alone)");
  app.add_option("--timeout", timeout, "how long to wait: 30, 500ms, 2min");
  app.add_flag("--no-color,--no-colour", options.no_colour, "no colours ($NO_COLOR does the same)");
}

const CLI::App* find_command(const CLI::App& parent, const std::string& name) {
  for (const CLI::App* command : parent.get_subcommands({})) {
    if (command->get_name() == name) return command;
  }
  return nullptr;
}

bool takes_value(const CLI::App* command, const std::string& word) {
  for (; command != nullptr; command = command->get_parent()) {
    if (is_option_with_value(*command, word)) return true;
  }
  return false;
}

std::optional<std::uint64_t> whole_number(const std::string& text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number < 0) return std::nullopt;
  return static_cast<std::uint64_t>(number);
}

}  // namespace moult::ctl
