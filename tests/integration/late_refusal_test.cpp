// What refuses a sub-interpreter when the app serves already: the app moves to a process of its own, and
// the request that met it is answered from there.

#include "tests/integration/extensions.h"
#include "tests/integration/sources.h"
#include "tests/support/daemon_process.h"
#include "tests/support/load_client.h"

#include <doctest/doctest.h>

#include <future>
#include <string>

using namespace moult::testing;

namespace {

bool contains(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

// /late imports what refuses, /caught does so and goes on without, /begun when its answer has begun; the
// rest does not need it. POST: the body comes back before the answer.
constexpr const char* kApp = R"(
import os
def application(environ, start_response):
    path = environ['PATH_INFO']
    body = environ['wsgi.input'].read().decode()
    if path == '/begun':
        write = start_response('200 OK', [('Content-Length', '6')])
        write(b'begun ')
        import single_phase
        return []
    answer = 'plain'
    if path == '/caught':
        try:
            import single_phase
            answer = 'with'
        except ImportError:
            answer = 'without'
    elif path == '/bare':
        try:
            import single_phase
            answer = 'with'
        except:
            answer = 'without'
    elif path == '/late':
        import single_phase
        answer = str(single_phase.answer())
    start_response('200 OK', [('Content-Type', 'text/plain')])
    return [(body + answer).encode()]
)";

struct Served {
  DaemonProcess daemon;
  explicit Served(std::string_view settings = "", std::string_view source = kApp) {
    const AppTree app = daemon.add_app("blog", settings);
    copy_extension("single_phase", app);
    app.write("app.py", source);
    daemon.start();
  }
  std::string isolation() const { return daemon.status("blog").text("/isolation"); }
};

}  // namespace

TEST_CASE("a view that imports what refuses sub-interpreters is answered from a process, caught or not") {
  if (!has_subinterpreters()) return;
  for (const auto& [path, answer] : {std::pair{"/late", "42"}, {"/caught", "with"}, {"/bare", "with"}}) {
    CAPTURE(path);
    Served served;
    REQUIRE(served.isolation() != "process");
    CHECK(served.daemon.get("/").body == "plain");
    CHECK(served.daemon.get(path).body == answer);
    CHECK(served.isolation() == "process");
    CHECK(served.daemon.get(path).body == answer);
    CHECK(served.daemon.status("blog").number("/counters/errors_5xx") == 0);
    CHECK(served.daemon.status("blog").text("/active/cause") == "isolation");
    const Answer compat = served.daemon.call("compat", R"({"app":"blog"})");
    CHECK_MESSAGE(contains(compat.text("/reason"), "single_phase refuses sub-interpreters"), compat.raw());
    CHECK_MESSAGE(contains(compat.text("/reason"), "app.py:"), compat.raw());

    // It is remembered: a restart begins there.
    CHECK(served.daemon.stop() == 0);
    served.daemon.start();
    CHECK(served.isolation() == "process");
    CHECK(served.daemon.status("blog").text("/active/cause") == "start");
    CHECK(served.daemon.get(path).body == answer);
  }
}

