// Hooks through the real programs: state that moves to a new generation and back, what is refused
// because of them, what comes in while they run, what is released at the end.

#include "tests/integration/gate.h"
#include "tests/integration/sources.h"

#include <doctest/doctest.h>

#include <csignal>
#include <string>

using namespace moult::testing;
using namespace std::chrono_literals;

namespace {

constexpr const char* kBlog = R"({"app":"blog"})";

bool contains(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

// An app with a state, a number that each request of /add raises. Every answer is NAME, the number
// and the generation that the state was adopted from. `more` is Python at its end.
std::string counts(const std::string& name, const std::string& more = "") {
  return "import moult, os, time\n"
         "state = {'n': 0}\n"
         "giver = None\n"
         "def application(environ, start_response):\n"
         "    state['n'] += environ['PATH_INFO'] == '/add'\n"
         "    start_response('200 OK', [('Content-Type', 'text/plain')])\n"
         "    return [('" +
         name + " %s %s' % (state['n'], giver)).encode()]\n" + more;
}

// The usual hooks. Each first evaluates its expression.
std::string gives(const std::string& first = "0") {
  return "@moult.handoff\ndef give():\n    " + first + "\n    return state\n";
}
std::string takes(const std::string& first = "0") {
  return "@moult.adopt\ndef take(given, generation):\n    global giver\n    " + first +
         "\n    state.update(given); giver = generation\n";
}
std::string gives_and_takes() { return gives() + takes(); }

std::string fails() { return "[][7]"; }

void add(const DaemonProcess& daemon, int times) {
  for (int i = 0; i < times; ++i) REQUIRE(daemon.get("/add").status == 200);
}

bool is_at(const DaemonProcess& daemon, const std::string& stage) {
  return eventually([&] {
    const Answer status = daemon.status("blog");
    return status.has("/attempt/stage") && status.text("/attempt/stage") == stage;
  });
}

}  // namespace

TEST_CASE("state goes from generation to generation, and back in a roll-back") {
  DaemonProcess daemon;
  const AppTree app = daemon.add_app("blog");
  app.write("app.py", counts("one", gives_and_takes()));
  daemon.start();
  add(daemon, 3);
  CHECK(daemon.get("/").body == "one 3 None");
  app.write("app.py", counts("two", gives_and_takes()));
  CHECK(daemon.wait_for_body("/", "two 3 1"));
  add(daemon, 2);
  const Answer back = daemon.call("rollback", kBlog);
  CHECK_MESSAGE(back.ok(), back.raw());
  CHECK(daemon.get("/").body == "one 5 2");
  CHECK(daemon.generation("blog") == 1);
  CHECK(count_events(daemon, "generation.adopt_failed") == 0);
}

TEST_CASE("hooks run in the stated order, and each interpreter adopts") {
  DaemonProcess daemon;
  const AppTree app = daemon.add_app("blog", "interpreters = 2\nwarmup = \"/warm\"");
  const auto source = [](const std::string& name) {
    return counts(name,
                  "@moult.ready\ndef first(): print('step ready', giver, flush=True)\n"
                  "@moult.ready\ndef second(): print('step again', flush=True)\n" +
                      gives("print('step give', flush=True)") + takes("print('step take', flush=True)")) +
           "plain = application\n"
           "def application(environ, start_response):\n"
           "    environ['PATH_INFO'] == '/warm' and print('step warm', giver, flush=True)\n"
           "    return plain(environ, start_response)\n";
  };
  app.write("app.py", source("one"));
  daemon.start();
  app.write("app.py", source("two"));
  CHECK(daemon.wait_for_generation("blog", 2));
  CHECK(eventually([&] { return contains(daemon.app_log("blog"), "step warm 1"); }));
  const std::string log = daemon.app_log("blog");
  std::string steps;
  for (std::size_t at = 0; (at = log.find("step ", at)) != std::string::npos;) {
    at += 5;
    steps += log.substr(at, log.find_first_of(" \n", at) - at) + " ";
  }
  CHECK(steps ==
        "ready again ready again warm "                   // generation 1
        "give take take ready again ready again warm ");  // generation 2
  CHECK(contains(log, "step ready 1"));
}

TEST_CASE("a ready hook that raises rejects the generation, with its place") {
  DaemonProcess daemon;
  const AppTree app = daemon.add_app("blog");
  app.write("app.py", counts("one"));
  daemon.start();
  app.write("app.py", counts("two", "@moult.ready\ndef check():\n    " + fails() + "\n"));
  CHECK(daemon.wait_for_state("blog", "degraded"));
  CHECK(daemon.get("/").body == "one 0 None");
  const Answer status = daemon.status("blog");
  CHECK(status.text("/rejected/stage") == "ready");
  CHECK(status.text("/rejected/error") == "IndexError: list index out of range");
  CHECK(contains(status.text("/rejected/file"), "app.py"));
  CHECK(status.number("/rejected/line") == 10);
  CHECK(contains(status.text("/rejected/traceback"), "in check"));
  CHECK_FALSE(contains(status.text("/rejected/traceback"), "<moult"));
  CHECK(contains(daemon.app_log("blog"), "in check"));
}

TEST_CASE("without the state a generation starts, and the log says why") {
  DaemonProcess daemon;
  const AppTree app = daemon.add_app("blog", "handoff_timeout = \"500ms\"\nmax_payload = \"1M\"");
  std::string old_hooks = gives();
  std::string new_hooks = takes();
  std::string hook = "handoff";
  std::string reason = "IndexError";
  SUBCASE("adopt raises") {
    new_hooks = takes(fails());
    hook = "adopt";
  }
  SUBCASE("handoff raises") { old_hooks = gives(fails()); }
  SUBCASE("handoff gives what cannot be carried") {
    old_hooks = gives("import threading; state['lock'] = threading.Lock()");
    reason = "['lock']";
  }
  SUBCASE("handoff gives too much") {
    old_hooks = gives("state['big'] = b'x' * 1_100_000");
    reason = "PayloadTooLarge";
  }
  SUBCASE("handoff takes too long") {
    old_hooks = gives("while True: time.sleep(0.01)");
    reason = "it took longer than handoff_timeout (0.5 s)";
  }
  SUBCASE("adopt takes too long") {
    new_hooks = takes("while True: time.sleep(0.01)");
    hook = "adopt";
    reason = "it took longer than handoff_timeout (0.5 s)";
  }
  app.write("app.py", counts("one", old_hooks));
  daemon.start();
  add(daemon, 1);
  app.write("app.py", counts("two", new_hooks + "moult.ready(lambda: None)\n"));
  CHECK(daemon.wait_for_body("/", "two 0 None"));
  const Answer events = daemon.call("events", R"({"app":"blog","filter":["generation.adopt_failed"]})");
  REQUIRE(events.size("/events") == 1);
  CHECK(events.number("/events/0/data/generation") == 2);
  CHECK(events.number("/events/0/data/from") == 1);
  CHECK(events.text("/events/0/data/hook") == hook);
  CHECK_MESSAGE(contains(events.text("/events/0/data/error"), reason), events.raw());
  CHECK(daemon.logs("generation 2 did not get the state of generation 1: the " + hook + " hook: "));
  CHECK(contains(daemon.app_log("blog"), "the " + hook + " hook failed: "));
}

TEST_CASE("adopt = required rejects a generation that would start without the state") {
  DaemonProcess daemon;
  const AppTree app = daemon.add_app("blog", "adopt = \"required\"");
  app.write("app.py", counts("one", gives("os.path.exists('broken') and " + fails()) + takes()));
  daemon.start();  // there is nothing to adopt at first, which is no failure
  add(daemon, 1);
  app.write("app.py", counts("two", takes(fails())));
  CHECK(daemon.wait_for_state("blog", "degraded"));
  CHECK(daemon.status("blog").text("/rejected/stage") == "adopt");
  CHECK(daemon.status("blog").text("/rejected/error") ==
        "the adopt hook: IndexError: list index out of range");
  CHECK(daemon.get("/").body == "one 1 None");
  app.touch("broken");
  const Answer refused = daemon.call("reload", kBlog);
  CHECK(refused.error_code() == "code_rejected");
  app.write("app.py", counts("three", takes()));
  CHECK(daemon.call("reload", kBlog).error_text("/stage") == "adopt");
  CHECK(contains(daemon.status("blog").text("/rejected/error"), "the handoff hook: IndexError"));
  app.remove("broken");
  CHECK(daemon.call("reload", kBlog).ok());
  CHECK(daemon.get("/").body == "three 1 1");
}

TEST_CASE("a large state arrives whole") {
  DaemonProcess daemon;
  const AppTree app = daemon.add_app("blog");
  app.write("app.py", counts("one", gives("state['n'] = bytes(range(256)) * 20_000, 'x' * 300_000")));
  daemon.start();
  app.write("app.py", counts("two", takes("print(given['n'] == (bytes(range(256)) * 20_000, 'x' * 300_000)); "
                                          "given['n'] = len(given['n'][0])")));
  CHECK(daemon.wait_for_body("/", "two 5120000 1"));
  CHECK(contains(daemon.app_log("blog"), "True"));
}

TEST_CASE("a check runs ready hooks and moves no state") {
  DaemonProcess daemon;
  const AppTree app = daemon.add_app("blog", "reload = \"off\"");
  app.write("app.py", counts("one", gives("print('gave', flush=True)")));
  daemon.start();
  app.write("app.py", counts("two", takes("print('took', flush=True)") +
                                        "moult.ready(lambda: print('was ready', flush=True))\n"));
  CHECK(daemon.ctl({"check", "blog"}).status == 0);
  CHECK(eventually([&] { return contains(daemon.app_log("blog"), "was ready"); }));
  CHECK_FALSE(contains(daemon.app_log("blog"), "gave"));
  CHECK_FALSE(contains(daemon.app_log("blog"), "took"));
  app.write("app.py", counts("two", "@moult.ready\ndef check():\n    " + fails() + "\n"));
  const Finished check = daemon.ctl({"check", "blog"});
  CHECK(check.status != 0);
  CHECK(contains(check.output + check.errors, "IndexError"));
}

TEST_CASE("a ready hook that does not end is rejected at start_timeout, and a change ends it before that") {
  DaemonProcess daemon;
  const AppTree app = daemon.add_app("blog", "start_timeout = \"3s\"");
  const Gate gate(daemon, "ready");
  app.write("app.py", counts("one"));
  daemon.start();
  app.write("app.py", counts("two", "@moult.ready\ndef check():\n    " + gate.expression() + "\n"));
  REQUIRE(gate.is_reached());
  CHECK(is_at(daemon, "ready"));
  CHECK(daemon.status("blog").text("/attempt/state") == "warming");
  app.write("app.py", counts("three"));
  CHECK(daemon.wait_for_body("/", "three 0 None"));
  app.write("app.py", counts("four", "@moult.ready\ndef check():\n    " + gate.expression() + "\n"));
  CHECK(daemon.wait_for_state("blog", "degraded"));
  CHECK(daemon.status("blog").text("/rejected/stage") == "timeout");
  CHECK(daemon.status("blog").text("/rejected/error") ==
        "the ready hook took longer than start_timeout (3 s)");
  CHECK(daemon.get("/").body == "three 0 None");
}

TEST_CASE("a roll-back goes on when the hooks of the code that one wants to leave fail") {
  std::string hooks = gives(fails());
  bool stands_by = true;
  SUBCASE("to the standby, handoff raises") {}
  SUBCASE("to the standby, handoff does not end") { hooks = gives("while True: time.sleep(0.01)"); }
  SUBCASE("to a snapshot") { stands_by = false; }
  DaemonProcess daemon;
  const std::string keep = stands_by ? "" : "\nkeep_previous = 0";
  const AppTree app = daemon.add_app("blog", "adopt = \"required\"\nhandoff_timeout = \"500ms\"" + keep);
  app.write("app.py", counts("one", takes()));
  daemon.start();
  app.write("app.py", counts("two", hooks));
  CHECK(daemon.wait_for_body("/", "two 0 None"));
  const Answer back = daemon.call("rollback", kBlog);
  CHECK_MESSAGE(back.ok(), back.raw());
  CHECK(daemon.get("/").body == "one 0 None");
  CHECK(daemon.generation("blog") == (stands_by ? 1 : 3));
  CHECK(count_events(daemon, "generation.adopt_failed") == 1);
}

TEST_CASE("while a roll-back moves state the newer code serves, and what comes meanwhile comes after it") {
  DaemonProcess daemon;
  const AppTree app = daemon.add_app("blog", "handoff_timeout = \"20s\"");
  const Gate gate(daemon, "handoff");
  app.write("app.py",
            counts("one", gives_and_takes() + "moult.ready(lambda: print('ready one', flush=True))\n"));
  daemon.start();
  app.write("app.py", counts("two", gives(gate.expression()) + takes()));
  CHECK(daemon.wait_for_body("/", "two 0 1"));
  auto back = call_meanwhile(daemon, "rollback");
  REQUIRE(gate.is_reached());
  CHECK(is_at(daemon, "handoff"));
  CHECK(daemon.get("/").body == "two 0 1");
  add(daemon, 2);
  SUBCASE("nothing") {
    gate.open();
    CHECK(back.get().ok());
    CHECK(daemon.get("/").body == "one 2 2");
    const std::string log = daemon.app_log("blog");
    CHECK(log.find("ready one") == log.rfind("ready one"));  // it was ready before
  }
  SUBCASE("the same roll-back again") {
    auto again = call_meanwhile(daemon, "rollback");
    CHECK(eventually([&] { return daemon.status("blog").number("/counters/rollbacks") == 2; }));
    gate.open();
    CHECK(back.get().number("/generation") == 1);
    CHECK(again.get().number("/generation") == 1);
    CHECK(daemon.get("/").body == "one 2 2");
    CHECK(count_events(daemon, "generation.making") == 2);
  }
  SUBCASE("a change") {
    app.write("app.py", counts("three", takes()));
    CHECK(eventually([&] { return count_events(daemon, "change.settled") == 2; }));
    gate.open();
    CHECK(back.get().number("/generation") == 1);
    CHECK(daemon.wait_for_body("/", "three 2 1"));
    CHECK_FALSE(daemon.status("blog").has("/pinned_generation"));
  }
  SUBCASE("a reload") {
    auto reload = call_meanwhile(daemon, "reload");
    let_pass(200ms);  // nothing tells that a request waits; if it comes later the case says the same
    gate.open();
    CHECK(back.get().number("/generation") == 1);
    CHECK(reload.get().number("/generation") == 3);
    CHECK(daemon.get("/").body == "two 2 1");
  }
  SUBCASE("a stop") {
    CHECK(daemon.call("stop", kBlog).ok());
    CHECK(back.get().error_code() == "interrupted");
    gate.open();
    CHECK(daemon.call("start", kBlog).ok());
    CHECK(daemon.get("/").body == "one 0 None");  // pinned
  }
  SUBCASE("the end of the host of both") {
    REQUIRE(::kill(host_of(daemon, "blog"), SIGKILL) == 0);
    const Answer answer = back.get();
    CHECK_MESSAGE((answer.ok() || answer.error_code() == "interrupted"), answer.raw());
    CHECK(daemon.wait_for_body("/", "one 0 None"));
  }
}

TEST_CASE("a standby that is being gone back to is kept for longer than keep_previous") {
  DaemonProcess daemon;
  const AppTree app = daemon.add_app("blog", "handoff_timeout = \"20s\"\nkeep_previous = \"3s\"");
  const AppTree other = daemon.add_app("other", "routes = [\"/other\"]\nkeep_previous = \"3s\"");
  const Gate gate(daemon, "handoff");
  app.write("app.py", counts("one", gives_and_takes()));
  other.write("app.py", answers("one"));
  daemon.start();
  app.write("app.py", counts("two", gives(gate.expression())));
  CHECK(daemon.wait_for_body("/", "two 0 None"));
  auto back = call_meanwhile(daemon, "rollback");
  REQUIRE(gate.is_reached());
  other.write("app.py", answers("two"));
  REQUIRE(daemon.wait_for_body("/other", "two"));
  const auto stands_by = [&] {
    return daemon.call("generations", R"({"app":"other"})").raw().find("standby") != std::string::npos;
  };
  REQUIRE(eventually(stands_by));
  REQUIRE(eventually([&] { return !stands_by(); }));
  gate.open();
  CHECK(back.get().number("/generation") == 1);
  CHECK(daemon.get("/").body == "one 0 2");
}

TEST_CASE("a roll-back survives the host of either generation") {
  DaemonProcess daemon;
  const AppTree app = daemon.add_app("blog", "reload = \"off\"\nhandoff_timeout = \"20s\"");
  const Gate gate(daemon, "handoff");
  app.write("app.py", counts("one", gives_and_takes()));
  daemon.start();
  const pid_t old_host = host_of(daemon, "blog");
  app.write("app.py", counts("two", gives(gate.expression())));
  CHECK(daemon.call("restart", kBlog).ok());  // in a host of its own
  add(daemon, 2);
  auto back = call_meanwhile(daemon, "rollback");
  REQUIRE(gate.is_reached());
  SUBCASE("of the one that stands by: it is made again from its snapshot") {
    REQUIRE(::kill(old_host, SIGKILL) == 0);
    REQUIRE(gate.is_reached(2));
    gate.open();
    const Answer answer = back.get();
    CHECK_MESSAGE(answer.number("/generation") == 3, answer.raw());
    CHECK(daemon.get("/").body == "one 2 2");
  }
  SUBCASE("of the one that serves: there is no state to wait for") {
    REQUIRE(::kill(host_of(daemon, "blog"), SIGKILL) == 0);
    const Answer answer = back.get();
    CHECK_MESSAGE(answer.number("/generation") == 1, answer.raw());
    CHECK(daemon.get("/").body == "one 0 None");
  }
  CHECK(daemon.status("blog").number("/pinned_generation") == daemon.generation("blog"));
}

TEST_CASE("a generation whose host dies while it hands over is no reason to be without the next one") {
  DaemonProcess daemon;
  const AppTree app = daemon.add_app("blog", "adopt = \"required\"");
  app.write("app.py", counts("one", gives("os._exit(3)")));
  daemon.start();
  app.write("app.py", counts("two", takes()));
  CHECK(daemon.wait_for_body("/", "two 0 None"));
}

TEST_CASE("an app in a process of its own has the same hooks") {
  DaemonProcess daemon;
  const AppTree app = daemon.add_app("blog", "isolation = \"process\"\nkeep_previous = 0");
  app.write("app.py",
            counts("one", gives_and_takes() + "moult.retire(lambda: print('released', flush=True))\n"));
  daemon.start();
  add(daemon, 4);
  app.write("app.py", counts("two", gives_and_takes()));
  CHECK(daemon.wait_for_body("/", "two 4 1"));
  CHECK(eventually([&] { return contains(daemon.app_log("blog"), "released"); }));
}

TEST_CASE("retire hooks run when the standby goes, and for what was refused") {
  DaemonProcess daemon;
  const AppTree app = daemon.add_app("blog", "keep_previous = \"300ms\"");
  const auto releases = [](const std::string& name) {
    return "moult.retire(lambda: print('released " + name + "', flush=True))\n";
  };
  app.write("app.py", counts("one", releases("one")));
  daemon.start();
  app.write("app.py", counts("two", releases("two") + "@moult.ready\ndef check():\n    " + fails() + "\n"));
  CHECK(daemon.wait_for_state("blog", "degraded"));
  CHECK(eventually([&] { return contains(daemon.app_log("blog"), "released two"); }));
  CHECK_FALSE(contains(daemon.app_log("blog"), "released one"));
  app.write("app.py", counts("three", releases("three")));
  CHECK(daemon.wait_for_body("/", "three 0 None"));
  CHECK(eventually([&] { return contains(daemon.app_log("blog"), "released one"); }));
  CHECK(daemon.stop() == 0);
  CHECK(contains(read_file(daemon.state_folder() + "/apps/blog/app.log"), "released three"));
}
