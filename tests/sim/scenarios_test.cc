// Each scenario file is a test: it breaks no rule, and its trace is the golden one beside it.
#include <algorithm>

#include "sim/golden.h"
#include <gtest/gtest.h>

namespace upkeep::sim {
namespace {

class ScenarioTest : public ::testing::Test {
 public:
  explicit ScenarioTest(std::filesystem::path scenario) : scenario_(std::move(scenario)) {}

  void TestBody() override {
    const auto result = run_scenario_file(scenario_);
    ASSERT_TRUE(result) << result.error().message;
    EXPECT_EQ(result->violations, std::vector<std::string>{});
    const auto golden = read_text(golden_path(scenario_));
    ASSERT_TRUE(golden) << golden.error().message << "\n"
                        << "read the trace of upkeep-sim, then write it with --update";
    const auto change = difference(*golden, to_text(result->trace));
    EXPECT_TRUE(change.empty()) << golden_path(scenario_) << " " << change;

    const auto again = run_scenario_file(scenario_);
    EXPECT_EQ(difference(to_text(result->trace), to_text(again->trace)), "");
  }

 private:
  std::filesystem::path scenario_;
};

/// Registers one test for each file, in the order of their names.
void register_scenarios(const std::filesystem::path& directory) {
  std::vector<std::filesystem::path> scenarios;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    if (entry.path().extension() == ".scn") scenarios.push_back(entry.path());
  }
  std::ranges::sort(scenarios);
  for (const auto& scenario : scenarios) {
    auto name = scenario.stem().string();
    std::ranges::replace(name, '-', '_');  // which a filter of tests takes for "not"
    ::testing::RegisterTest(
        "Scenario", name.c_str(), nullptr, nullptr, scenario.c_str(), 1,
        [scenario]() -> ::testing::Test* { return new ScenarioTest(scenario); });
  }
}

}  // namespace
}  // namespace upkeep::sim

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  upkeep::sim::register_scenarios(UPKEEP_SCENARIOS);
  return RUN_ALL_TESTS();
}