TEST_CASE("a POST whose body is held is served from the process, with its body") {
  if (!has_subinterpreters()) return;
  Served served;
  const std::string body(60'000, 'x');
  CHECK(post(served.daemon.address(), "/late", body).body == body + "42");
  CHECK(served.isolation() == "process");
}

TEST_CASE("a POST whose body has gone to the app is told to try again, and then served") {
  if (!has_subinterpreters()) return;
  Served served;
  const std::string body(300'000, 'x');
  const HttpResponse first = post(served.daemon.address(), "/late", body);
  CHECK(first.status == 503);
  CHECK(first.header("retry-after") == "1");
  CHECK(eventually([&] { return served.isolation() == "process"; }));
  CHECK(post(served.daemon.address(), "/late", body).body == body + "42");
}

TEST_CASE("an answer that has begun ends as the app ends it, and the next is whole") {
  if (!has_subinterpreters()) return;
  Served served;
  CHECK(served.daemon.get("/begun").status == 200);
  CHECK(eventually([&] { return served.isolation() == "process"; }));
  CHECK(served.daemon.get("/late").body == "42");
}

TEST_CASE("promise 1: under load no request is lost when an app moves to a process") {
  if (!has_subinterpreters()) return;
  Served served("queue = 1000\n");
  LoadClient load(served.daemon.address(), "/", 4, [](const HttpResponse& response, const std::string&) {
    return response.status == 200 && response.body == "plain" ? std::string() : response.body;
  });
  LoadClient late(served.daemon.address(), "/late", 4, [](const HttpResponse& response, const std::string&) {
    return response.status == 200 && response.body == "42" ? std::string() : response.body;
  });
  CHECK(eventually([&] { return served.isolation() == "process" && late.answered() > 20; }));
  load.stop();
  late.stop();
  CHECK_MESSAGE(load.failed() == 0, load.failures());
  CHECK_MESSAGE(late.failed() == 0, late.failures());
}

TEST_CASE("a refusal that the app catches while it is loaded is a verdict too") {
  if (!has_subinterpreters()) return;
  Served served("", std::string("try:\n    import single_phase\nexcept ImportError:\n    pass\n") + kApp);
  CHECK(served.isolation() == "process");
  CHECK(served.daemon.status("blog").number("/counters/rejected") == 0);
}

TEST_CASE("what a warm-up request or a ready hook meets is a verdict before the generation serves") {
  if (!has_subinterpreters()) return;
  std::string settings, hook;
  SUBCASE("a warm-up request") { settings = "warmup = [\"/\", \"/late\"]\n"; }
  SUBCASE("a ready hook") { hook = "import moult\n@moult.ready\ndef check():\n    import single_phase\n"; }
  SUBCASE("a hook that takes over state") {
    hook =
        "import moult\n@moult.handoff\ndef give():\n    return 1\n"
        "@moult.adopt\ndef take(state, generation):\n    import single_phase\n";
  }
  CAPTURE(settings);
  Served served(settings, hook + kApp);
  if (hook.find("adopt") != std::string::npos) {
    CHECK(served.isolation() != "process");
    CHECK(served.daemon.call("reload", R"({"app":"blog"})").text("/outcome") == "switched");
  }
  CHECK(served.isolation() == "process");
  CHECK(served.daemon.get("/late").body == "42");
  CHECK(served.daemon.status("blog").number("/counters/rejected") == 0);
}

TEST_CASE("a function that another app calls is answered from the process, in one host and by the daemon") {
  if (!has_subinterpreters()) return;
  Served served("routes = [\"/blog\"]\n",
                "import moult\n@moult.export\ndef answer():\n"
                "    import single_phase\n    return single_phase.answer()\n" +
                    std::string(kApp));
  served.daemon.add_app("caller", "routes = [\"/\"]\n")
      .write("app.py",
             "import moult\ndef application(environ, start_response):\n"
             "    start_response('200 OK', [])\n"
             "    return [str(moult.app('blog').answer()).encode()]\n");
  CHECK(served.daemon.wait_for_body("/", "42"));
  CHECK(served.isolation() == "process");
  CHECK(served.daemon.status("caller").number("/counters/errors_5xx") == 0);
}

TEST_CASE("isolation = interpreter: the app falls back by design, and compat tells what it does without") {
  if (!has_subinterpreters()) return;
  Served served("isolation = \"interpreter\"\n");
  CHECK(served.daemon.get("/caught").body == "without");
  CHECK(served.daemon.get("/late").status == 500);
  CHECK(served.isolation() != "process");
  const auto told = [&] {
    const Answer compat = served.daemon.call("compat", R"({"app":"blog"})");
    return contains(compat.raw(), "\"module\":\"single_phase\"");
  };
  CHECK(eventually(told));
}

TEST_CASE("an app for which there is no process stays where it is, and is told what refuses it") {
  if (!has_subinterpreters()) return;
  Served served(
      "",
      std::string("import _moult\nif not _moult.may_move():\n    raise RuntimeError('no process')\n") + kApp);
  CHECK(served.daemon.get("/caught").body == "without");
  CHECK(served.daemon.get("/").body == "plain");
  CHECK(served.isolation() != "process");
  CHECK(served.daemon.get("/caught").body == "without");
}

TEST_CASE("a call that lets go of what refused it when the app stays already is served there all the same") {
  if (!has_subinterpreters()) return;
  Served served("threads = 2\n", R"(
import _moult, os, time
if not _moult.may_move():
    raise RuntimeError('no process')
def application(environ, start_response):
    start_response('200 OK', [])
    try:
        import single_phase
    except ImportError:
        return [b'without']
    except BaseException:
        while environ['PATH_INFO'] == '/slow' and not os.path.exists('go'):
            time.sleep(0.01)
        raise
)");
  auto slow = std::async(std::launch::async, [&] { return served.daemon.get("/slow").body; });
  CHECK(served.daemon.get("/").body == "without");
  served.daemon.tree("blog").write("go", "");
  CHECK(slow.get() == "without");
}
