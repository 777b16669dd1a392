// Calls between apps through the real programs: in one host, between hosts, with deadlines, as
// streams, and while both sides get new code.

#include "tests/integration/gate.h"
#include "tests/integration/sources.h"

#include <doctest/doctest.h>

#include <csignal>
#include <string>

using namespace moult::testing;

namespace {

bool contains(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

// On 3.12 each app has a process of its own, unless told otherwise.
bool shares_hosts() { return python_version() != std::pair(3, 12); }

// Evaluates the body of a request in its own module and answers with the repr of that, or with what
// a call raised.
constexpr const char* kAsker = R"(
import asyncio, concurrent.futures, itertools, moult, threading, time

def timed(function):
    began = time.monotonic()
    try:
        result = function()
    except moult.CallError as error:
        result = type(error).__name__
    return result, time.monotonic() - began

def first_of(stream, count):
    with stream as items:
        return list(itertools.islice(items, count))

def application(environ, start_response):
    source = environ['wsgi.input'].read().decode()
    start_response('200 OK', [('Content-Type', 'text/plain')])
    try:
        return [repr(eval(source, globals())).encode()]
    except moult.CallError as error:
        return [f'{type(error).__name__}: {error}'.encode()]
)";

// Says in a file when it begins and ends.
constexpr const char* kWait = R"(
@moult.export
def wait(path):
    open(path, 'a').write('b')
    try:
        while True: time.sleep(0.01)
    finally:
        open(path, 'a').write('e')
)";

constexpr const char* kTarget = R"(
import moult, os, threading, time

@moult.export
def add(a, b=0):
    "Adds."
    return a + b

@moult.export
def where(): return moult.current().app, os.getpid(), moult.current().generation

@moult.export
def fails(text): raise ValueError(text)

@moult.export
def echo(value): return value

@moult.export
def back(app, function, *args, **kwargs): return moult.call(app, function, *args, **kwargs)

@moult.export
def numbers(path):
    n = 0
    try:
        while True:
            yield n
            n += 1
    finally:
        open(path, 'a').write('closed')

@moult.export
def three():
    yield 1
    yield 'two'
    raise KeyError('three')

def application(environ, start_response):
    start_response('200 OK', [('Content-Type', 'text/plain')])
    return [str(moult.current().generation).encode()]
)";

// `asker` and `target`, in one host or in two.
struct Apps {
  DaemonProcess daemon;
  AppTree asker;
  AppTree target;

  explicit Apps(bool near, const std::string& more = "")
      : asker(daemon.add_app("asker", "route = \"/\"\ngroup = \"calls\"\nthreads = 2\n")),
        target(daemon.add_app("target", std::string("route = \"/target\"\nthreads = 2\n") +
                                            (near ? "group = \"calls\"\n" : "isolation = \"process\"\n"))) {
    asker.write("app.py", kAsker);
    target.write("app.py", kTarget + more);
  }
  std::string ask(const std::string& source) const { return post(daemon.address(), "/", source).body; }
};

}  // namespace

TEST_CASE("a call gives the same in one host and between two") {
  bool near = true;
  SUBCASE("in one host") {}
  SUBCASE("between two") { near = false; }
  CAPTURE(near);
  const Apps apps(near);
  const_cast<DaemonProcess&>(apps.daemon).start();
  CHECK(apps.ask("moult.call('target', 'add', 1, b=2)") == "3");
  CHECK(apps.ask("moult.app('target').echo({'a': [1, 2.5, None], 'b': (b'x', {3})})") ==
        "{'a': [1, 2.5, None], 'b': (b'x', {3})}");
  CHECK(apps.ask("len(moult.call('target', 'echo', b'x' * 3_000_000))") == "3000000");
  CHECK(apps.ask("moult.call('target', 'fails', 'no')") == "RemoteError: ValueError: no");
  CHECK(
      contains(apps.ask("moult.call('target', 'ad')"), "NotExported: target.ad: 'ad' is not exported (did"));
  CHECK(contains(apps.ask("moult.call('targe', 'add')"), "AppNotFound: targe.add: "));
  CHECK(contains(apps.ask("moult.call('target', 'echo', {'x': [threading.Lock()]})"),
                 "PayloadError: argument 1['x'][0]"));
  CHECK(contains(apps.ask("moult.call('target', 'echo', b'x' * (17 << 20))"), "PayloadTooLarge"));
  CHECK(contains(apps.ask("moult.call('target', 'back', 'target', 'fails', 'deep')"),
                 "RemoteError: moult.RemoteError: ValueError: deep"));
  CHECK(apps.ask("moult.call('target', 'back', 'asker', 'x')") ==
        "RemoteError: moult.NotExported: asker.x: 'x' is not exported; the app exports nothing "
        "(@moult.export, or exports in its config)");
  CHECK(apps.ask("moult.call('target', 'add', 1, timeout=20)") == "1");
  CHECK(apps.ask("moult.submit('target', 'add', 40, b=2).result(20)") == "42");
  CHECK(apps.ask("asyncio.run(moult.acall('target', 'add', 40, b=2))") == "42");
  const std::string pids = apps.ask("moult.call('target', 'where')[1] == __import__('os').getpid()");
  CHECK(pids == (near && shares_hosts() ? "True" : "False"));
}

