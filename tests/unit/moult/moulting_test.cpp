#include "tests/unit/moult/moulting_bench.h"

using namespace moult;
using namespace moult::test;

namespace {

using Kind = AttemptOutcome::Kind;

}  // namespace

TEST_CASE("a first load switches, the same content again is no change, and an edit switches again") {
  MoultingBench bench;
  auto& first = bench.attempt({CauseKind::start, ""});
  bench.settle();
  REQUIRE(first.outcomes.size() == 1);
  CHECK(first.outcomes[0].kind == Kind::switched);
  auto& same = bench.attempt({CauseKind::change, "app.py"});
  bench.settle();
  REQUIRE(same.outcomes.size() == 1);
  CHECK(same.outcomes[0].kind == Kind::unchanged);
  bench.edit(1);
  auto& edited = bench.attempt({CauseKind::change, "app.py"});
  bench.settle();
  REQUIRE(edited.outcomes.size() == 1);
  CHECK(edited.outcomes[0].kind == Kind::switched);
  CHECK(bench.switched == std::vector<std::uint64_t>{1, 2});
  CHECK(bench.moulting->standby()->number() == 1);
}
