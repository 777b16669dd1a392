#include "control/ctl/pages.h"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

using namespace moult;
using namespace moult::ctl;

namespace {

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

Look at_noon() {
  Look look;
  look.now = *parse_rfc3339("2026-11-21T12:00:00.000Z");
  return look;
}

Json row(const std::string& name, const std::string& state) {
  return Json{{"name", name},
              {"state", state},
              {"generation", 14},
              {"isolation", "interpreter"},
              {"calls", {{"running", 2}, {"queued", 1}}},
              {"requests_per_second", 11.42},
              {"p95_seconds", 0.038},
              {"memory_bytes", 17301504},
              {"uptime_seconds", 183600.5},
              {"reloads", 13},
              {"note", ""}};
}

Json page_after_a_bad_deploy() {
  Json page = row("blog", "degraded");
  page["note"] = "generation 15 was rejected";
  page["entry"] = "wsgi.py";
  page["callable"] = "application";
  page["active"] = {{"generation", 14},
                    {"cause", "change"},
                    {"cause_detail", "views.py changed"},
                    {"since", "2026-11-21T11:00:00.000Z"},
                    {"snapshot", "5f0c1ea9"},
                    {"vcs_commit", "a1b2c3d"},
                    {"root", "/srv/blog"},
                    {"python", "3.11.2"},
                    {"host", 1},
                    {"host_pid", 4242},
                    {"make_seconds", 0.121}};
  page["rejected"] = {{"generation", 15},
                      {"time", "2026-11-21T11:59:57.000Z"},
                      {"cause", "change"},
                      {"cause_detail", ""},
                      {"stage", "import"},
                      {"error", "ImportError: No module named 'shopp'"},
                      {"file", "/srv/blog/views.py"},
                      {"line", 3},
                      {"traceback", "Traceback (most recent call last):\n  import shopp\nImportError"}};
  page["workers"] = {{"total", 4}, {"idle", 2}};
  page["hints"] = {"mend views.py", "moultctl rollback blog"};
  page["generations"] = {{{"generation", 14}, {"state", "active"}},
                         {{"generation", 13}, {"state", "draining"}, {"calls", 3}},
                         {{"generation", 12}, {"state", "retired"}}};
  return page;
}

}  // namespace

TEST_CASE("the list is an aligned table with an upper-case header") {
  const Json result{{"apps", {row("blog", "running"), row("a-long-name", "degraded")}}};
  const std::string table = list_table(result, Look{});
  CHECK(table ==
        "NAME         STATE     GEN  ISOLATION    CALLS  REQ/S   P95    MEM  UPTIME  RELOADS  NOTE\n"
        "blog         running    14  interpreter    2/1   11.4  38ms  16.5M    2d3h       13\n"
        "a-long-name  degraded   14  interpreter    2/1   11.4  38ms  16.5M    2d3h       13\n");
}

TEST_CASE("what an app does not have yet is a dash in the list") {
  const Json bare{{"name", "new"}, {"state", "starting"}, {"generation", nullptr}, {"p95_seconds", nullptr}};
  const std::string table = list_table({{"apps", {bare}}}, Look{});
  CHECK(contains(table, "new   starting    -  -            0/0      0    -    -       -        0\n"));
  CHECK(list_table({{"apps", Json::array()}}, Look{}) == "no apps\n");
}

TEST_CASE("a table keeps to the width of a terminal and never cuts the reason") {
  Json app = row("blog", "degraded");
  app["note"] =
      "generation 15 was rejected: ModuleNotFoundError: No module named 'a_module_with_a_long_name'";
  const Json result{{"apps", {app, row("shop", "running")}}};
  for (const int width : {40, 80, 100}) {
    CAPTURE(width);
    Look look;
    look.width = width;
    const std::string text = list_table(result, look);
    std::string words;
    std::size_t begin = 0;
    while (begin < text.size()) {
      const std::size_t end = text.find('\n', begin);
      const std::string line = text.substr(begin, end - begin);
      CHECK(display_width(line) <= static_cast<std::size_t>(width));
      if (line.starts_with("    ")) words += line.substr(words.empty() ? 4 : 3);
      begin = end + 1;
    }
    CHECK(words == app["note"].get<std::string>());
  }
  CHECK(contains(list_table(result, Look{}), "13  generation 15 was rejected"));
  Look narrow;
  narrow.width = 3;
  CHECK(list_table(result, narrow).starts_with("NA…\nbl…\n"));
}

