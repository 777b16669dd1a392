#include "control/ctl/options.h"

#include "control/words.h"

#include <fmt/ranges.h>
#include <CLI/CLI.hpp>

#include <charconv>
#include <cmath>

namespace moult::ctl {

namespace {

constexpr int kMostApps = 1 << 29;  // what CLI11 shows as "..."
constexpr const char* kFooter =
    "Apps are named one by one or by pattern ('shop-*'); where one app is wanted it may be left out\n"
    "when the daemon serves only one.\n"
    "Exit codes: 0 done, 1 failed, 2 usage, 3 not running, 4 no such app, 5 config invalid, 6 new code\n"
    "rejected while the old one serves, 7 no daemon, 8 denied, 124 timed out, 130 interrupted.";

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

// CLI11 would take -1 for 2^64 - 1.
std::optional<std::uint64_t> whole_number(const std::string& text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number < 0) return std::nullopt;
  return static_cast<std::uint64_t>(number);
}

// Adds the sub-commands of moultctl to `app`; what is parsed goes to `options`, which must outlive it.
class Commands {
 public:
  Commands(CLI::App& app, Options& options) : app_(app), options_(options) { add_all(); }

 private:
  CLI::App* add(CLI::App& parent, const std::string& name, const std::string& help) {
    CLI::App* command = parent.add_subcommand(name, help);
    command->fallthrough()->footer("The options of `moultctl --help` can stand here too.");
    const std::string full = &parent == &app_ ? name : parent.get_name() + " " + name;
    command->callback([this, full] { options_.command = full; });
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
        "--no-wait", [this] { options_.wait = "none"; }, "return at once");
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
    imports->add_option("-n,--lines", options_.lines, "how many modules (100; 0: all)")
        ->check(CLI::Range(0, 100000));
    one_app(add("exports", "the functions of an app that can be called"));
    one_app(add("calls", "the calls that run now (default: of all apps)"));
    one_call(add("stack", "where a call is in its Python code"));
    CLI::App* logs = one_app(add("logs", "what an app wrote"));
    logs->add_flag("-f,--follow", options_.follow, "go on with what comes");
    logs->add_option("-n,--lines", options_.lines, "how many lines (100)")->check(CLI::Range(0, 10000));
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
            "--for", [this](const std::string& text) { options_.deploy_seconds = deploy_seconds(text); },
            "how long at most: 90s, 10min (default), 2h");
    waits(apps_or_all(add(*deploy, "end", "make one generation of what has changed and switch to it")),
          all_waits);
    apps_or_all(add("freeze", "do not act on changes on disk (default: all apps)"));
    apps_or_all(add("thaw", "act on changes again; lifts a roll-back's pin"));
    CLI::App* call = add("call", "call a function that an app exports");
    call->add_option_function<std::string>(
            "APP", [this](const std::string& name) { options_.apps = {name}; }, "name of the app")
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

void add_globals(CLI::App& app, Options& options, std::string& timeout) {
  app.add_option("-s,--socket", options.socket, "the daemon's socket ($MOULT_SOCKET, else the usual places)");
  app.add_flag("--json", options.json, "print the answer as JSON");
  app.add_flag("-q,--quiet", options.quiet, "print errors alone (list: names alone)");
  app.add_option("--timeout", timeout, "how long to wait: 30, 500ms, 2min");
  app.add_flag("--no-color,--no-colour", options.no_colour, "no colours ($NO_COLOR does the same)");
}

Quit usage(std::string text) { return Quit{2, "moultctl: " + std::move(text) + "\n"}; }

const CLI::App* find_command(const CLI::App& parent, const std::string& name) {
  for (const CLI::App* command : parent.get_subcommands({})) {
    if (command->get_name() == name) return command;
  }
  return nullptr;
}

constexpr std::string_view kNoCommand = "A subcommand is required";  // CLI11's RequiredError

// What CLI11 does not say by itself: that a command is unknown, and the nearest one.
std::string describe(const CLI::App& app, const std::vector<std::string>& arguments,
                     const std::string& otherwise) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands({})) {
    if (!command->get_group().empty()) names.push_back(command->get_name());
  }
  for (const std::string& word : arguments) {
    if (word.starts_with("-")) continue;
    if (const CLI::App* command = find_command(app, word)) {
      const bool has_more = !command->get_subcommands({}).empty();
      const auto rest = std::find(arguments.begin(), arguments.end(), word) + 1;
      return has_more ? describe(*command, {rest, arguments.end()}, otherwise) : otherwise;
    }
    const std::string near = control::nearest_word(word, names);
    return fmt::format("there is no command `{}`{}", word,
                       near.empty() ? "" : "\n  did you mean `" + near + "`?");
  }
  if (otherwise != kNoCommand) return otherwise;
  return app.get_parent() == nullptr ? "name a command"
                                     : fmt::format("name one: {} {}", app.get_name(), fmt::join(names, "|"));
}

// `help` and `help COMMAND`, as git and docker have it.
std::vector<std::string> help_as_option(std::vector<std::string> arguments) {
  if (!arguments.empty() && arguments[0] == "help") {
    arguments.erase(arguments.begin());
    arguments.emplace_back("--help");
  }
  return arguments;
}

// `rollback APP GENERATION`: the number follows the name.
std::optional<Quit> split_rollback(Options& options) {
  if (options.command != "rollback" || options.apps.size() < 2) return std::nullopt;
  const auto generation = whole_number(options.apps[1]);
  if (!generation || options.apps.size() > 2 || options.generation)
    return usage("rollback takes an app and the number of a generation");
  options.generation = generation;
  options.apps.pop_back();
  return std::nullopt;
}

