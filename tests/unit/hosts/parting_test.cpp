#include "daemon/hosts/parting.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <set>

using namespace moult;

namespace {

constexpr SteadyTime kStart = SteadyTime(std::chrono::hours(10));

}  // namespace

TEST_CASE("an app to blame is alone, its neighbours are together, and an hour of peace ends that") {
  Parting parting;
  CHECK(parting.company_of("a", kStart).empty());
  parting.part("a", "it crashed", kStart);
  CHECK(parting.is_alone("a", kStart));
  CHECK(parting.why("a", kStart) == "it crashed");
  CHECK(parting.company_of("b", kStart).empty());
  parting.part("a", "again", kStart + std::chrono::minutes(50));
  CHECK(parting.is_alone("a", kStart + std::chrono::minutes(100)));
  CHECK(parting.company_of("a", kStart + std::chrono::minutes(110)).empty());
  CHECK(parting.why("a", kStart + std::chrono::minutes(110)).empty());
}

TEST_CASE("one trouble that nobody is to blame for parts nobody, nor do two that lie far apart") {
  Parting parting;
  CHECK_FALSE(parting.on_trouble({"a", "b"}, "died", kStart));
  CHECK_FALSE(parting.on_trouble({"a", "b"}, "died", kStart + std::chrono::minutes(11)));
  CHECK(parting.company_of("a", kStart + std::chrono::minutes(11)).empty());
  CHECK(parting.on_trouble({"a", "b"}, "died", kStart + std::chrono::minutes(20)));
  CHECK(parting.is_alone("a", kStart + std::chrono::minutes(20)));
  CHECK(parting.is_alone("b", kStart + std::chrono::minutes(20)));
}

TEST_CASE("whichever of many apps it is, it is alone after a few troubles, and the others are not with it") {
  std::mt19937 random(7);
  for (int round = 0; round < 200; ++round) {
    Parting parting;
    std::vector<std::string> apps;
    const int count = 2 + static_cast<int>(random() % 40);
    for (int i = 0; i < count; ++i) apps.push_back("app" + std::to_string(i));
    const std::string culprit = apps[random() % apps.size()];
    SteadyTime now = kStart;
    int troubles = 0;
    while (!parting.is_alone(culprit, now)) {
      std::vector<std::string> together;
      for (const std::string& app : apps) {
        if (parting.company_of(app, now) == parting.company_of(culprit, now)) together.push_back(app);
      }
      parting.on_trouble(together, "died", now);
      now += std::chrono::seconds(1);
      REQUIRE(++troubles <= 8);  // the first one, and the logarithm of 42
    }
    for (const std::string& app : apps) {
      if (app != culprit) CHECK(parting.company_of(app, now) != parting.company_of(culprit, now));
    }
  }
}
