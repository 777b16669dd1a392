#include "ipc/uv/loop.h"

#include <doctest/doctest.h>

#include <string>

using namespace moult;

TEST_CASE("an action asked for again by itself is done before the loop waits") {
  uv::Loop loop;
  int done = 0;
  uv::BeforeWait* again = nullptr;
  uv::BeforeWait soon(loop, [&] {
    if (++done < 3) again->request();
  });
  again = &soon;
  soon.request();
  soon.request();
  uv::Timer late(loop);
  int done_at_time = 0;
  late.start(Milliseconds(1), [&] { done_at_time = done; });
  loop.run();
  CHECK(done == 3);
  CHECK(done_at_time == 3);
}

TEST_CASE("what another action asks for is done before the loop waits") {
  uv::Loop loop;
  std::string order;
  uv::Timer late(loop);
  std::unique_ptr<uv::BeforeWait> first;
  std::unique_ptr<uv::BeforeWait> second;
  const auto make_first = [&] { first = std::make_unique<uv::BeforeWait>(loop, [&] { order += "1"; }); };
  const auto make_second = [&] {
    second = std::make_unique<uv::BeforeWait>(loop, [&] {
      order += "2";
      first->request();
    });
  };
  SUBCASE("made before it") {
    make_first();
    make_second();
  }
  SUBCASE("made after it") {
    make_second();
    make_first();
  }
  late.start(Milliseconds(20), [&] { order += "w"; });
  second->request();
  loop.run();
  CHECK(order == "21w");
}

TEST_CASE("an action may destroy what calls it") {
  uv::Loop loop;
  int done = 0;
  std::unique_ptr<uv::BeforeWait> soon;
  soon = std::make_unique<uv::BeforeWait>(loop, [&] {
    ++done;
    soon.reset();
  });
  soon->request();
  loop.run();
  CHECK(done == 1);
}

TEST_CASE(
    "an action of the next round comes without waiting, and before what is done before the loop waits") {
  uv::Loop loop;
  std::string order;
  std::unique_ptr<uv::NextRound> next;
  uv::BeforeWait soon(loop, [&] { order += "w"; });
  next = std::make_unique<uv::NextRound>(loop, [&] {
    order += "n";
    soon.request();
  });
  uv::BeforeWait first(loop, [&] {
    order += "f";
    next->request();
    next->request();
  });
  first.request();
  loop.run();
  CHECK(order == "fnw");
  next->request();
  next.reset();
  loop.run();
  CHECK(order == "fnw");
}