TEST_CASE("a call with a timeout returns in time whatever its target does, and that is interrupted") {
  bool near = true;
  SUBCASE("in one host") {}
  SUBCASE("between two") { near = false; }
  CAPTURE(near);
  Apps apps(near, R"(
# A function of its own: on 3.11 no handler covers the jump of a loop in the same one.
def on_and_on():
    while True: pass

@moult.export
def spin(path):
    file = os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY)
    os.write(file, b'b')
    try:
        on_and_on()
    except moult.Interrupted:
        while True:
            try:
                os.write(file, b'e')
                return
            except moult.Interrupted:  # once more, on a busy machine
                pass

@moult.export
def block(path):
    open(path, 'a').write('b')
    threading.Event().wait()
)");
  apps.daemon.start();
  const std::string trace = apps.daemon.folder() / "trace";
  for (const std::string function : {"spin", "block"}) {
    CAPTURE(function);
    const std::string answer =
        apps.ask("timed(lambda: moult.call('target', '" + function + "', '" + trace + "', timeout=0.3))");
    CHECK(contains(answer, "('CallTimeout', "));
    CHECK(std::stod(answer.substr(answer.find(',') + 1)) < 10.0);  // it would wait for ever
  }
  CHECK(eventually([&] { return contains(read_file(trace), "e"); }));
  // One of its two workers is blocked for good; the other one serves.
  CHECK(apps.ask("moult.call('target', 'add', 1, timeout=20)") == "1");
}

TEST_CASE("a deadline travels with the calls that a call makes, and does not grow") {
  Apps apps(true, kWait);
  const AppTree third = apps.daemon.add_app("third", "route = \"/third\"\nisolation = \"process\"\n");
  third.write("app.py", kTarget);
  apps.daemon.start();
  const std::string trace = apps.daemon.folder() / "trace";
  const std::string answer =
      apps.ask("timed(lambda: moult.call('third', 'back', 'target', 'wait', '" + trace + "', timeout=0.5))");
  CHECK(contains(answer, "('CallTimeout', "));
  CHECK(eventually([&] { return contains(read_file(trace), "be"); }));
  CHECK(apps.ask("moult.call('target', 'add', 1, timeout=20)") == "1");
}

TEST_CASE("a stream comes item by item and is closed on both sides when either stops") {
  bool near = true;
  SUBCASE("in one host") {}
  SUBCASE("between two") { near = false; }
  CAPTURE(near);
  Apps apps(near);
  apps.daemon.start();
  const std::string trace = apps.daemon.folder() / "trace";
  CHECK(apps.ask("first_of(moult.call('target', 'numbers', '" + trace + "'), 5)") == "[0, 1, 2, 3, 4]");
  CHECK(eventually([&] { return read_file(trace) == "closed"; }));
  CHECK(apps.ask("list(moult.call('target', 'three'))") == "RemoteError: KeyError: 'three'");
  CHECK(apps.ask("[next(s := moult.call('target', 'three')), next(s), s.close(), list(s)]") ==
        "[1, 'two', None, []]");
  // Dropped without a close.
  CHECK(apps.ask("next(moult.call('target', 'numbers', '" + trace + "'))") == "0");
  CHECK(eventually([&] { return read_file(trace) == "closedclosed"; }));
}

