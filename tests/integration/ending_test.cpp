// The end of generations whose threads are alive until something stops them, or for good.

#include "tests/integration/gate.h"
#include "tests/integration/sources.h"

#include <doctest/doctest.h>

#include <string>

using namespace moult::testing;

namespace {

// A logging thread that an atexit function stops, as logging's own recipe has it, and a worker that waits for
// ever. What is logged at the very end is in the file `told`.
std::string logs(const std::string& version, const std::string& told) {
  return "import atexit, logging, logging.handlers, queue, threading\n"
         "records = queue.Queue()\n"
         "listener = logging.handlers.QueueListener(records, logging.FileHandler('" +
         told +
         "'))\n"
         "listener.start()\n"
         "atexit.register(listener.stop)\n"
         "logging.getLogger().addHandler(logging.handlers.QueueHandler(records))\n"
         "atexit.register(logging.error, 'end of " +
         version +
         "')\n"
         "threading.Thread(target=queue.Queue().get, daemon=True).start()\n" +
         answers(version);
}

}  // namespace

TEST_CASE("daemon threads do not keep a generation from ending, and atexit functions run") {
  for (const std::string isolation : {"auto", "process"}) {
    CAPTURE(isolation);
    DaemonProcess daemon;
    daemon.write_daemon_config("listen = \"127.0.0.1:0\"\nhosts = 1\n");
    const std::string told = daemon.folder() / "told";
    const AppTree app = daemon.add_app("blog", "keep_previous = 0\nisolation = \"" + isolation + "\"");
    app.write("app.py", logs("v0", told));
    daemon.start();
    const pid_t host = host_of(daemon, "blog");
    for (int version = 1; version <= 3; ++version) {
      app.write("app.py", logs("v" + std::to_string(version), told));
      CHECK(daemon.wait_for_body("/", "v" + std::to_string(version)));
      const std::string last = "end of v" + std::to_string(version - 1);
      CHECK(eventually([&] { return read_file(told).find(last) != std::string::npos; }));
    }
    CHECK(eventually([&] { return count_events(daemon, "generation.retired") == 3; }));
    CHECK(count_events(daemon, "generation.abandoned") == 0);
    CHECK(count_events(daemon, "host.recycled") == 0);
    if (daemon.status("blog").text("/isolation") != "process") CHECK(host_of(daemon, "blog") == host);
  }
}