TEST_CASE("colours are there only when they are asked for, and do not move columns") {
  const Json result{{"apps", {row("blog", "running")}}};
  CHECK_FALSE(contains(list_table(result, Look{}), "\x1b"));
  Look look;
  look.colour = true;
  CHECK(contains(list_table(result, look), "\x1b[32mrunning\x1b[0m   14"));
}

TEST_CASE("the status page after a failed deploy says what serves, what was rejected and what to do") {
  const std::string page = status_page(page_after_a_bad_deploy(), at_noon());
  CHECK(page.starts_with("blog  degraded: generation 15 was rejected\n"));
  CHECK(contains(page, "generation 14 since 2026-11-21 11:00:00Z (1h00m ago)"));
  CHECK(contains(page, "change (views.py changed), in 121ms"));
  CHECK(contains(page, "/srv/blog, wsgi.py:application, snapshot 5f0c1ea9, commit a1b2c3d"));
  CHECK(contains(page, "Python 3.11.2, sub-interpreter, shared GIL, host 1 (pid 4242), 4 workers (2 idle)"));
  CHECK(contains(page, "13 draining (3 calls)"));
  CHECK_FALSE(contains(page, "12 retired"));
  CHECK(contains(page, "rejected: generation 15\n"));
  CHECK(contains(page, "(3s ago)"));
  CHECK(contains(page, "/srv/blog/views.py:3"));
  CHECK(contains(page, "    Traceback (most recent call last):\n      import shopp\n"));
  CHECK(page.ends_with("what to do\n  - mend views.py\n  - moultctl rollback blog\n"));
}

TEST_CASE("a status page shows pins, freezes and attempts under way") {
  Json page = row("blog", "reloading");
  page["pinned_generation"] = 13;
  page["frozen"] = true;
  page["attempt"] = {{"generation", 16}, {"state", "warming"}, {"cause", "reload"}, {"cause_detail", ""}};
  const std::string text = status_page(page, Look{});
  CHECK(contains(text, "serves     nothing\n"));
  CHECK(contains(text, "to generation 13 until"));
  CHECK(contains(text, "not acted on"));
  CHECK(contains(text, "generation 16: warming, by reload"));
  CHECK_FALSE(contains(text, "rejected"));
}

TEST_CASE("an empty answer of another version still gives a page") {
  for (const Json& strange :
       {Json::object(), Json::array(), Json(), Json("x"), Json{{"active", 7}, {"hints", 3}}}) {
    CHECK_FALSE(status_page(strange, Look{}).empty());
    CHECK_FALSE(daemon_page(strange, Look{}).empty());
    CHECK_FALSE(list_table(strange, Look{}).empty());
    CHECK_FALSE(generations_table(strange, Look{}).empty());
    CHECK_FALSE(hosts_table(strange, Look{}).empty());
    CHECK_FALSE(why_page(strange, Look{}).empty());
    CHECK_FALSE(compat_page(strange, Look{}).empty());
    CHECK_FALSE(outcome_line(strange, Look{}).empty());
    CHECK_FALSE(version_page(strange, Look{}).empty());
    CHECK_FALSE(event_line(strange, Look{}).empty());
    CHECK_FALSE(log_line(strange, Look{}).empty());
    CHECK(config_page(strange, Look{}).empty());
    CHECK(doctor_table(strange, Look{}).empty());
  }
}

