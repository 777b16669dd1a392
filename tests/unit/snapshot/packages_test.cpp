#include "daemon/snapshot/packages.h"

#include "daemon/tree/noise.h"
#include "temp_tree.h"

#include <doctest/doctest.h>

using namespace moult;

TEST_CASE("an upgraded package, a rebuilt extension and a new module change the fingerprint") {
  const TempTree temp;
  PackageListings listings;
  const std::vector<std::string> folders{temp.folder("site-packages")};
  temp.write("site-packages/flask/__init__.py", "1");
  temp.write("site-packages/flask-3.0.dist-info/RECORD", "1");
  temp.write("site-packages/fast/inner/_speed.cpython-311-x86_64-linux-gnu.so", "1");
  const ContentHash first = fingerprint_packages(folders, listings);
  CHECK(fingerprint_packages(folders, listings) == first);

  temp.write("site-packages/flask/__pycache__/x.pyc", "1");
  temp.write("site-packages/__pycache__/y.pyc", "1");
  CHECK(fingerprint_packages(folders, listings) == first);

  temp.write("site-packages/flask-3.0.dist-info/RECORD", "22");
  const ContentHash upgraded = fingerprint_packages(folders, listings);
  CHECK(upgraded != first);
  temp.write("site-packages/fast/inner/_speed.cpython-311-x86_64-linux-gnu.so", "22");
  const ContentHash rebuilt = fingerprint_packages(folders, listings);
  CHECK(rebuilt != upgraded);
  temp.write("site-packages/six.py", "1");
  CHECK(fingerprint_packages(folders, listings) != rebuilt);
}

TEST_CASE("a folder is read again when it has changed, and only then") {
  const TempTree temp;
  PackageListings listings(Milliseconds{0});
  const std::string site = temp.folder("site-packages");
  const std::vector<std::string> folders{site};
  temp.write("site-packages/fast/_speed.so", "1");
  temp.write("site-packages/fast/text.py", "1");
  temp.folder("site-packages/fast/more");
  const ContentHash first = fingerprint_packages(folders, listings);
  const std::uint64_t reads = listings.times_read();
  CHECK(reads == 3);
  CHECK(fingerprint_packages(folders, listings) == first);
  CHECK(listings.times_read() == reads);

  const FileStamp before = stamp_of(temp.path("site-packages/fast"));
  for (int i = 0; stamp_of(temp.path("site-packages/fast")) == before; ++i) {
    temp.write("site-packages/fast/_more" + std::to_string(i) + ".so", "1");
  }
  CHECK(fingerprint_packages(folders, listings) != first);
  CHECK(listings.times_read() == reads + 1);
}

TEST_CASE("a listing is not kept of a folder that has just changed, nor of one with links") {
  const TempTree temp;
  temp.folder("young");
  PackageListings doubting(Milliseconds{60'000});
  doubting.all_of(temp.path("young"));
  doubting.all_of(temp.path("young"));
  CHECK(doubting.times_read() == 2);

  PackageListings trusting(Milliseconds{0});
  temp.folder("target");
  temp.folder("links");
  temp.link(temp.path("target"), "links/turned");
  CHECK(trusting.extensions_of(temp.path("links"))->size() == 1);
  temp.remove("target");
  CHECK(trusting.extensions_of(temp.path("links"))->empty());
  CHECK(trusting.all_of(temp.path("nowhere"))->empty());
}

TEST_CASE("editable installs and the folders of .pth files are found, other packages are not") {
  const TempTree temp;
  PackageListings listings;
  const std::string site = temp.folder("venv/lib/site-packages");
  temp.folder("legacy");
  temp.folder("my project/src");
  temp.folder("flat");
  temp.folder("venv/lib/site-packages/vendored");
  temp.write("venv/lib/site-packages/legacy.pth",
             "# comment\nimport x; x.y()\n" + temp.path("legacy") + "\r\n/not/there\nvendored\n");
  temp.write("venv/lib/site-packages/a-1.dist-info/direct_url.json",
             R"({"url": "file://)" + temp.path("my%20project") + R"(", "dir_info": {"editable": true}})");
  temp.write("venv/lib/site-packages/b-1.dist-info/direct_url.json",
             R"({"url": "file://)" + temp.path("flat") + R"(", "dir_info": {}})");
  temp.write("venv/lib/site-packages/c-1.dist-info/direct_url.json", "{broken");
  CHECK(editable_roots({site}, listings) ==
        std::vector<std::string>{temp.path("my project/src"), temp.path("legacy")});
}

TEST_CASE("files that programs write beside an app's are noise") {
  const std::vector<std::string> noise{"app.pyc",  "app.py~",  ".app.py.swp",    "4913",
                                       ".#app.py", "#app.py#", "db.sqlite3-wal", ".views.py.Xk39fA",
                                       ".nfs0001", "a.bak"};
  for (const std::string& name : noise) {
    CAPTURE(name);
    CHECK_FALSE(noise_rule(name, PathType::file).empty());
  }
  for (const char* name : {"app.py", "#notes", "4913.py", "db.sqlite3", ".env", ".eslintrc.json", "40x"}) {
    CAPTURE(name);
    CHECK(noise_rule(name, PathType::file).empty());
  }
  CHECK(noise_rule(".git", PathType::folder) == "version control");
  CHECK(noise_rule("blog", PathType::folder).empty());
}
