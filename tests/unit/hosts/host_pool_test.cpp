#include "daemon/hosts/host_pool.h"

#include "tests/unit/hosts/host_bench.h"

using namespace moult;
using namespace moult::test;

namespace {

struct Listener final : InterpreterListener {
  void on_event(const HostEvent&) override {}
  void on_host_gone(const std::string&) override {}
};

// A pool whose hosts are played by the test.
struct PoolBench : HostBench, HostPool::Owner {
  PoolBench() { pool.configure(2, 0); }

  Host& place(const PlacementRequest& request) {
    const auto placed = pool.place(request);
    REQUIRE(placed);
    Host* host = *placed;
    if (!parts.contains(host)) parts[host] = meet();
    return *host;
  }
  // As an app does with the host that it got.
  std::uint64_t live_in(Host& host) { return host.make({}, {}, listener); }

  void on_recycle(Host& host) override { recycled.push_back(host.number()); }
  void on_host_lost(Host& host, const std::string&) override { lost.push_back(host.number()); }
  void on_host_output(Host&, const OutputSource&, std::string_view) override {}
  void on_caller_lane(Host& host, Fd lane) override {
    caller_lanes.emplace_back(host.number(), std::move(lane));
  }
  void on_host_ended(Host& host) override { ended.push_back(host.number()); }
  void on_host_full(Host&) override {}
  void on_host_stalled(Host& host, const StalledEvent& note) override {
    HostBench::on_host_stalled(host, note);
  }
  void on_host_revived(Host& host, const RevivedEvent& note) override {
    HostBench::on_host_revived(host, note);
  }
  std::string on_host_dying(Host& host, const std::string& how, bool was_killed) override {
    return HostBench::on_host_dying(host, how, was_killed);
  }

  Listener listener;
  HostPool pool{loop, log, *this, launcher};
  std::vector<int> recycled;
  std::vector<int> lost;
  std::vector<std::pair<int, Fd>> caller_lanes;
  std::vector<int> ended;
};

PlacementRequest request(InterpreterMode mode = InterpreterMode::shared) {
  PlacementRequest request;
  request.key = HostBench::key();
  request.key.mode = mode;
  request.app = "blog";
  return request;
}

}  // namespace

TEST_CASE("apps are spread over as many hosts as are allowed, and then share") {
  PoolBench bench;
  Host& first = bench.place(request());
  bench.live_in(first);
  Host& second = bench.place(request());
  CHECK(&second != &first);
  bench.live_in(second);
  bench.live_in(second);
  CHECK(&bench.place(request()) == &first);
  CHECK(bench.pool.hosts().size() == 2);
}

TEST_CASE("with own GILs one host is enough") {
  PoolBench bench;
  Host& first = bench.place(request(InterpreterMode::own));
  bench.live_in(first);
  CHECK(&bench.place(request(InterpreterMode::own)) == &first);
}

TEST_CASE("an app in process isolation has its host for itself") {
  PoolBench bench;
  Host& first = bench.place(request(InterpreterMode::main));
  Host& second = bench.place(request(InterpreterMode::main));
  CHECK(&first != &second);
  CHECK(first.dedicated);
  CHECK(second.dedicated);
}

TEST_CASE("an app whose settings differ is not put into the host of another") {
  PoolBench bench;
  bench.pool.configure(1, 0);
  Host& first = bench.place(request());
  bench.live_in(first);
  PlacementRequest other = request();
  other.key.c_environment = {{"TZ", "Europe/Berlin"}};
  CHECK(&bench.place(other) != &first);
}

TEST_CASE("a group keeps together, and is noted once however often its apps are made again") {
  PoolBench bench;
  PlacementRequest grouped = request();
  grouped.group = "shop";
  Host& first = bench.place(grouped);
  bench.live_in(first);
  for (int i = 0; i < 5; ++i) CHECK(&bench.place(grouped) == &first);
  CHECK(first.groups.size() == 1);
}

