// Shared libraries that an app loads by itself, and that are built anew; and settings of the whole process.

#include "tests/integration/extensions.h"
#include "tests/integration/noticing.h"

using namespace moult::testing;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

// As a linker does it: another file of the same name.
void build(const Noticed& noticed, const std::string& name, int version) {
  const fs::path place = noticed.app.path() / name;
  fs::create_directories(place.parent_path());
  const fs::path fresh = place.string() + ".new";
  fs::copy_file(fs::path(MOULT_EXTENSIONS_DIR) / ("library_" + std::to_string(version) + ".so"), fresh);
  fs::rename(fresh, place);
}

// A library counts from the moment when the daemon has heard of it, as a template does.
bool takes_up(const Noticed& noticed, const std::string& name, int version) {
  for (int times = 0; times < 8; ++times) {
    build(noticed, name, version);
    let_pass(200ms);
    if (noticed.body() == std::to_string(version)) return true;
  }
  return noticed.serves(std::to_string(version));
}

std::string app_with(const std::string& expression) {
  return "import ctypes, os\n"
         "def application(environ, start_response):\n"
         "    start_response('200 OK', [('Content-Type', 'text/plain')])\n"
         "    return [str(" +
         expression + ".version()).encode()]\n";
}

}  // namespace

TEST_CASE("a library that the app has loaded by ctypes and that is built anew comes in a fresh host") {
  for (const auto& [name, expression] :
       {std::pair<std::string, std::string>{"libcount.so",
                                            "ctypes.CDLL(os.path.dirname(__file__) + '/libcount.so')"},
        {"lib/libcount.so.1", "ctypes.CDLL('lib/libcount.so.1')"},
        {"libcount.so", "ctypes.cdll.LoadLibrary('./libcount.so')"}}) {
    CAPTURE(expression);
    Noticed noticed;
    build(noticed, name, 1);
    noticed.app.write("app.py", app_with(expression));
    noticed.start();
    REQUIRE(noticed.body() == "1");
    CHECK(takes_up(noticed, name, 2));
    CHECK(noticed.why("seen", fs::path(name).filename().string()));
    CHECK(takes_up(noticed, name, 1));
    CHECK(noticed.rejected() == 0);
  }
}

TEST_CASE("reload takes up a library that was built anew") {
  Noticed noticed("reload = \"off\"\nwatch_templates = false");
  build(noticed, "libcount.so", 1);
  noticed.app.write("app.py", app_with("ctypes.CDLL('./libcount.so')"));
  noticed.start();
  REQUIRE(noticed.body() == "1");
  // The first build may come before the daemon has heard that the library was loaded.
  CHECK(eventually([&] {
    build(noticed, "libcount.so", 2);
    return noticed.daemon.ctl({"reload", "blog"}).status == 0 && noticed.body() == "2";
  }));
}

TEST_CASE("a request that would set a limit for all apps of the host is answered from a process") {
  if (!has_subinterpreters()) return;
  Noticed noticed;
  const AppTree other = noticed.daemon.add_app("other", "route = \"/other\"");
  constexpr const char* kLimit = R"(import resource
def application(environ, start_response):
    if environ['PATH_INFO'] == '/set':
        resource.setrlimit(resource.RLIMIT_NOFILE, (250, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    start_response('200 OK', [('Content-Type', 'text/plain')])
    return [str(resource.getrlimit(resource.RLIMIT_NOFILE)[0] == 250).encode()]
)";
  noticed.app.write("app.py", std::string("import resource\n") + kLimit);
  other.write("app.py", kLimit);
  noticed.start();
  REQUIRE(noticed.daemon.get("/").body == "False");
  REQUIRE(noticed.status().text("/isolation") != "process");
  CHECK(noticed.daemon.get("/set").body == "True");
  CHECK(noticed.status().text("/isolation") == "process");
  CHECK(noticed.daemon.get("/other/").body == "False");
  const Answer compat = noticed.daemon.call("compat", R"({"app":"blog"})");
  CHECK_MESSAGE(compat.text("/reason").find("resource.setrlimit(): it would hold for all apps of the host") !=
                    std::string::npos,
                compat.raw());
}