// `diff APP FROM TO`: so do these.
std::optional<Quit> split_diff(Options& options) {
  if (options.command != "diff" || options.apps.size() < 2) return std::nullopt;
  if (options.apps.size() > 3) return usage("diff takes an app and at most two of its generations");
  options.sides.assign(options.apps.begin() + 1, options.apps.end());
  options.apps.resize(1);
  return std::nullopt;
}

// `wait APP -g N` waits for that generation.
std::optional<Quit> complete_wait(Options& options) {
  if (options.command != "wait") return std::nullopt;
  if (options.until.empty() && options.generation) options.until = "generation";
  if (options.until == "generation" && !options.generation)
    return usage("--until=generation needs -g NUMBER");
  if (options.until != "generation" && options.generation)
    return usage(fmt::format("-g goes with --until=generation alone, not with --until={}", options.until));
  return std::nullopt;
}

bool is_option_with_value(const CLI::App* command, const std::string& word) {
  const CLI::Option* option = command->get_option_no_throw(word);
  return option != nullptr && option->get_items_expected_max() > 0;
}

}  // namespace

std::optional<double> parse_seconds(const std::string& text) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || !std::isfinite(number) || number < 0) return std::nullopt;
  const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
  if (unit.empty() || unit == "s") return number;
  if (unit == "ms") return number / 1000;
  if (unit == "m" || unit == "min") return number * 60;
  if (unit == "h") return number * 3600;
  return std::nullopt;
}

std::variant<Options, Quit> parse_options(const std::vector<std::string>& words) {
  const std::vector<std::string> arguments = help_as_option(words);
  Options options;
  std::string timeout;
  CLI::App app("Looks at and steers the apps that moultd serves.", "moultctl");
  app.set_version_flag("--version", std::string("moultctl " MOULT_VERSION));
  app.footer(kFooter);
  app.require_subcommand(1);
  add_globals(app, options, timeout);
  Commands commands(app, options);
  if (!arguments.empty() && arguments[0] == "__complete") {  // its words are not ours to judge
    options.command = "__complete";
    options.words.assign(arguments.begin() + 1, arguments.end());
    if (!options.words.empty() && options.words[0] == "--") options.words.erase(options.words.begin());
    return options;
  }
  try {
    app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));  // CLI11 wants them backwards
  } catch (const CLI::CallForHelp&) {
    const CLI::App* last = &app;
    std::string before;
    while (!last->get_subcommands().empty()) {
      before += (before.empty() ? "" : " ") + last->get_name();
      last = last->get_subcommands().front();
    }
    return Quit{0, last->help(before, CLI::AppFormatMode::Normal)};
  } catch (const CLI::CallForVersion&) {
    return Quit{0, "moultctl " MOULT_VERSION "\n"};
  } catch (const CLI::ParseError& error) {
    return usage(describe(app, arguments, error.what()) + "\n  `moultctl --help` lists the commands");
  }
  if (!timeout.empty()) {
    options.timeout = parse_seconds(timeout);
    if (!options.timeout) return usage(fmt::format("--timeout: `{}` is no time (30, 500ms, 2min)", timeout));
  }
  if (options.all && !options.apps.empty()) return usage("either name apps or give --all");
  if (auto quit = split_rollback(options)) return std::move(*quit);
  if (auto quit = split_diff(options)) return std::move(*quit);
  if (auto quit = complete_wait(options)) return std::move(*quit);
  return options;
}

Candidates complete(const std::vector<std::string>& words) {
  Options options;
  std::string timeout;
  CLI::App app("", "moultctl");
  add_globals(app, options, timeout);
  const Commands commands(app, options);
  const std::string under_way = words.empty() ? "" : words.back();
  const CLI::App* command = &app;
  bool value_wanted = false;
  std::size_t given = 0;  // words that belong to the command
  for (std::size_t i = 0; i + 1 < words.size(); ++i) {
    if (value_wanted) {
      value_wanted = false;
    } else if (words[i].starts_with("-")) {
      value_wanted = is_option_with_value(command, words[i]) || is_option_with_value(&app, words[i]);
    } else if (const CLI::App* next = find_command(*command, words[i])) {
      command = next;
    } else {
      ++given;
    }
  }
  Candidates candidates;
  if (value_wanted) return candidates;  // files and numbers: the shell's own completion
  const auto offer = [&](const std::string& word) {
    if (word.starts_with(under_way)) candidates.words.push_back(word);
  };
  if (under_way.starts_with("-")) {
    for (const CLI::App* level : {command, static_cast<const CLI::App*>(&app)}) {
      for (const CLI::Option* option : level->get_options()) {
        for (const std::string& name : option->get_lnames()) offer("--" + name);
      }
      if (command == &app) break;
    }
    return candidates;
  }
  for (const CLI::App* next : command->get_subcommands({})) {
    if (!next->get_group().empty()) offer(next->get_name());
  }
  if (command->get_name() == "completion") {
    for (const char* shell : {"bash", "zsh", "fish"}) offer(shell);
  }
  if (command->get_name() == "diff" && given > 0) {
    for (const char* side : {"active", "standby", "previous", "disk"}) offer(side);
    return candidates;
  }
  candidates.apps = command != &app && command->get_option_no_throw("APP") != nullptr;
  return candidates;
}

}  // namespace moult::ctl
