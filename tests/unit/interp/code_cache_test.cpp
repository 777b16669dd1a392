#include "interp/imports/code_cache.h"

#include "tests/unit/snapshot/temp_tree.h"

#include <doctest/doctest.h>

#include <fstream>

using namespace moult;

namespace {

// "": not known.
std::string text(const CodeCache::Code& code) { return code ? *code : std::string(); }

std::unique_ptr<CodeStore> store_in(const std::string& folder) {
  return std::make_unique<CodeStore>(folder, 64u << 20, "kind");
}

const std::string kHash(32, 'h');

}  // namespace

TEST_CASE("code is found by its path and its content") {
  CodeCache cache;
  cache.keep("/a.py", "hash 1", "code 1");
  CHECK(text(cache.find("/a.py", "hash 1")) == "code 1");
  CHECK_FALSE(cache.find("/a.py", "hash 2"));
  CHECK_FALSE(cache.find("/b.py", "hash 1"));
  cache.keep("/a.py", "hash 2", "code 2");
  CHECK(text(cache.find("/a.py", "hash 2")) == "code 2");
  CHECK_FALSE(cache.find("/a.py", "hash 1"));
  CHECK_FALSE(cache.find_stored("/a.py", "hash 2"));
  CHECK(cache.last("/a.py").hash == "hash 2");
  CHECK(text(cache.last("/a.py").code) == "code 2");
  CHECK_FALSE(cache.last("/b.py").code);
}

TEST_CASE("a full cache begins anew, and what is too large is not kept") {
  CodeCache cache;
  const std::string big(20u << 20, 'x');
  cache.keep("/a.py", "h", big);
  cache.keep("/b.py", "h", big);
  CHECK_FALSE(cache.find("/a.py", "h"));
  CHECK(text(cache.find("/b.py", "h")) == big);
  cache.keep("/c.py", "h", std::string(40u << 20, 'x'));
  CHECK_FALSE(cache.find("/c.py", "h"));
}

TEST_CASE("what one host has compiled the next one finds on the disk, and then in memory") {
  const TempTree temp;
  {
    CodeCache cache(store_in(temp.path("moult")), {});
    for (int i = 0; i < 100; ++i) cache.keep("/" + std::to_string(i), kHash, "code");
  }
  CodeCache next(store_in(temp.path("moult")), {});
  for (int i = 0; i < 100; ++i) {
    const std::string path = "/" + std::to_string(i);
    CHECK_FALSE(next.find(path, kHash));
    CHECK(text(next.find_stored(path, kHash)) == "code");
    CHECK(text(next.find(path, kHash)) == "code");
  }
}

TEST_CASE("a folder that cannot be written is told once and costs nothing else") {
  const TempTree temp;
  std::ofstream(temp.path("file")) << "x";
  int told = 0;
  {
    CodeCache cache(store_in(temp.path("file/moult")), [&told](const Error&) { ++told; });
    cache.keep("/a.py", kHash, "code a");
    cache.keep("/b.py", kHash, "code b");
    CHECK(text(cache.find("/a.py", kHash)) == "code a");
  }
  CHECK(told == 1);
}
