#include "config_folder.h"

using namespace moult;

namespace {

// The one error of an app that has `line` below its tree.
Error error_in_app(const std::string& line) {
  ConfigFolder folder;
  folder.app("blog", line + "\n");
  CAPTURE(line);
  return error_of(folder);
}

}  // namespace

TEST_CASE("an unknown key names its place and the nearest known key") {
  const Error error = error_in_app("  thraeds = 4");
  CHECK(error.line == 2);
  CHECK(error.message == "thraeds: unknown key (column 3)");
  CHECK(error.hint == "did you mean `threads`?");
}

TEST_CASE("a key in the wrong file is sent to the right one") {
  CHECK(error_in_app("idle_timeout = 5").hint == "`idle_timeout` belongs in moult.toml");
  ConfigFolder folder;
  folder.file("config/moult.toml", "threads = 4\n");
  CHECK(error_of(folder).hint == "`threads` belongs in apps/NAME.toml, or in [defaults]");
}

TEST_CASE("a value of the wrong type or out of range is refused at its place") {
  struct Row {
    const char* line;
    const char* message;
  };
  const Row rows[] = {
      {"threads = \"4\"", "threads: must be an integer, not a string (column 11)"},
      {"threads = 0", "threads: 0 is not in 1 to 250 (column 11)"},
      {"threads = 251", "threads: 251 is not in 1 to 250 (column 11)"},
      {"interpreters = 65", "interpreters: 65 is not in 1 to 64 (column 16)"},
      {"debug = 1", "debug: must be true, false, \"on\" or \"off\", not an integer (column 9)"},
      {"settle = \"5 parsecs\"", "settle: \"5 parsecs\" is not a duration (column 10)"},
      {"settle = -1", "settle: must be a duration of 0 or more, not an integer (column 10)"},
      {"settle = \"2min\"", "settle: 2min is not in 0s to 1min (column 10)"},
      {"max_body = \"lots\"", "max_body: \"lots\" is not a size (column 12)"},
      {"max_body = 0", "max_body: 0 is not in 1 to 1TiB (column 12)"},
      {"gil = \"onw\"", "gil: \"onw\" is none of \"auto\", \"own\", \"shared\" (column 7)"},
      {"warmup = [\"/\", 3]", "warmup: must be a string, not an integer (column 16)"},
      {"warmup = [\"health\"]", "warmup: \"health\": not the path of a request (column 11)"},
      {"env = [\"A=1\"]", "env: must be a table, not a list (column 7)"},
      {"env = { A = 1 }", "env.A: must be a string, not an integer (column 13)"},
      {"entry = \"../x.py\"", "entry: \"../x.py\" does not lie in the tree (column 9)"},
      {"entry = \"not a module\"", "entry: \"not a module\" is neither a file nor a module (column 9)"},
      {"callable = \"make app\"", "callable: \"make app\" is not the name of a callable (column 12)"},
      {"python_flags = [\"x\"]", "python_flags: \"x\": not an option of Python (column 17)"},
      {"preload = [\"shop:total\"]", "preload: \"shop:total\": not the name of a module (column 12)"},
      {"preload = [\"a..b\"]", "preload: \"a..b\": not the name of a module (column 12)"},
      {"exports = [\"total\"]", "exports: \"total\": not the name of a function in a module (column 12)"},
      {"exports = [\":total\"]", "exports: \":total\": not the name of a function in a module (column 12)"},
      {"exports = [\"a:b:c\"]", "exports: \"a:b:c\": not the name of a function in a module (column 12)"},
      {"exports = [\"a:b.c\"]", "exports: \"a:b.c\": not the name of a function in a module (column 12)"},
      {"exports = [\"a b:c\"]", "exports: \"a b:c\": not the name of a function in a module (column 12)"},
      {"max_payload = 1023", "max_payload: 1023 is not in 1KiB to 1GiB (column 15)"},
      {"scratch_interpreters = 65", "scratch_interpreters: 65 is not in 0 to 64 (column 24)"},
      {"adopt = \"never\"", "adopt: \"never\" is none of \"optional\", \"required\" (column 9)"},
      {"group = \"A B\"", "group: \"A B\" is not the name of a group (column 9)"},
      {"path = 3", "path: must be a list of strings, not an integer (column 8)"},
      {"listen = { mode = \"0660\" }", "listen: the table needs `unix` (column 10)"},
      {"listen = { unix = \"s\", mode = \"rw\" }", "listen.mode: not the mode of a socket (column 31)"},
      {"listen = { unix = \"s\", mod = \"0660\" }", "listen.mod: unknown key (column 24)"},
      {"routes = [\"/a\", \"/a/\"]", "routes: \"/a/\" is there twice (column 17)"},
      {"static = { \"static\" = \"/\" }", "static.\"static\": not a prefix for static files (column 12)"},
      {"static = { \"/\" = \"/\" }", "static.\"/\": not a prefix for static files (column 12)"},
      {"python = \"no-such-python\"", "python: no executable \"no-such-python\" in PATH (column 10)"},
  };
  for (const Row& row : rows) {
    const Error error = error_in_app(row.line);
    CHECK(error.message == row.message);
    CHECK(error.line == 2);
  }
}

