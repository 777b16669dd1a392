#include "daemon/config/env_file.h"

#include "config_folder.h"

using namespace moult;

namespace {

using Variables = std::map<std::string, std::string>;

Variables parsed(std::string_view text) {
  const auto variables = parse_env_file(text, "/x/.env");
  REQUIRE(variables);
  return *variables;
}

Error error_in(std::string_view text) {
  const auto variables = parse_env_file(text, "/x/.env");
  REQUIRE_FALSE(variables);
  CHECK(variables.error().file == "/x/.env");
  return variables.error();
}

}  // namespace

TEST_CASE("an env file holds lines of KEY=VALUE, comments and exports") {
  CHECK(parsed("\xEF\xBB\xBF# first\n\nA=1\n  export B = two words # why\r\nexport=x\nC=\nD=a#b\nE=#c")
            .size() == 6);
  const Variables all = parsed("A=1\n  export B = two words # why\r\nexport=x\nC=\nD=a#b\nE=#c\nA=$HOME");
  CHECK(all ==
        Variables{{"A", "$HOME"}, {"B", "two words"}, {"export", "x"}, {"C", ""}, {"D", "a#b"}, {"E", ""}});
  CHECK(parsed("").empty());
}

TEST_CASE("quotes keep what is in them") {
  const Variables all =
      parsed("A=' x # $Y \\n'\nB=\"a\\nb\\t\\\"c\\\\ \\$d \\e\" # more\nC=\"two\nlines\"\nD=''\nE=it's\n");
  CHECK(all.at("A") == " x # $Y \\n");
  CHECK(all.at("B") == "a\nb\t\"c\\ $d \\e");
  CHECK(all.at("C") == "two\nlines");
  CHECK(all.at("D").empty());
  CHECK(all.at("E") == "it's");
}

TEST_CASE("a mistake in an env file is told with its line") {
  CHECK(error_in("A=1\nB\n").line == 2);
  CHECK(error_in("A=\"x\ny\"\n=1\n").line == 3);
  CHECK(error_in("1A=2").line == 1);
  const Error open = error_in("A=1\n\nB=\"x\ny\n");
  CHECK(open.line == 3);
  CHECK(contains(open.message, "not closed"));
  CHECK(error_in("A=\"x\" y").line == 1);
  CHECK(error_in(std::string_view("A=\0", 3)).line == 1);
}

TEST_CASE("env_file is read with the config, and its mistakes are the config's") {
  ConfigFolder folder;
  folder.app("blog", "env_file = \"../../.env\"\n");
  CHECK(contains(error_of(folder).message, "env_file: " + folder.path(".env")));
  folder.file(".env", "A=1\nB 2\n");
  const Error error = error_of(folder);
  CHECK(error.file == folder.path(".env"));
  CHECK(error.line == 2);
  folder.file(".env", "A=1\n");
  const auto config = load_config(folder.config());
  REQUIRE(config);
  CHECK(config->apps.front().env_file == folder.path(".env"));
  CHECK(config->apps.front().env.empty());
  CHECK_FALSE(read_env_file("/dev/null"));
}
