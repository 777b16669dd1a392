#include "control/ctl/command_line.h"
#include "control/method.h"
#include "control/words.h"

#include <fmt/ranges.h>

#include <charconv>
#include <cmath>

namespace moult::ctl {

namespace {

constexpr const char* kFooter =
    "Apps are named one by one or by pattern ('shop-*'); where one app is wanted it may be left out\n"
    "when the daemon serves only one.\n"
    "Exit codes: 0 done, 1 failed, 2 usage, 3 not running, 4 no such app, 5 config invalid, 6 new code\n"
    "rejected while the old one serves, 7 no daemon, 8 denied, 124 timed out, 130 interrupted.";
constexpr const char* kSeeHelp = "\n  `moultctl --help` lists the commands";

Quit usage(std::string text) { return Quit{2, "moultctl: " + std::move(text) + "\n"}; }

constexpr std::string_view kNoCommand = "A subcommand is required";  // CLI11's RequiredError

// What CLI11 does not say by itself: that a command is unknown, and the nearest one.
std::string describe(const CLI::App& app, const std::vector<std::string>& arguments,
                     const std::string& otherwise) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands({})) {
    if (!command->get_group().empty()) names.push_back(command->get_name());
  }
  for (auto at = arguments.begin(); at != arguments.end(); ++at) {
    const std::string& word = *at;
    if (word.starts_with("-")) {
      if (takes_value(&app, word) && at + 1 != arguments.end()) ++at;
      continue;
    }
    if (const CLI::App* command = find_command(app, word)) {
      const bool has_more = !command->get_subcommands({}).empty();
      return has_more ? describe(*command, {at + 1, arguments.end()}, otherwise) : otherwise;
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

// `help nosuch`: CLI11 would give the help of what it knows before that word.
bool names_a_command(const CLI::App& app, const std::vector<std::string>& arguments) {
  const CLI::App* command = &app;
  for (auto at = arguments.begin(); at != arguments.end() && !command->get_subcommands({}).empty(); ++at) {
    if (at->starts_with("-")) {
      if (takes_value(command, *at) && at + 1 != arguments.end()) ++at;
      continue;
    }
    command = find_command(*command, *at);
    if (command == nullptr) return false;
  }
  return true;
}

// `--json` counts in an answer to a wrong command line, too, wherever it stands.
bool wants_json(const std::vector<std::string>& arguments) {
  return std::find(arguments.begin(), arguments.end(), "--json") != arguments.end();
}

// -n of logs: what the daemon has at hand.
std::optional<Quit> check_lines(const Options& options) {
  if (options.command != "logs") return std::nullopt;
  if (options.lines > control::kLogLinesMost) {
    return usage(
        fmt::format("-n,--lines: {} is more than the {} that are at hand; the file has more: "
                    "`moultctl show APP -p log_file`",
                    options.lines, control::kLogLinesMost));
  }
  if (options.lines == 0 && !options.follow)
    return usage("-n,--lines: 0 means only what comes, and goes with -f alone");
  return std::nullopt;
}

std::variant<Options, Quit> parse(const std::vector<std::string>& arguments) {
  Options options;
  std::string timeout;
  CLI::App app("Looks at and steers the apps that moultd serves.", "moultctl");
  app.set_version_flag("--version", std::string("moultctl " MOULT_VERSION));
  app.footer(kFooter);
  app.require_subcommand(1);
  add_globals(app, options, timeout);
  add_commands(app, options);
  if (!arguments.empty() && arguments[0] == "__complete") {  // its words are not ours to judge
    options.command = "__complete";
    options.words.assign(arguments.begin() + 1, arguments.end());
    if (!options.words.empty() && options.words[0] == "--") options.words.erase(options.words.begin());
    return options;
  }
  try {
    app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));  // CLI11 wants them backwards
  } catch (const CLI::CallForHelp&) {
    if (!names_a_command(app, arguments)) return usage(describe(app, arguments, "") + kSeeHelp);
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
    return usage(describe(app, arguments, error.what()) + kSeeHelp);
  }
  if (!timeout.empty()) {
    options.timeout = parse_seconds(timeout);
    if (!options.timeout) return usage(fmt::format("--timeout: `{}` is no time (30, 500ms, 2min)", timeout));
  }
  if (options.all && !options.apps.empty()) return usage("either name apps or give --all");
  if (auto quit = split_rollback(options)) return std::move(*quit);
  if (auto quit = split_diff(options)) return std::move(*quit);
  if (auto quit = complete_wait(options)) return std::move(*quit);
  if (auto quit = check_lines(options)) return std::move(*quit);
  return options;
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
  auto parsed = parse(help_as_option(words));
  if (auto* quit = std::get_if<Quit>(&parsed)) quit->json = quit->code != 0 && wants_json(words);
  return parsed;
}

Candidates complete(const std::vector<std::string>& words) {
  Options options;
  std::string timeout;
  CLI::App app("", "moultctl");
  add_globals(app, options, timeout);
  add_commands(app, options);
  const std::string under_way = words.empty() ? "" : words.back();
  const CLI::App* command = &app;
  bool value_wanted = false;
  std::size_t given = 0;  // words that belong to the command
  for (std::size_t i = 0; i + 1 < words.size(); ++i) {
    if (value_wanted) {
      value_wanted = false;
    } else if (words[i].starts_with("-")) {
      value_wanted = takes_value(command, words[i]);
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
