#include "daemon/config/entry.h"

#include "config_folder.h"

using namespace moult;

TEST_CASE("an entry is a file, a module or a Django project") {
  CHECK(classify_entry("app.py") == Entry{EntryKind::file, "app.py"});
  CHECK(classify_entry("./app.py") == Entry{EntryKind::file, "app.py"});
  CHECK(classify_entry("site/app.wsgi") == Entry{EntryKind::file, "site/app.wsgi"});
  CHECK(classify_entry("./app") == Entry{EntryKind::file, "app"});
  CHECK(classify_entry("site/app") == Entry{EntryKind::file, "site/app"});
  CHECK(classify_entry("package.module") == Entry{EntryKind::module, "package.module"});
  CHECK(classify_entry("manage.py") == Entry{EntryKind::django, "manage.py"});
  CHECK(classify_entry("src/manage.py") == Entry{EntryKind::django, "src/manage.py"});
}

TEST_CASE("the callable stands behind the last colon") {
  CHECK(split_entry("app.py").callable.empty());
  CHECK(split_entry("app.py:make()").entry == "app.py");
  CHECK(split_entry("app.py:make()").callable == "make()");
}

TEST_CASE("the only known name in a folder is its entry") {
  ConfigFolder folder;
  folder.file("site/wsgi.py", "");
  folder.folder("site/app.py");  // a folder is no entry
  const auto entry = find_entry(folder.path("site"));
  REQUIRE(entry);
  CHECK(*entry == Entry{EntryKind::file, "wsgi.py"});
}

TEST_CASE("no entry or several are errors that list what was looked for") {
  ConfigFolder folder;
  folder.folder("site");
  const auto none = find_entry(folder.path("site"));
  REQUIRE_FALSE(none);
  CHECK(contains(none.error().message, "app.py, wsgi.py, main.py, manage.py"));
  folder.file("site/app.py", "");
  folder.file("site/main.py", "");
  const auto two = find_entry(folder.path("site"));
  REQUIRE_FALSE(two);
  CHECK(contains(two.error().message, "several entry points: app.py, main.py"));
}
