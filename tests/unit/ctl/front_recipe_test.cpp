#include "control/ctl/front_recipe.h"

#include <doctest/doctest.h>

#include <fstream>
#include <sstream>

using namespace moult;
using namespace moult::ctl;

namespace {

const std::vector<std::string> kAll{"127.0.0.1:8000",      "unix:/home/ann/run/web.sock",
                                    "scgi:127.0.0.1:9001", "uwsgi:unix:/home/ann/run/u.sock",
                                    "fcgi:127.0.0.1:9000", "fcgi:unix:/home/ann/run/fcgi.sock"};

bool contains(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("a recipe is that of docs/deployment.md, with the daemon's own address") {
  std::ifstream file(std::string(MOULT_SOURCE_DIR) + "/docs/deployment.md");
  std::stringstream docs;
  docs << file.rdbuf();
  for (const std::string front : {"nginx", "apache", "htaccess", "lighttpd"}) {
    const auto recipe = front_recipe(front, kAll);
    REQUIRE(recipe);
    CAPTURE(recipe->text);
    CHECK(contains(docs.str(), recipe->text + "```"));
  }
  const auto by_fcgi = front_recipe("nginx", {"fcgi:unix:/home/ann/run/fcgi.sock"});
  REQUIRE(by_fcgi);
  CHECK(contains(docs.str(), by_fcgi->text + "```"));
  const auto by_http = front_recipe("apache", {"127.0.0.1:8000"});
  REQUIRE(by_http);
  CHECK(contains(docs.str(), by_http->text + "```"));
}

TEST_CASE("a front server takes the best that it speaks, a unix socket before a port") {
  CHECK(front_recipe("nginx", kAll)->address == "unix:/home/ann/run/web.sock");
  CHECK(front_recipe("apache", kAll)->address == "fcgi:unix:/home/ann/run/fcgi.sock");
  CHECK(front_recipe("lighttpd", {"scgi:127.0.0.1:9001"})->text ==
        "server.modules += ( \"mod_scgi\" )\nscgi.server = ( \"/\" => (( \"host\" => \"127.0.0.1\", \"port\" "
        "=> 9001, "
        "\"check-local\" => \"disable\" )) )\n");
  CHECK(
      contains(front_recipe("nginx", {"uwsgi:unix:/u"})->text, "        include /etc/nginx/uwsgi_params;\n"));
  CHECK(
      contains(front_recipe("htaccess", {"fcgi:127.0.0.1:9000"})->text, "\"proxy:fcgi://127.0.0.1:9000/\""));
}

TEST_CASE("where none fits, what to add is said") {
  const auto recipe = front_recipe("htaccess", {"127.0.0.1:8000", "scgi:unix:/s"});
  REQUIRE_FALSE(recipe);
  CHECK(recipe.error().message == "htaccess can speak to none of the daemon's addresses");
  CHECK(contains(recipe.error().hint, "wire = \"fcgi\""));
}
