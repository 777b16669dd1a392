// The main of every unit test program, and of the integration tests.
#define DOCTEST_CONFIG_IMPLEMENT
#include "tests/support/skip.h"

namespace {

constexpr int kAllSkipped = 77;  // SKIP_RETURN_CODE of ctest

int cases = 0;

struct Counter : doctest::IReporter {
  explicit Counter(const doctest::ContextOptions&) {}
  void report_query(const doctest::QueryData&) override {}
  void test_run_start() override {}
  void test_run_end(const doctest::TestRunStats&) override {}
  void test_case_start(const doctest::TestCaseData&) override { ++cases; }
  void test_case_reenter(const doctest::TestCaseData&) override {}
  void test_case_end(const doctest::CurrentTestCaseStats&) override {}
  void test_case_exception(const doctest::TestCaseException&) override {}
  void subcase_start(const doctest::SubcaseSignature&) override {}
  void subcase_end() override {}
  void log_assert(const doctest::AssertData&) override {}
  void log_message(const doctest::MessageData&) override {}
  void test_case_skipped(const doctest::TestCaseData&) override {}
};

}  // namespace

REGISTER_LISTENER("counter", 1, Counter);

int main(int argc, char** argv) {
  const int failed = doctest::Context(argc, argv).run();
  const int skipped = moult::testing::skipped_cases();
  if (skipped > 0) std::printf("[moult] skipped cases: %d\n", skipped);
  return failed == 0 && skipped > 0 && skipped == cases ? kAllSkipped : failed;
}
