#include "interp/code_cache.h"

#include <doctest/doctest.h>

using namespace moult;

TEST_CASE("code is found by its path and its content") {
  CodeCache cache;
  cache.keep("/a.py", "hash 1", "code 1");
  CHECK(cache.find("/a.py", "hash 1") == "code 1");
  CHECK_FALSE(cache.find("/a.py", "hash 2"));
  CHECK_FALSE(cache.find("/b.py", "hash 1"));
  cache.keep("/a.py", "hash 2", "code 2");
  CHECK(cache.find("/a.py", "hash 2") == "code 2");
  CHECK_FALSE(cache.find("/a.py", "hash 1"));
}

TEST_CASE("a full cache begins anew, and what is too large is not kept") {
  CodeCache cache;
  const std::string big(20u << 20, 'x');
  cache.keep("/a.py", "h", big);
  cache.keep("/b.py", "h", big);
  CHECK_FALSE(cache.find("/a.py", "h"));
  CHECK(cache.find("/b.py", "h") == big);
  cache.keep("/c.py", "h", std::string(40u << 20, 'x'));
  CHECK_FALSE(cache.find("/c.py", "h"));
}