TEST_CASE("text of an app cannot steer the terminal") {
  Json page = page_after_a_bad_deploy();
  page["note"] = "\x1b[2J";
  page["rejected"]["traceback"] = "\x1b]0;title\x07";
  page["hints"] = {"\x1b[31m"};
  CHECK_FALSE(contains(status_page(page, at_noon()), "\x1b"));
  Json app = row("blog", "degraded");
  app["note"] = "two\nlines\x1b[0m";
  const std::string table = list_table({{"apps", {app}}}, Look{});
  CHECK_FALSE(contains(table, "\x1b"));
  CHECK(contains(table, "two lines"));
  Look terminal;
  terminal.terminal = true;
  CHECK_FALSE(contains(log_line(Json{{"text", "a\x1b[2J"}, {"stream", "stdout"}}, terminal), "\x1b"));
  CHECK_FALSE(
      contains(log_line(Json{{"text", "a\x1b[2J"}, {"stream", "stdout"}}, Look{}), "\x1b"));  // a pager
}

TEST_CASE("a line of the log names its generation, and none for what a spare wrote") {
  Json line{{"time", "2026-11-21T02:29:28.100Z"},
            {"app", "blog"},
            {"generation", 14},
            {"stream", "stdout"},
            {"text", "paid"}};
  CHECK(contains(log_line(line, Look{}), " blog/14 stdout  paid"));
  line["generation"] = nullptr;
  CHECK(contains(log_line(line, Look{}), " blog stdout  paid"));
}

TEST_CASE("the generations show errors of the rejected and who is pinned") {
  const Json result{
      {"pinned_generation", 13},
      {"generations",
       {{{"generation", 15},
         {"state", "rejected"},
         {"cause", "change"},
         {"cause_detail", "a.py"},
         {"error", "Boom"}},
        {{"generation", 13}, {"state", "active"}, {"cause", "rollback"}, {"served_seconds", 60}}}}};
  const std::string table = generations_table(result, Look{});
  CHECK(contains(table, "change (a.py); Boom"));
  CHECK(contains(table, "active (pinned)"));
  CHECK(contains(table, "1m00s"));
}

TEST_CASE("generations of one commit are told apart by their code") {
  const Json row{{"generation", 15}, {"snapshot", "5f0c1ea9b3d1"}, {"vcs_commit", "a1b2c3d"}};
  CHECK(contains(generations_table({{"generations", {row}}}, Look{}), " 5f0c1ea9b3d1 "));
}

TEST_CASE("commits of generations are shown where there is one") {
  Json row{{"generation", 15}, {"vcs_commit", "a1b2c3d4e5f6"}};
  const Json other{{"generation", 14}};
  CHECK(contains(generations_table({{"generations", {row, other}}}, Look{}), "COMMIT"));
  CHECK(contains(generations_table({{"generations", {row, other}}}, Look{}), " a1b2c3d4e5f6"));
  CHECK_FALSE(contains(generations_table({{"generations", {other}}}, Look{}), "COMMIT"));
}

TEST_CASE("imports are sorted as asked, and what is left out is counted") {
  Json modules{{{"module", "b"},
                {"total_seconds", 0.02},
                {"self_seconds", 0.001},
                {"kind", "source"},
                {"code", "cached"}},
               {{"module", "sys"}, {"total_seconds", nullptr}, {"kind", "built-in"}},
               {{"module", "a"}, {"total_seconds", 0.03}, {"self_seconds", 0.0005}, {"kind", "source"}},
               {{"module", "z"}, {"kind", "extension"}, {"file", "/z.so"}, {"error", "ImportError: no"}}};
  const auto names = [&](const std::string& by) {
    Json sorted = modules;
    sort_imports(sorted, by);
    std::string text;
    for (const Json& module : sorted) text += text_at(module, "module") + " ";
    return text;
  };
  CHECK(names("total") == "a b sys z ");
  CHECK(names("self") == "b a sys z ");
  CHECK(names("name") == "a b sys z ");
  CHECK(names("order") == "b sys a z ");
  const Json result{{"generation", 3}, {"cause", "start"}, {"modules", modules}, {"left_out", 0}};
  const std::string all = imports_table(result, 0, Look{});
  CHECK(contains(all, "20ms  1.0ms  b       source, cached"));
  CHECK(contains(all, "refused"));
  CHECK(contains(all, "/z.so: ImportError: no"));
  CHECK(contains(all, "generation 3 (start): 4 modules, imported in 1.5ms\n"));
  CHECK(contains(imports_table(result, 1, Look{}), "; 3 more with -n 0"));
}

