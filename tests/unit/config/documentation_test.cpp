#include "daemon/config/describe.h"

#include "config_folder.h"

#include <fmt/format.h>

#include <sstream>

using namespace moult;

namespace {

std::string documentation() {
  const auto text = read_file(std::filesystem::path(MOULT_SOURCE_DIR) / "docs/configuration.md");
  REQUIRE(text);
  return *text;
}

// The table rows of the part of the documentation from `heading` on to the next of its level.
std::vector<std::string> rows_below(const std::string& heading) {
  std::istringstream text(documentation());
  std::vector<std::string> rows;
  bool inside = false;
  for (std::string line; std::getline(text, line);) {
    if (line.starts_with("## ")) inside = line.starts_with("## " + heading);
    if (inside && line.starts_with("| `")) rows.push_back(line);
  }
  return rows;
}

void check_rows(const std::vector<SettingText>& settings, const std::vector<std::string>& rows) {
  for (const auto& [key, value] : settings) {
    CAPTURE(key);
    const auto row = std::find_if(rows.begin(), rows.end(), [&](const std::string& line) {
      return contains(line.substr(0, line.find('|', 1)), fmt::format("`{}`", key));
    });
    REQUIRE(row != rows.end());
    CHECK_MESSAGE(contains(*row, fmt::format("| {} |", key == "tree" ? "required" : "`" + value + "`")),
                  *row);
  }
}

}  // namespace

TEST_CASE("every key of the daemon is documented with its default") {
  const ConfigFolder folder;
  const auto config = load_config(folder.config());
  REQUIRE(config);
  check_rows(describe_daemon(config->daemon), rows_below("moult.toml"));
}

TEST_CASE("every key of an app is documented with its default") {
  check_rows(describe_app(AppConfig{}), rows_below("apps/NAME.toml"));
}

TEST_CASE("no key is documented that does not exist") {
  std::vector<std::string> known = app_keys();
  for (const std::string& key : daemon_keys()) known.push_back(key);
  known.emplace_back("[defaults]");
  for (const std::string heading : {"moult.toml", "apps/NAME.toml"}) {
    for (const std::string& row : rows_below(heading)) {
      const std::string key = row.substr(3, row.find('`', 3) - 3);
      CHECK_MESSAGE(std::count(known.begin(), known.end(), key) > 0, key);
    }
  }
}