TEST_CASE("a recycled host takes nothing more and leaves when it is empty") {
  PoolBench bench;
  Host& first = bench.place(request());
  const std::uint64_t interp = bench.live_in(first);
  bench.pool.recycle(first, "asked");
  bench.pool.recycle(first, "again");
  CHECK(bench.recycled == std::vector<int>{1});
  CHECK(bench.pool.recycled() == 1);
  CHECK(first.recycle_reason == "asked");
  PlacementRequest stay = request();
  stay.current = &first;
  CHECK(&bench.place(stay) != &first);
  CHECK(first.state() == Host::State::starting);
  first.forget(interp);
  CHECK(first.state() == Host::State::leaving);
}

TEST_CASE("an empty host that is recycled leaves at once") {
  PoolBench bench;
  Host& first = bench.place(request());
  bench.pool.recycle(first, "asked");
  CHECK(first.state() == Host::State::leaving);
}

TEST_CASE("a host that died is told, counted, buried and never chosen again") {
  PoolBench bench;
  Host& first = bench.place(request());
  bench.live_in(first);
  PlacementRequest stay = request();
  stay.current = &first;
  first.kill();
  bench.pump_until([&] { return !bench.lost.empty(); });
  CHECK(bench.lost == std::vector<int>{1});
  CHECK(bench.pool.lost() == 1);
  CHECK(bench.pool.find(1) == nullptr);
  CHECK(bench.pool.is_empty());
  bench.pump();
  stay.current = nullptr;
  CHECK(bench.place(stay).number() == 2);
}

TEST_CASE("hosts that were asked to leave are no loss") {
  PoolBench bench;
  Host& first = bench.place(request());
  bench.live_in(first);
  bench.pool.leave_all();
  CHECK(bench.command_for(first).json["do"] == "make");
  CHECK(bench.command_for(first).json["do"] == "exit");
  bench.part(first).exit(0);
  bench.pump_until([&] { return bench.pool.is_empty(); });
  CHECK(bench.lost.empty());
  CHECK(bench.pool.lost() == 0);
}

TEST_CASE("hosts in which nothing was made can be sent away, the others stay") {
  PoolBench bench;
  Host& used = bench.place(request());
  bench.live_in(used);
  Host& unused = bench.place(request());
  bench.pool.leave_unused();
  CHECK(used.state() == Host::State::starting);
  CHECK(unused.state() == Host::State::leaving);
}

TEST_CASE("a host without its module is an error, and no host is left behind") {
  PoolBench bench;
  PlacementRequest missing = request();
  missing.key.python.suffix = ".none.so";
  CHECK_FALSE(bench.pool.place(missing));
  CHECK(bench.pool.is_empty());
}

TEST_CASE("a caller lane is passed on with its host, and so is the end of every host") {
  PoolBench bench;
  const auto host = bench.pool.place({HostBench::key(), "blog", "", nullptr, false});
  REQUIRE(host);
  const HostPart part = bench.meet();
  auto pair = seqpacket_pair();
  REQUIRE(pair);
  part.send_with({{"event", "caller"}, {"interp", 1}}, pair->theirs);
  bench.pump_until([&] { return !bench.caller_lanes.empty(); });
  CHECK(bench.caller_lanes[0].first == (*host)->number());
  (*host)->leave();
  part.exit(0);
  bench.pump_until([&] { return !bench.ended.empty(); });
  CHECK(bench.ended == std::vector<int>{bench.caller_lanes[0].first});
}

TEST_CASE("a host that was left to one app takes nothing new, not even from that one") {
  PoolBench bench;
  bench.pool.configure(1, 0);
  Host& first = bench.place(request());
  bench.live_in(first);
  first.keeper = "blog";
  CHECK(first.keeps("blog"));
  CHECK_FALSE(first.keeps("shop"));
  CHECK_FALSE(first.takes_new());
  Host& second = bench.place(request());
  CHECK(&second != &first);
  CHECK(second.takes_new());
}

TEST_CASE("an app is placed with its own company only, and each company may have all hosts") {
  PoolBench bench;
  bench.pool.configure(1, 0);
  Host& all = bench.place(request());
  bench.live_in(all);
  PlacementRequest apart = request();
  apart.company = "app shop";
  Host& alone = bench.place(apart);
  bench.live_in(alone);
  CHECK(&alone != &all);
  CHECK(alone.company == "app shop");
  CHECK(&bench.place(request()) == &all);
  CHECK(&bench.place(apart) == &alone);
}
