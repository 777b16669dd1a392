#include "daemon/config/options.h"

#include "config_folder.h"

#include <initializer_list>

using namespace moult;

namespace {

std::variant<DaemonOptions, CommandLineAnswer> parse(std::initializer_list<const char*> arguments) {
  std::vector<const char*> argv{"moultd"};
  argv.insert(argv.end(), arguments);
  return parse_options(static_cast<int>(argv.size()), argv.data());
}

DaemonOptions options_of(std::initializer_list<const char*> arguments) {
  const auto parsed = parse(arguments);
  REQUIRE(std::holds_alternative<DaemonOptions>(parsed));
  return std::get<DaemonOptions>(parsed);
}

CommandLineAnswer answer_of(std::initializer_list<const char*> arguments) {
  const auto parsed = parse(arguments);
  REQUIRE(std::holds_alternative<CommandLineAnswer>(parsed));
  return std::get<CommandLineAnswer>(parsed);
}

}  // namespace

TEST_CASE("without arguments the daemon serves the default config") {
  const DaemonOptions options = options_of({});
  CHECK(options.command == DaemonCommand::serve);
  CHECK(options.config.empty());
  CHECK(options.log_format == Log::Format::automatic);
  CHECK(options.log_level == LogLevel::info);
}

TEST_CASE("the options of the daemon are read before and after a command") {
  const DaemonOptions serve =
      options_of({"--config", "/c", "--log-format", "json", "--log-level", "debug", "--state", "/s"});
  CHECK(serve.config == "/c");
  CHECK(serve.state == "/s");
  CHECK(serve.log_format == Log::Format::json);
  CHECK(serve.log_level == LogLevel::debug);
  CHECK(options_of({"run", "app.py", "--log-level", "error"}).log_level == LogLevel::error);
}

TEST_CASE("run takes a target and its options") {
  const DaemonOptions options = options_of({"run", "app.py:make", "--listen", "127.0.0.1:9", "--threads", "3",
                                            "--python", "/usr/bin/python3", "--name", "shop"});
  CHECK(options.command == DaemonCommand::run);
  CHECK(options.run.target == "app.py:make");
  CHECK(options.run.listen == std::vector<std::string>{"127.0.0.1:9"});
  CHECK(options.run.threads == 3);
  CHECK(options.run.python == "/usr/bin/python3");
  CHECK(options.run.name == "shop");
}

TEST_CASE("run takes routes and static folders as often as they are written") {
  const DaemonOptions options =
      options_of({"run", "app.py", "--venv", "v", "--isolation", "process", "--route", "/a", "--static",
                  "/s/=x", "--route", "/b", "--static", "/t/=y", "--env-file", ".env", "--debug", "--quiet"});
  CHECK(options.run.venv == "v");
  CHECK(options.run.isolation == "process");
  CHECK(options.run.routes == std::vector<std::string>{"/a", "/b"});
  CHECK(options.run.static_folders == std::vector<std::string>{"/s/=x", "/t/=y"});
  CHECK(options.run.env_file == ".env");
  CHECK(options.run.debug);
  CHECK(options.run.quiet);
  // An option takes one word: the target may follow.
  CHECK(options_of({"run", "--route", "/a", "app.py"}).run.target == "app.py");
}

TEST_CASE("check takes an optional config") {
  CHECK(options_of({"check"}).command == DaemonCommand::check);
  CHECK(options_of({"check", "/etc/m"}).config == "/etc/m");
}

TEST_CASE("help and version are answers for stdout") {
  CHECK(answer_of({"--version"}).text == "moultd " MOULT_VERSION "\n");
  CHECK(answer_of({"--version"}).exit_code == 0);
  const CommandLineAnswer help = answer_of({"--help"});
  CHECK(help.exit_code == 0);
  CHECK(contains(help.text, "run"));
  CHECK(contains(help.text, "check"));
  CHECK(contains(answer_of({"run", "--help"}).text, "--threads"));
}

TEST_CASE("a wrong command line is exit code 2 with a reason") {
  for (const auto& arguments : {std::vector<const char*>{"--nonsense"},
                                {"run"},
                                {"run", "a.py", "--threads", "0"},
                                {"run", "a.py", "--threads", "x"},
                                {"run", "a.py", "b.py"},
                                {"--log-format", "xml"},
                                {"check", "a", "b"},
                                {"serve"}}) {
    std::vector<const char*> argv{"moultd"};
    argv.insert(argv.end(), arguments.begin(), arguments.end());
    CAPTURE(argv.back());
    const auto parsed = parse_options(static_cast<int>(argv.size()), argv.data());
    REQUIRE(std::holds_alternative<CommandLineAnswer>(parsed));
    CHECK(std::get<CommandLineAnswer>(parsed).exit_code == 2);
    CHECK_FALSE(std::get<CommandLineAnswer>(parsed).text.empty());
  }
}

TEST_CASE("a wrong command line is told as every other error, with a hint") {
  CHECK(answer_of({"run"}).text ==
        "moultd: name what is to be served\n  moultd run PATH[:CALLABLE]: a file, a folder or a module\n");
  for (const char* threads : {"0", "251", "256"}) {
    CAPTURE(threads);
    const std::string text = answer_of({"run", "a.py", "--threads", threads}).text;
    CHECK(text.starts_with("moultd: --threads"));
    CHECK(contains(text, "250"));
    CHECK(contains(text, "\n  `moultd run --help` lists the options\n"));
  }
  CHECK(options_of({"run", "a.py", "--threads", "250"}).run.threads == 250);
  CHECK(answer_of({"--log-format", "xml"}).text.starts_with("moultd: --log-format"));
}

TEST_CASE("a folder in the place of a command is explained") {
  ConfigFolder folder;
  folder.app("blog");
  const std::string config = folder.config();
  const CommandLineAnswer as_config = answer_of({config.c_str()});
  CHECK(as_config.exit_code == 2);
  CHECK(contains(as_config.text, "did you mean `moultd --config " + config + "`?"));
  CHECK(contains(answer_of({"/usr/bin"}).text, "did you mean `moultd run /usr/bin`?"));
  CHECK(contains(answer_of({"serve"}).text, "there is no command `serve`"));
  CHECK(contains(answer_of({"run", "a.py", "b.py"}).text, "unexpected argument: b.py"));
}

TEST_CASE("check prints one OK line or every error with its hint") {
  ConfigFolder folder;
  folder.app("blog");
  const CommandLineAnswer good = check_config(folder.config(), "");
  CHECK(good.exit_code == 0);
  CHECK(good.text == "OK: 1 app in " + folder.config() + "\n");
  CHECK(check_config("", folder.config()).text == good.text);
  CHECK(check_config(folder.path("config/apps/blog.toml"), "").text == good.text);

  const std::string file = folder.app("blog", "thread = 3\n");
  const CommandLineAnswer bad = check_config(folder.config(), "");
  CHECK(bad.exit_code == 5);
  CHECK(bad.text == file + ":2: thread: unknown key (column 1)\n    did you mean `threads`?\n1 error\n");
}
