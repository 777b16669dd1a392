#include "config_folder.h"

using namespace moult;

TEST_CASE("two apps without routes on one listener are a conflict that names the first") {
  ConfigFolder folder;
  const std::string first = folder.app("a");
  folder.app("b");
  const Error error = error_of(folder);
  CHECK(contains(error.file, "apps/b.toml"));
  CHECK(contains(error.message, "is taken by app `a` (" + first + ":1)"));
  CHECK(contains(error.hint, "route = \"/b\""));
}

TEST_CASE("the same route is a conflict only on a listener of both") {
  ConfigFolder folder;
  folder.app("a", "route = \"/x\"\nlisten = \"127.0.0.1:9000\"\n");
  folder.app("b", "route = \"/x\"\n");
  CHECK(errors_of(folder).empty());
  folder.app("b", "route = \"/x\"\nlisten = [\"127.0.0.1:9001\", \"localhost:9000\"]\n");
  const Error error = error_of(folder);
  CHECK(error.line == 2);
  CHECK(contains(error.message, "localhost:9000"));
}

TEST_CASE("an app that listens where the daemon does shares its routes") {
  ConfigFolder folder;
  folder.app("a", "route = \"/x\"\nlisten = \"127.0.0.1:8000\"\n");
  folder.app("b", "route = \"/x\"\n");
  CHECK(contains(error_of(folder).message, "is taken by app `a`"));
}

TEST_CASE("different hosts and prefixes live together") {
  ConfigFolder folder;
  folder.app("a", "route = \"/\"\n");
  folder.app("b", "route = \"/shop\"\n");
  folder.app("c", "routes = [\"example.org\", \"www.example.org/shop\"]\n");
  CHECK(errors_of(folder).empty());
}

TEST_CASE("a port on all addresses cannot be bound beside one of them") {
  ConfigFolder folder;
  folder.app("a", "listen = \"0.0.0.0:9000\"\n");
  folder.app("b", "listen = \"127.0.0.1:9000\"\n");
  const Error error = error_of(folder);
  CHECK(contains(error.message, "conflicts with 0.0.0.0:9000 of app `a`"));
  folder.app("b", "listen = \"127.0.0.2:9001\"\n");
  CHECK(errors_of(folder).empty());
  folder.app("b", "listen = \"0.0.0.0:8000\"\n");
  CHECK(contains(error_of(folder).message, "of moult.toml"));
}

TEST_CASE("one socket cannot have two modes") {
  ConfigFolder folder;
  folder.app("a", "route = \"/a\"\nlisten = \"unix:../../s\"\n");
  folder.app("b", "route = \"/b\"\nlisten = { unix = \"../../s\", mode = \"0660\" }\n");
  CHECK(contains(error_of(folder).message, "another mode or group"));
  folder.app("b", "route = \"/b\"\nlisten = { unix = \"../../s\", mode = \"0600\" }\n");
  CHECK(errors_of(folder).empty());
}

TEST_CASE("an app without an address of its own needs the daemon's") {
  ConfigFolder folder;
  folder.file("config/moult.toml", "listen = []\n");
  folder.app("a");
  CHECK(contains(error_of(folder).message, "listens nowhere"));
}

TEST_CASE("a wrong route is told once and not as a conflict too") {
  ConfigFolder folder;
  folder.app("a");
  folder.app("b", "route = \"/b?\"\n");
  CHECK(contains(error_of(folder).message, "not a route"));
}

TEST_CASE("one socket speaks one protocol") {
  ConfigFolder folder;
  folder.app("a", "route = \"/a\"\nlisten = \"fcgi:127.0.0.1:9000\"\n");
  folder.app("b", "route = \"/b\"\nlisten = \"127.0.0.1:9000\"\n");
  CHECK(contains(error_of(folder).message, "with another protocol"));
  folder.app("b", "route = \"/b\"\nlisten = \"fcgi:127.0.0.1:9000\"\n");
  CHECK(errors_of(folder).empty());
  folder.app("b", "route = \"/b\"\nlisten = \"scgi:unix:../../s\"\n");
  folder.app("a", "route = \"/a\"\nlisten = { unix = \"../../s\", wire = \"uwsgi\" }\n");
  CHECK(contains(error_of(folder).message, "with another protocol"));
}
