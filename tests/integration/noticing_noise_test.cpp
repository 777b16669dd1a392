// What wakes nobody, and how `why` names the rule; templates.

#include "tests/integration/noticing.h"
#include "tests/support/raw_file.h"

using namespace moult::testing;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

struct Noise {
  const char* file;  // below the tree
  const char* rule;  // as `why` names it
};

// Those below a folder that is left out have no entry of their own: it is not watched.
const std::vector<Noise> kNoise{
    {"db.sqlite3-wal", "database journal"},
    {"db.sqlite3-shm", "database journal"},
    {"site.db-journal", "database journal"},
    {"db.sqlite3", "no source"},
    {"debug.log", "log"},
    {"uploads/photo.jpg", "ignore = \"/uploads/\""},
    {"uploads/evil.py", "ignore = \"/uploads/\""},
    {"media/photo.jpg.part", "half-finished file"},
    {".views.py.Ab12Cd", "half-finished file"},
    {"app.pyc", "byte code"},
    {".app.py.swp", "editor's file"},
    {".app.py.swx", "editor's file"},
    {"4913", "editor's file"},
    {"app.py~", "editor's file"},
    {"#app.py#", "editor's file"},
    {".#app.py", "editor's file"},
    {"app.py.orig", "backup copy"},
    {"local.py", ".gitignore:1 local.py"},
    {"generated/schema.py", ".gitignore:2 /generated/"},
    {"parts/secret.py", "parts/.gitignore:1 secret.py"},
    {"notes.txt", "no source"},
};
const std::vector<std::string> kNotWatched{
    "__pycache__/app.cpython-311.pyc",
    "parts/__pycache__/x.cpython-311.pyc",
    "node_modules/left-pad/x.py",
    ".git/hooks/x.py",
    ".venv/lib/x.py",
    "env/lib/y.py",
    ".hg/x.py",
};

std::string reads_template() {
  return "import os\n"
         "page = os.path.join(os.path.dirname(__file__), 'page.html')\n"
         "def application(environ, start_response):\n"
         "    start_response('200 OK', [('Content-Type', 'text/plain')])\n"
         "    return [open(page, 'rb').read()]\n";
}

}  // namespace

TEST_CASE("noise makes no generation, and why names the rule of each") {
  Noticed blog("ignore = [\"/uploads/\"]");
  const AppTree& app = blog.app;
  app.write(".gitignore", "local.py\n/generated/\n");
  app.write("parts/.gitignore", "secret.py\n");
  for (const char* venv : {".venv", "env"}) app.write(std::string(venv) + "/pyvenv.cfg", "home = /usr/bin\n");
  for (const char* folder : {"uploads", "media", "generated", "__pycache__", "parts/__pycache__"})
    fs::create_directories(app / folder);
  for (const std::string& file : kNotWatched) app.write(file, "x = 0\n");
  blog.start();
  // One by one: why keeps only the last ones that were ignored.
  for (const Noise& noise : kNoise) {
    INFO(noise.file);
    const fs::path file = app / noise.file;
    put(file, "x = 1\n");
    put(file, "x = 2\n");
    const std::string folder = fs::path(noise.file).begin()->string();
    const bool in_ignored_folder = folder == "uploads" || folder == "generated";
    CHECK(blog.comes_to_why("ignored", in_ignored_folder ? folder : noise.file, noise.rule));
    fs::remove(file);
  }
  for (const std::string& file : kNotWatched) put(app / file, "x = 1\n");
  CHECK(blog.generation() == 1);
  blog.rest();
  CHECK(blog.generation() == 2);  // of the change that ended the rest, and of nothing else
}

TEST_CASE("an app that writes its database, logs and uploads while it serves stays as it is") {
  Noticed blog("threads = 1");
  blog.app.write("app.py",
                 "import os, sqlite3\n"
                 "root = os.path.dirname(__file__)\n"
                 "def application(environ, start_response):\n"
                 "    with sqlite3.connect(root + '/db.sqlite3') as db:\n"
                 "        db.execute('pragma journal_mode = wal')\n"
                 "        db.execute('create table if not exists hits (n integer)')\n"
                 "        db.execute('insert into hits values (1)')\n"
                 "        count = db.execute('select count(*) from hits').fetchone()[0]\n"
                 "    db.close()\n"
                 "    with open(root + '/hits.log', 'a') as log: log.write('hit\\n')\n"
                 "    os.makedirs(root + '/uploads', exist_ok=True)\n"
                 "    with open(root + f'/uploads/{count}.bin', 'wb') as upload: upload.write(b'x')\n"
                 "    start_response('200 OK', [('Content-Type', 'text/plain')])\n"
                 "    return [str(count).encode()]\n");
  blog.start();
  for (int i = 1; i <= 30; ++i) CHECK(blog.body() == std::to_string(i));
  CHECK(blog.generation() == 1);
  blog.rest();
  CHECK(blog.generation() == 2);
  CHECK(blog.body() == "31");
}

TEST_CASE("a template that was opened counts, unless watch_templates says no") {
  Noticed blog("keep_previous = 0");
  blog.app.write("app.py", reads_template());
  blog.app.write("page.html", "one");
  blog.start();
  REQUIRE(blog.body() == "one");
  // It counts from the moment when the daemon has heard of it.
  const auto make_change_count = [&](const std::string& text) {
    int number = 0;
    const int before = blog.generation();
    return eventually([&] {
             blog.app.write("page.html", text + std::to_string(++number));
             let_pass(200ms);
             return blog.generation() > before || number > 8;
           }) &&
           number <= 8;
  };
  CHECK(make_change_count("two "));
  blog.rest();

  blog.daemon.write_app_config("blog", blog.app.path(), "watch_templates = false");
  CHECK(blog.daemon.ctl({"config", "reload"}).status == 0);
  blog.body();  // opens it
  blog.rest();
  const int generation = blog.generation();
  blog.body();
  blog.app.write("page.html", "three");
  CHECK(blog.comes_to_why("ignored", "page.html", "no source"));
  blog.rest();
  CHECK(blog.generation() == generation + 1);
  CHECK(blog.body() == "three");  // it is read from the disk all the same

  blog.daemon.write_app_config("blog", blog.app.path(), "");
  CHECK(blog.daemon.ctl({"config", "reload"}).status == 0);
  blog.body();
  CHECK(make_change_count("four "));
}

TEST_CASE("a data file that the app itself writes again and again is left alone, and why says so") {
  Noticed blog("settle = \"20ms\"");
  blog.app.write("app.py", reads_template());
  blog.app.write("page.html", "0");
  blog.start();
  int number = 0;
  CHECK(eventually([&] {
    blog.body();
    put(blog.app / "page.html", std::to_string(++number));
    return blog.why("ignored", "page.html", "changes too often");
  }));
  blog.rest();
  const int generation = blog.generation();
  for (int i = 0; i < 5; ++i) put(blog.app / "page.html", std::to_string(++number));
  blog.rest();
  CHECK(blog.generation() == generation + 1);
}
