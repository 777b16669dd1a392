#include "control/checks.h"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

using namespace moult::control;

namespace {

std::string status_of(const Json& check) { return check["status"].get<std::string>(); }

}  // namespace

TEST_CASE("limits, room on the disk and modules are judged alike with and without a daemon") {
  CHECK(status_of(check_open_files(std::nullopt)) == "ok");
  CHECK(status_of(check_open_files(256)) == "warning");
  CHECK(status_of(check_processes(30)) == "warning");
  CHECK(status_of(check_processes(4096)) == "ok");
  CHECK(status_of(check_state_folder(std::nullopt)) == "error");
  CHECK(status_of(check_state_folder(DiskFacts{"/s", 1u << 30, 10000})) == "ok");
  CHECK(status_of(check_state_folder(DiskFacts{"/s", 100u << 20, 10000})) == "warning");
  CHECK(status_of(check_state_folder(DiskFacts{"/s", 1u << 20, 10000})) == "error");
  CHECK(status_of(check_state_folder(DiskFacts{"/s", 1u << 30, 10})) == "error");
  CHECK(status_of(check_state_folder(DiskFacts{"/s", 1u << 30, 10000, "/s cannot be written"})) == "error");
  CHECK(status_of(check_modules({})) == "error");
  CHECK(status_of(check_modules({"_moult_host.so"})) == "ok");
}
