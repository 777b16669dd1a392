// The only file of the daemon that includes CLI11: it costs 8 s to compile.
#include "daemon/config/options.h"

#include "daemon/config/config.h"

#include <fmt/ranges.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <filesystem>
#include <sstream>
#include <string>

namespace moult {

namespace {

// The texts of options that become enums.
struct LogTexts {
  std::string format = "auto";
  std::string level = "info";
};

Log::Format format_of(const std::string& text) {
  if (text == "human") return Log::Format::human;
  return text == "json" ? Log::Format::json : Log::Format::automatic;
}

LogLevel level_of(const std::string& text) {
  for (const LogLevel level : {LogLevel::debug, LogLevel::warning, LogLevel::error}) {
    if (text == to_string(level)) return level;
  }
  return LogLevel::info;
}

void add_common(CLI::App& app, DaemonOptions& options, LogTexts& log) {
  app.add_option("--config", options.config, "Config folder (default ~/.config/moult)")->type_name("DIR");
  app.add_option("--state", options.state, "Folder for snapshots and logs (default ~/.local/state/moult)")
      ->type_name("DIR");
  app.add_option("--log-format", log.format, "Lines for people or JSON objects (default: by terminal)")
      ->check(CLI::IsMember({"human", "json", "auto"}))
      ->type_name("WORD");
  app.add_option("--log-level", log.level, "Least level that is logged (default info)")
      ->check(CLI::IsMember({"debug", "info", "warning", "error"}))
      ->type_name("WORD");
}

void add_run(CLI::App& run, RunOptions& options) {
  run.add_option("target", options.target, "A file, a folder or a module, with :CALLABLE where needed")
      ->required()
      ->type_name("PATH[:CALLABLE]");
  run.add_option("--listen", options.listen,
                 "HOST:PORT or unix:PATH, also behind fcgi:, scgi: or uwsgi:; again for more (default "
                 "127.0.0.1:8000)")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->type_name("ADDRESS");
  run.add_option("--threads", options.threads, "Requests served at the same time (default 4)")
      ->check(CLI::Range(1, kThreadsMax))
      ->type_name("N");
  run.add_option("--venv", options.venv, "Virtual environment (default: activated, .venv, venv)")
      ->type_name("DIR");
  run.add_option("--python", options.python, "Python to run it with (default python3 of PATH)")
      ->type_name("EXE");
  run.add_option("--isolation", options.isolation, "Where it runs (default auto)")
      ->type_name("auto|interpreter|process");
  run.add_option("--route", options.routes,
                 "Host name and path prefix, may be repeated (default: everything)")
      ->type_name("ROUTE")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  run.add_option("--static", options.static_folders, "Folder that moultd serves below URL, may be repeated")
      ->type_name("URL=DIR")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  run.add_option("--env-file", options.env_file, "Environment variables, KEY=VALUE lines")->type_name("FILE");
  run.add_flag("--debug", options.debug, "Show tracebacks to the client");
  run.add_flag("--quiet", options.quiet, "No line per request");
  run.add_option("--name", options.name, "Name of the app (default: from the path)")->type_name("NAME");
}

// People type what other servers take: `moultd ~/apps`.
std::string explain_extras(const std::vector<std::string>& extras, const DaemonOptions& options) {
  const auto stray = std::find_if(extras.begin(), extras.end(),
                                  [](const std::string& text) { return !text.starts_with("-"); });
  if (stray == extras.end() || !options.run.target.empty()) return {};
  std::error_code error;
  const std::filesystem::path path(*stray);
  const bool is_config = std::filesystem::exists(path / "moult.toml", error) ||
                         std::filesystem::is_directory(path / "apps", error);
  if (!is_config && !std::filesystem::exists(path, error))
    return fmt::format(
        "moultd: there is no command `{}`\n  `moultd run APP` serves one app, `moultd --help` lists the "
        "rest\n",
        *stray);
  return fmt::format("moultd: `{0}` is no command\n  did you mean `moultd {1} {0}`?\n", *stray,
                     is_config ? "--config" : "run");
}

std::string explain(const CLI::ParseError& error, bool is_run) {
  if (is_run && dynamic_cast<const CLI::RequiredError*>(&error) != nullptr)
    return "moultd: name what is to be served\n  moultd run PATH[:CALLABLE]: a file, a folder or a module\n";
  return fmt::format("moultd: {}\n  `moultd{} --help` lists the options\n", error.what(),
                     is_run ? " run" : "");
}

}  // namespace

std::variant<DaemonOptions, CommandLineAnswer> parse_options(int argc, const char* const* argv) {
  DaemonOptions options;
  CLI::App app("Serves Python web apps and moves them to new code without a lost request.", "moultd");
  app.set_version_flag("--version", "moultd " MOULT_VERSION);
  app.require_subcommand(0, 1);
  app.fallthrough();
  app.footer(
      "Without a command it serves the apps of the config folder. docs/configuration.md has the settings.");
  LogTexts log;
  add_common(app, options, log);
  CLI::App* run =
      app.add_subcommand("run", "Serve one app without any config, reloaded when its code changes");
  add_run(*run, options.run);
  CLI::App* check = app.add_subcommand("check", "Check the config, list every error, exit 5 if there is one");
  check->add_option("config", options.config, "Config folder, or a file in it")->type_name("CONFIG");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ExtrasError&) {
    std::string text = *check ? "" : explain_extras(app.remaining(true), options);
    if (text.empty()) {
      text = fmt::format("moultd: unexpected argument: {}\n  `moultd --help` lists the options\n",
                         fmt::join(app.remaining(true), " "));
    }
    return CommandLineAnswer{std::move(text), 2};
  } catch (const CLI::ParseError& error) {
    std::ostringstream out, err;
    if (app.exit(error, out, err) == 0) return CommandLineAnswer{out.str(), 0};  // help, version
    return CommandLineAnswer{explain(error, run->parsed()), 2};
  }
  options.log_format = format_of(log.format);
  options.log_level = level_of(log.level);
  if (*run) options.command = DaemonCommand::run;
  if (*check) options.command = DaemonCommand::check;
  return options;
}

}  // namespace moult
