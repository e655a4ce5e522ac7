// Random schedules: `UPKEEP_SEED=N` replays one, `UPKEEP_SCHEDULES=N` runs more of them.
#include <cstdlib>

#include "sim/schedule.h"
#include <gtest/gtest.h>

#include "base/strings.h"

namespace upkeep::sim {
namespace {

/// A number from the environment of the test, or its default.
std::uint64_t setting(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : parse_decimal(text).value_or(otherwise);
}

TEST(Schedules, NoneBreaksAnInvariant) {
  const auto first = setting("UPKEEP_SEED", 1);
  const bool one = std::getenv("UPKEEP_SEED") != nullptr;
  const auto count = one ? 1 : setting("UPKEEP_SCHEDULES", 10000);
  for (auto seed = first; seed < first + count; ++seed) {
    const auto result = run_schedule(seed);
    if (result.violations.empty()) continue;
    std::string text;
    for (const auto& line : result.trace) text += line + "\n";
    FAIL() << "replay with UPKEEP_SEED=" << seed << "\n"
           << result.violations.front() << "\n"
           << text;
  }
}

TEST(Schedules, TheSameSeedGivesTheSameTrace) {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    EXPECT_EQ(run_schedule(seed).trace, run_schedule(seed).trace) << seed;
  }
}

}  // namespace
}  // namespace upkeep::sim
