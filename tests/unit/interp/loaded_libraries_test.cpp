#include "interp/imports/loaded_libraries.h"

#include <dlfcn.h>
#include <doctest/doctest.h>
#include <link.h>
#include <algorithm>
#include <filesystem>

using namespace moult;

TEST_CASE("libraries below a root are told once, and nothing else is") {
  void* const handle = ::dlopen("libc.so.6", RTLD_NOW);
  REQUIRE(handle != nullptr);
  link_map* map = nullptr;
  REQUIRE(::dlinfo(handle, RTLD_DI_LINKMAP, &map) == 0);
  const std::filesystem::path path = map->l_name;
  LoadedLibraries libraries({path.parent_path().string()});
  const auto news = libraries.news();
  CHECK(std::find(news.begin(), news.end(), path.string()) != news.end());
  CHECK(libraries.news().empty());
  CHECK(LoadedLibraries({"/no/such/folder"}).news().empty());
  ::dlclose(handle);
}