TEST_CASE("what the next attempt waits for is said once") {
  const Json long_answer{
      {"app", "blog"}, {"answer", "generation 14 serves; waits: frozen"}, {"waiting_for", "frozen"}};
  CHECK(why_page(long_answer, Look{}) == "blog: generation 14 serves; waits: frozen\n");
  const Json short_answer{{"app", "blog"}, {"answer", "generation 14 serves"}, {"waiting_for", "frozen"}};
  CHECK(why_page(short_answer, Look{}) == "blog: generation 14 serves\nthe next attempt waits: frozen\n");
}

TEST_CASE("the daemon's page shows the errors of its config with what was meant") {
  const Json error{{"message", "thread: unknown key"},
                   {"file", "/c/a.toml"},
                   {"line", 2},
                   {"hint", "did you mean `threads`?"}};
  CHECK(contains(daemon_page({{"daemon", {{"config_errors", {error}}}}}, Look{}),
                 "  - /c/a.toml:2: thread: unknown key (did you mean `threads`?)\n"));
}

TEST_CASE("outcomes are sentences") {
  CHECK(outcome_line({{"app", "blog"},
                      {"outcome", "switched"},
                      {"generation", 15},
                      {"previous", 14},
                      {"elapsed_seconds", 0.14}},
                     Look{}) == "blog: generation 15 serves, generation 14 did before (140ms)\n");
  CHECK(outcome_line({{"app", "blog"}, {"outcome", "stopped"}, {"drain_killed", 2}}, Look{}) ==
        "blog: stopped; 2 calls interrupted\n");
  CHECK(outcome_line({{"app", "blog"}, {"outcome", "unchanged"}, {"state", "running"}}, Look{}) ==
        "blog: nothing to do, it is running\n");
  const Json thawed{{"app", "blog"}, {"outcome", "thawed"}, {"frozen", false}, {"reload", true}};
  CHECK(outcome_line(thawed, Look{}) == "blog: thawed: changes are acted on\n");
  const Json off{{"app", "blog"}, {"outcome", "thawed"}, {"frozen", false}, {"reload", false}};
  CHECK(contains(outcome_line(off, Look{}), "thawed, but reload is off: `moultctl reload`"));
  CHECK(contains(outcome_line({{"app", "blog"},
                               {"outcome", "switched"},
                               {"generation", 16},
                               {"from_generation", 13},
                               {"previous", 15},
                               {"pinned_generation", 16}},
                              Look{}),
                 "generation 16 (the code of 13) serves"));
}

TEST_CASE("an error names app, place, traceback and what to do") {
  const Error error{
      ErrorCode::code_rejected, "generation 15 was rejected: Boom", "Traceback\n  x", "/a.py", 3, "mend"};
  CHECK(
      error_text(error, {{"app", "blog"}}, Look{}) ==
      "moultctl: blog: generation 15 was rejected: Boom\n  at /a.py:3\n\n    Traceback\n      x\n\n  mend\n");
  CHECK(error_text(Error{ErrorCode::failed, "blog is gone"}, {{"app", "blog"}}, Look{}) ==
        "moultctl: blog is gone\n");
}