TEST_CASE("a submitted call can be given up") {
  Apps apps(true, kWait);
  apps.asker.write("app.py", std::string(kAsker) + R"(
def give_up(path):
    future = moult.submit('target', 'wait', path)
    while not (os.path.exists(path)): time.sleep(0.01)
    future.cancel()
    try:
        future.result(60)
    except concurrent.futures.CancelledError:
        return 'cancelled'
import os
)");
  apps.daemon.start();
  const std::string trace = apps.daemon.folder() / "trace";
  CHECK(apps.ask("give_up('" + trace + "')") == "'cancelled'");
  CHECK(eventually([&] { return read_file(trace) == "be"; }));
}

TEST_CASE("a stopped app is unavailable, and one that is lost says so") {
  Apps apps(false, R"(
@moult.export
def die():
    os.kill(os.getpid(), 9)
)");
  apps.daemon.start();
  CHECK(contains(apps.ask("moult.call('target', 'die')"), "HostLost: target.die: "));
  // It comes back; the call waits for it.
  CHECK(apps.ask("moult.call('target', 'add', 1, b=1)") == "2");
  CHECK(apps.daemon.call("stop", R"({"app":"target"})").ok());
  CHECK(contains(apps.ask("moult.call('target', 'add', 1)"), "AppUnavailable: target.add: "));
  CHECK(apps.daemon.call("start", R"({"app":"target"})").ok());
  CHECK(apps.ask("moult.call('target', 'add', 1)") == "1");
}

TEST_CASE("calls go round between apps of one host and of two, but not without end") {
  bool near = true;
  SUBCASE("in one host") {}
  SUBCASE("between two") { near = false; }
  CAPTURE(near);
  Apps apps(near);
  apps.asker.write("app.py", std::string(kAsker) + R"(
@moult.export
def bounce(n): return n if n == 0 else moult.call('target', 'back', 'asker', 'bounce', n - 1)
)");
  apps.daemon.start();
  CHECK(apps.ask("bounce(1)") == "0");
  if (near && shares_hosts()) {
    CHECK(apps.ask("bounce(10)") == "0");
    CHECK(contains(apps.ask("bounce(40)"), "CallCycle"));
  }
}

TEST_CASE("a call that is in flight finishes where it began, the next one runs new code") {
  bool near = true;
  SUBCASE("in one host") {}
  SUBCASE("between two") { near = false; }
  CAPTURE(near);
  Apps apps(near);
  const Gate gate(apps.daemon, "call");
  const std::string slow =
      "\n@moult.export\ndef slow(): return (" + gate.expression() + ", moult.current().generation)[1]\n";
  apps.target.write("app.py", kTarget + slow);
  apps.daemon.start();
  std::string answer;
  std::thread caller([&] { answer = apps.ask("moult.call('target', 'slow')"); });
  REQUIRE(gate.is_reached());
  CHECK(apps.daemon.call("reload", R"({"app":"target","force":true})").ok());
  CHECK(eventually([&] { return apps.ask("moult.call('target', 'where')[2]") == "2"; }));
  // Its generation drains, which `calls` shows too.
  CHECK(contains(apps.daemon.call("generations", R"({"app":"target"})").raw(), "draining"));
  CHECK(contains(apps.daemon.ctl({"calls"}).output, "slow"));
  gate.open();
  caller.join();
  CHECK(answer == "1");
  CHECK(eventually(
      [&] { return !contains(apps.daemon.call("generations", R"({"app":"target"})").raw(), "draining"); }));
}

TEST_CASE("an app reloads, freezes and thaws itself") {
  Apps apps(true);
  apps.daemon.start();
  CHECK(apps.ask("moult.freeze()") == "None");
  CHECK(eventually([&] { return apps.daemon.status("asker").flag("/frozen"); }));
  CHECK(apps.ask("moult.thaw()") == "None");
  CHECK(eventually([&] { return !apps.daemon.status("asker").flag("/frozen"); }));
  CHECK(apps.ask("moult.reload()") == "None");
  CHECK(apps.daemon.wait_for_generation("asker", 2));
}
