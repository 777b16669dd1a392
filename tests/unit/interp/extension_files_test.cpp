#include "interp/imports/extension_files.h"

#include "tests/unit/snapshot/temp_tree.h"

#include <doctest/doctest.h>

#include <sys/stat.h>

using namespace moult;
using namespace std::string_literals;

namespace {

const std::string kSingle = "\177ELF\0PyModule_Create2\0"s;
const std::string kMulti = "\177ELF\0PyModuleDef_Init\0"s;

}  // namespace

TEST_CASE("a file says by its symbols and texts whether it is made for one interpreter") {
  CHECK(objection_in(kSingle) == "it was made for one interpreter (PyModule_Create)");
  CHECK(objection_in(kMulti).empty());
  CHECK(objection_in(kMulti + "PyModule_Create2\0"s).empty());  // it has both ways
  CHECK(objection_in("\0XPyModule_Create2\0"s).empty());
  CHECK(objection_in("").empty());
  CHECK(objection_in(kMulti + "this module can only be loaded into one interpreter per process.") ==
        "Cython made it for one interpreter");
  CHECK(objection_in(kMulti + "PyO3 modules do not yet support subinterpreters") ==
        "PyO3 made it for one interpreter");
}

TEST_CASE("the extension modules of a package are found, but for those of its tests") {
  const TempTree tree;
  tree.write("pkg/__init__.py", "");
  tree.write("pkg/_fast.cpython-311-x86_64-linux-gnu.so", kSingle);
  tree.write("pkg/deep/er/_good.abi3.so", kMulti);
  tree.write("pkg/deep/er/_bad.abi3.so", kSingle);
  tree.write("pkg/tests/_other.so", kSingle);
  tree.write("pkg/empty.so", "");
  tree.link("nowhere", "pkg/dangling.so");
  tree.link("..", "pkg/deep/again");
  ExtensionFiles files;
  CHECK_FALSE(files.known_below(tree.path("pkg")));
  const auto found = files.objections_below(tree.path("pkg"));
  CHECK(files.known_below(tree.path("pkg"))->size() == 2);
  REQUIRE(found.size() == 2);
  CHECK(found[0].path != found[1].path);
  for (const auto& file : found) CHECK(file.objection == objection_in(kSingle));
}

TEST_CASE("a folder that is not there has no extension modules, and a FIFO is not waited for") {
  const TempTree tree;
  ExtensionFiles files;
  CHECK(files.objections_below(tree.path("none")).empty());
  REQUIRE(::mkfifo(tree.path("pipe.so").c_str(), 0600) == 0);
  CHECK(files.objections_below(tree.root()).empty());
}
