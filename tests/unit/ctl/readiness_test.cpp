#include "control/ctl/readiness.h"

#include "control/ctl/checks.h"
#include "control/ctl/invocation.h"
#include "control/ctl/places.h"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

using namespace moult;
using namespace moult::ctl;
using Words = std::vector<std::string>;

namespace {

Json apps(const std::map<std::string, std::string>& states) {
  Json list = Json::array();
  for (const auto& [name, state] : states) list.push_back({{"name", name}, {"state", state}});
  return Json{{"apps", list}};
}

std::string status_of(const Json& check) { return check["status"]; }

}  // namespace

TEST_CASE("a daemon is ready when no app is starting any more") {
  CHECK_FALSE(readiness_of(apps({{"a", "running"}, {"b", "starting"}})).is_settled());
  const Readiness settled = readiness_of(
      apps({{"a", "running"}, {"b", "failed"}, {"c", "degraded"}, {"d", "stopped"}, {"e", "backoff"}}));
  CHECK(settled.is_settled());
  CHECK(settled.served == 2);
  CHECK(settled.failed == Words{"b", "e"});
  CHECK(settled.degraded == Words{"c"});
  CHECK(readiness_of(Json::object()).is_settled());
}

TEST_CASE("the reason is the rejected generation, and its code says whether anything serves") {
  Json page{{"name", "blog"},
            {"state", "failed"},
            {"generation", nullptr},
            {"rejected",
             {{"generation", 1}, {"error", "Boom"}, {"traceback", "T"}, {"file", "/a.py"}, {"line", 3}}},
            {"hints", {"mend it", "x"}}};
  const Error nothing_serves = reason_from(page);
  CHECK(nothing_serves.code == ErrorCode::failed);
  CHECK(nothing_serves.message == "blog: generation 1 was rejected: Boom");
  CHECK(nothing_serves.detail == "T");
  CHECK(nothing_serves.line == 3);
  CHECK(nothing_serves.hint == "mend it");
  page["generation"] = 4;
  CHECK(reason_from(page).code == ErrorCode::code_rejected);
  CHECK(reason_from({{"name", "blog"}, {"state", "backoff"}, {"note", "its host died"}}).message ==
        "blog is backoff: its host died");
}

TEST_CASE("a daemon's log is shown as text, its last lines alone") {
  const std::string log =
      "{\"time\":\"t\",\"level\":\"info\",\"message\":\"one\"}\n"
      "{\"time\":\"t\",\"level\":\"error\",\"message\":\"no config\",\"file\":\"/c\"}\nplain\n";
  CHECK(readable_log(log, 2) == "error: no config file=/c\nplain\n");
  CHECK(readable_log(log, 9) == "one\nerror: no config file=/c\nplain\n");
  CHECK(readable_log("", 9).empty());
}

TEST_CASE("code 6 is for old code that serves on, and the gravest of several codes is told") {
  const Error rejected{ErrorCode::code_rejected, "x"};
  CHECK(exit_code_of(rejected, {{"serving", 14}}) == 6);
  CHECK(exit_code_of(rejected, {{"serving", nullptr}}) == 1);
  CHECK(exit_code_of(rejected, Json()) == 6);
  CHECK(exit_code_of(Error{ErrorCode::timed_out, "x"}, Json()) == 124);
  CHECK(graver(0, 6) == 6);
  CHECK(graver(6, 0) == 6);
  CHECK(graver(6, 1) == 1);
  CHECK(graver(3, 124) == 3);
}

TEST_CASE("the state folder follows XDG, and a daemon gets what cron leaves out") {
  control::Surroundings cron{{}, 1000, "/home/ann", "web1"};
  CHECK(state_folder(cron) == "/home/ann/.local/state/moult");
  cron.environment = {{"XDG_STATE_HOME", "/state"}, {"INVOCATION_ID", "x"}, {"LANG", "C"}};
  CHECK(state_folder(cron) == "/state/moult");
  const auto environment = daemon_environment(cron, "/x/s");
  CHECK(environment.at("HOME") == "/home/ann");
  CHECK(environment.at("MOULT_SOCKET") == "/x/s");
  CHECK(environment.at("LANG") == "C");
  CHECK(environment.contains("PATH"));
  CHECK_FALSE(environment.contains("INVOCATION_ID"));
  cron.environment["XDG_STATE_HOME"] = "relative";
  CHECK(state_folder(cron) == "/home/ann/.local/state/moult");
  CHECK(state_folder({{}, 1000, "", "web1"}).empty());
}

TEST_CASE("doctor judges inotify and the socket") {
  CHECK(status_of(check_inotify(std::nullopt)) == "warning");
  CHECK(status_of(check_inotify(InotifyFacts{65536, 128, 3})) == "ok");
  CHECK(status_of(check_inotify(InotifyFacts{1024, 128, 3})) == "warning");
  CHECK(status_of(check_inotify(InotifyFacts{65536, 128, 127})) == "warning");
  CHECK(status_of(check_socket(SocketFacts{"/s", 0600, 0700, true})) == "ok");
  CHECK(status_of(check_socket(SocketFacts{"/s", 0666, 0700, true})) == "warning");
  CHECK(status_of(check_socket(SocketFacts{"/s", 0600, 0777, true})) == "warning");
  CHECK(status_of(check_socket(SocketFacts{"/s", 0600, 0700, false})) == "error");
  CHECK(check_socket(SocketFacts{"/s", 0600, 0700, false})["hint"].get<std::string>().find("remove") ==
        std::string::npos);  // theirs may be in use
}