TEST_CASE("a duration without its quotes tells how durations are written") {
  CHECK(contains(error_in_app("settle = true").hint, "250ms"));
  CHECK(error_in_app("gil = \"onw\"").hint == "did you mean \"own\"?");
  CHECK(error_in_app("static = { \"static\" = \"/\" }").hint == "write \"/static/\"");
}

TEST_CASE("an app needs a tree that is a folder") {
  ConfigFolder folder;
  folder.file("config/apps/blog.toml", "threads = 4\n");
  CHECK(error_of(folder).message == "tree: missing");
  folder.file("config/apps/blog.toml", "tree = \"nowhere\"\n");
  const Error missing = error_of(folder);
  CHECK(contains(missing.message, folder.path("config/apps/nowhere") + ": No such file"));
  CHECK(contains(missing.hint, "relative paths start at"));
  folder.file("config/apps/blog.toml", "tree = \"blog.toml\"\n");
  CHECK(contains(error_of(folder).message, "not a folder"));
  folder.file("config/apps/blog.toml", "tree = \"~other/x\"\n");
  CHECK(contains(error_of(folder).message, "only ~ and ~/"));
}

TEST_CASE("a folder is no virtual environment without its parts") {
  ConfigFolder folder;
  folder.app("blog", "venv = \"../../trees/blog\"\n");
  CHECK(contains(error_of(folder).message, "pyvenv.cfg"));
  folder.file("trees/blog/pyvenv.cfg", "");
  const Error error = error_of(folder);
  CHECK(contains(error.message, "bin/python"));
  CHECK(contains(error.hint, "python3 -m venv"));
}

TEST_CASE("a python must be executable, and a folder is pointed to venv") {
  ConfigFolder folder;
  folder.file("plain", "text");
  folder.app("blog", "python = \"../../plain\"\n");
  CHECK(contains(error_of(folder).message, "not an executable file"));
  folder.app("blog", "python = \"../../trees\"\n");
  CHECK(contains(error_of(folder).hint, "`venv`"));
}

TEST_CASE("the name of a file must be the name of an app") {
  ConfigFolder folder;
  folder.app("Blog");
  CHECK(contains(error_of(folder).hint, "rename the file"));
  std::filesystem::remove(folder.path("config/apps/Blog.toml"));
  folder.app(std::string(65, 'a'));
  CHECK(contains(error_of(folder).message, "is not the name of an app"));
  std::filesystem::remove(folder.path("config/apps/" + std::string(65, 'a') + ".toml"));
  folder.app(std::string(64, 'a'));
  CHECK(errors_of(folder).empty());
}

TEST_CASE("route and routes together are one setting too many") {
  const Error error = error_in_app("route = \"/a\"\nroutes = [\"/b\"]");
  CHECK(error.line == 3);
  CHECK(contains(error.message, "the same setting"));
}

TEST_CASE("settings that contradict each other are refused") {
  CHECK(contains(error_in_app("settle = \"10s\"").message, "longer than settle_max"));
  CHECK(contains(error_in_app("threads = 250\ninterpreters = 5").message, "more than 1024 workers"));
  CHECK(contains(error_in_app("gil = \"own\"\nisolation = \"process\"").message, "no meaning"));
}

TEST_CASE("wrong proxies and growth of the daemon are refused") {
  ConfigFolder folder;
  folder.file("config/moult.toml",
              "trusted_proxies = [\"10.0.0.0/33\"]\nhost_memory_growth = 5\n[defaults]\nhosts = 3\n");
  const ConfigErrors errors = errors_of(folder);
  REQUIRE(errors.size() == 3);
  CHECK(contains(errors[0].message, "no address of a proxy"));
  CHECK(contains(errors[1].message, "less than 16MiB"));
  CHECK(contains(errors[2].hint, "above [defaults]"));
}