TEST_CASE("all errors of a config are shown, each with its place") {
  const Json data{
      {"errors",
       {{{"message", "unknown key `thread`"}, {"file", "/c/a.toml"}, {"line", 2}, {"hint", "threads"}},
        {{"message", "no tree"}}}}};
  CHECK(error_text(Error{ErrorCode::config_invalid, "2 errors"}, data, Look{}) ==
        "moultctl: /c/a.toml:2: unknown key `thread` (threads)\nmoultctl: no tree\n");
}

TEST_CASE("settings are shown as TOML") {
  const Json result{
      {"sections",
       {{{"name", ""}, {"file", "/c/moult.toml"}, {"settings", {{{"key", "hosts"}, {"value", "2"}}}}},
        {{"name", "blog"}, {"settings", {{{"key", "threads"}, {"value", "4"}, {"default", true}}}}}}}};
  CHECK(config_page(result, Look{}) ==
        "# the daemon: /c/moult.toml\nhosts = 2\n\n# app blog\nthreads = 4  # default\n");
}

TEST_CASE("an event is a line, and a gap says what is lost") {
  CHECK(event_line({{"event", "generation.active"},
                    {"time", "2026-11-21T02:29:29.123Z"},
                    {"app", "blog"},
                    {"data", {{"generation", 15}, {"note", ""}}}},
                   Look{}) == "2026-11-21 02:29:29Z  generation.active  blog generation=15\n");
  CHECK(contains(event_line({{"event", "gap"}, {"lost", 7}}, Look{}), "7 older events lost"));
  CHECK(contains(event_line({{"event", "gap"}, {"lost", nullptr}}, Look{}), "older events lost"));
}

TEST_CASE("the table of calls names each, who made it and whether anybody waits for it") {
  const Json result{{"calls",
                     {{{"call", "w1-17"},
                       {"app", "shop"},
                       {"generation", 3},
                       {"what", "GET /cart"},
                       {"caller", ""},
                       {"seconds", 1.5},
                       {"waited_for", true},
                       {"interrupts", 0}},
                      {{"call", "h1-2"},
                       {"app", "shop"},
                       {"generation", 3},
                       {"what", "total"},
                       {"caller", "blog"},
                       {"seconds", 0.25},
                       {"waited_for", false},
                       {"interrupts", 2}}}},
                    {"silent_hosts", {4}}};
  const std::string text = calls_table(result, {});
  CHECK(contains(text, "w1-17  shop    3   1.5s  -       -"));
  CHECK(contains(text, "GET /cart"));
  CHECK(contains(text, "blog    given up, interrupted 2x  total"));
  CHECK(contains(text, "did not answer: host 4\n"));
  CHECK(calls_table(Json::object(), {}) == "no calls\n");
}

TEST_CASE("the table of exports has the signature and the first line of the docstring") {
  const Json result{
      {"app", "shop"},
      {"exports",
       {{{"name", "total"}, {"signature", "(order)"}, {"doc", "Sums up.\n\nMore."}, {"inline", true}},
        {{"name", "all"}, {"signature", "()"}, {"doc", ""}, {"stream", true}}}}};
  const std::string text = exports_table(result, {});
  CHECK(contains(text, "total(order)  inline  Sums up.\n"));
  CHECK(contains(text, "all()         stream  -\n"));
  CHECK(exports_table({{"app", "shop"}}, {}) == "shop exports no functions\n");
}

TEST_CASE("JSON is laid out without a change of its numbers and texts") {
  CHECK(indented_json("7") == "7");
  CHECK(indented_json("12345678901234567890123") == "12345678901234567890123");
  CHECK(indented_json("[]") == "[]");
  CHECK(indented_json("{ }") == "{}");
  CHECK(indented_json("[1,[],{\"a\": {}}]") == "[\n  1,\n  [],\n  {\n    \"a\": {}\n  }\n]");
  CHECK(indented_json(R"(["a, [b]: \"c\\", 1.50])") == "[\n  \"a, [b]: \\\"c\\\\\",\n  1.50\n]");
  CHECK(indented_json("]]\"").size() > 0);
}
