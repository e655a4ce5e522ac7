// Properties of random schedules, checked by rapidcheck: what fails is made smaller and printed as
// a scenario file. `UPKEEP_SCHEDULES=N` runs N of them.
#include <cstdlib>
#include <sstream>

#include "sim/golden.h"
#include "sim/schedule.h"
#include "sim/schedule_golden.h"
#include <gtest/gtest.h>
#include <rapidcheck.h>

namespace upkeep::sim {

/// How rapidcheck shows what fails.
void showValue(const ScenarioFile& scenario, std::ostream& out) {  // NOLINT: its name for it
  out << scenario.print();
}

namespace {

rc::Gen<ScenarioFile> schedules() {
  return [](const rc::Random& random, int /*size*/) {
    // Seeds that a person can type.
    const auto seed = rc::Random(random).next() % 1'000'000'000;
    return rc::shrinkable::shrinkRecur(generate_schedule(seed), [](const ScenarioFile& scenario) {
      return rc::seq::fromContainer(smaller(scenario));
    });
  };
}

/// Checks a property of `count` schedules; the same ones for the same `seed`.
template <typename Property>
void check(std::uint64_t seed, int count, Property property) {
  const rc::detail::TestParams params{.seed = seed, .maxSuccess = count};
  const auto result =
      rc::detail::checkTestable([&] { property(*schedules()); },
                                rc::detail::TestMetadata{.id = "", .description = ""}, params);
  if (result.template is<rc::detail::SuccessResult>()) return;
  std::ostringstream text;
  rc::detail::printResultMessage(result, text);
  FAIL() << text.str();
}

constexpr int kShards = 10;

/// How many schedules each shard runs.
int schedules_per_shard() {
  const char* text = std::getenv("UPKEEP_SCHEDULES");
  const auto count = text == nullptr ? std::nullopt : parse_decimal(text);
  return static_cast<int>(count.value_or(50'000)) / kShards;
}

class Schedules : public ::testing::TestWithParam<int> {};

TEST_P(Schedules, NoneBreaksARule) {
  check(static_cast<std::uint64_t>(GetParam()), schedules_per_shard(),
        [](const ScenarioFile& schedule) {
          const auto violation = violation_of(schedule);
          if (violation) RC_FAIL(*violation);
        });
}
INSTANTIATE_TEST_SUITE_P(Shard, Schedules, ::testing::Range(0, kShards));

TEST(ScheduleProperties, WhatIsPrintedIsReadBack) {
  check(100, 2000, [](const ScenarioFile& schedule) {
    const auto read = ScenarioFile::parse(schedule.print());
    if (!read) RC_FAIL(read.error().message);
    RC_ASSERT(*read == schedule);
  });
}

TEST(ScheduleProperties, TheSameSeedGivesTheSameTrace) {
  check(101, 200, [](const ScenarioFile& schedule) {
    RC_ASSERT(run_scenario(schedule).trace == run_scenario(schedule).trace);
  });
}

/// To leave out the trace changes nothing else.
TEST(ScheduleProperties, WithoutATraceTheSameHappens) {
  check(102, 200, [](const ScenarioFile& schedule) {
    RC_ASSERT(run_scenario(schedule, Trace::None).sights == run_scenario(schedule).sights);
  });
}

/// Whatever is worth testing is reached again and again.
TEST(ScheduleProperties, EverySightIsSeen) {
  std::array<int, kSights.size()> seen{};
  for (std::uint64_t seed = 1; seed <= 2000; ++seed) {
    const auto sights = run_scenario(generate_schedule(seed), Trace::None).sights;
    for (std::size_t i = 0; i < sights.size(); ++i) seen[i] += sights[i] != 0 ? 1 : 0;
  }
  for (std::size_t i = 0; i < seen.size(); ++i) EXPECT_GE(seen[i], 2) << kSights[i];
}

/// The same bytes with every compiler; `upkeep-sim --update-schedules=tests/sim/schedules`.
TEST(ScheduleProperties, GoldenFilesAreUpToDate) {
  for (const auto& [name, text] : schedule_golden()) {
    const auto golden = read_text(std::filesystem::path(UPKEEP_SCHEDULE_GOLDEN) / name);
    ASSERT_TRUE(golden) << golden.error().message;
    EXPECT_EQ(difference(*golden, text), "") << name;
  }
}

}  // namespace
}  // namespace upkeep::sim
