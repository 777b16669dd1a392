#include "daemon/config/entry.h"

#include "config_folder.h"

using namespace moult;

TEST_CASE("what an entry looks like, for each form of it") {
  struct Row {
    const char* text;
    EntryKind kind;
    const char* name;
  };
  const Row rows[] = {
      {"app.py", EntryKind::file, "app.py"},
      {"./app", EntryKind::file, "app"},
      {"pkg/web", EntryKind::file, "pkg/web"},
      {"proj/wsgi.py", EntryKind::file, "proj/wsgi.py"},
      {"passenger_wsgi.py", EntryKind::file, "passenger_wsgi.py"},
      {"my-site.wsgi", EntryKind::file, "my-site.wsgi"},  // no name of a module
      {"a:b.py", EntryKind::file, "a:b.py"},
      {"sites/www.example.org/app.wsgi", EntryKind::file, "sites/www.example.org/app.wsgi"},
      {"manage.py", EntryKind::django, "manage.py"},
      {"app", EntryKind::module, "app"},
      {"pkg.web", EntryKind::module, "pkg.web"},
      // Modules, unless the tree has such a file.
      {"proj.wsgi", EntryKind::module, "proj.wsgi"},
      {"index.wsgi", EntryKind::module, "index.wsgi"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.text);
    CHECK(classify_entry(row.text) == Entry{row.kind, row.name});
  }
}

TEST_CASE("the callable of an entry is what follows the colon before it") {
  struct Row {
    const char* text;
    const char* entry;
    const char* callable;
  };
  const Row rows[] = {
      {"proj.wsgi", "proj.wsgi", ""},
      {"proj.wsgi:application", "proj.wsgi", "application"},
      {"pkg/web.py:app", "pkg/web.py", "app"},
      {"pkg/web.py:make()", "pkg/web.py", "make()"},
      {"app.py:make('a:b')", "app.py", "make('a:b')"},
      {"app.py:make({'a': (1, 2)}, b=':')", "app.py", "make({'a': (1, 2)}, b=':')"},
      {"a:b.py:app", "a:b.py", "app"},
      {"a (1).py:site.app", "a (1).py", "site.app"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.text);
    CHECK(split_entry(row.text).entry == row.entry);
    CHECK(split_entry(row.text).callable == row.callable);
  }
  for (const char* name : {"app", "site.app", "make()", "make('a', b=1)", "x.make({})"})
    CHECK(is_callable_name(name));
  for (const char* name : {"", "1app", "two words", "make(", "make()x", "()", "a..b"})
    CHECK_FALSE(is_callable_name(name));
}

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
