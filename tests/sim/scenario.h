// The fixture of the simulated scenarios: one simulation, and after each test no broken invariant.
#pragma once

#include <algorithm>
#include <csignal>

#include "sim/simulation.h"
#include <gtest/gtest.h>

namespace upkeep::sim {

using core::Goal;
using core::ProcessType;
using core::Verb;
using core::Wait;
using Lines = std::vector<std::string>;

class Scenario : public ::testing::Test {
 protected:
  explicit Scenario(core::ManagerOptions options = {}) : sim(std::move(options)) {}

  void TearDown() override {
    EXPECT_EQ(sim.violations(), Lines{});
    if (!HasFailure()) return;
    for (const auto& line : sim.trace()) GTEST_LOG_(INFO) << line;
  }

  /// Programs by "job/process-type"; what is not named runs the default.
  void programs(std::map<std::string, Program> by_name) {
    sim.program = [by_name = std::move(by_name)](const core::SpawnRequest& request) {
      const auto found =
          by_name.find(request.definition->name + "/" + std::string(conf::to_string(request.type)));
      return found == by_name.end() ? Simulation::default_program(request) : found->second;
    };
  }

  Simulation sim;
};

/// The states a start and a stop go through (spec/runtime.md 2.2).
inline const Lines kUp{"+",        ">start",        "starting",   "security-spawning",
                       "security", "pre-starting",  "pre-start",  "spawning",
                       "spawned",  "post-starting", "post-start", "running"};
inline const Lines kUpAgain{
    "starting", "security-spawning", "security",      "pre-starting", "pre-start",
    "spawning", "spawned",           "post-starting", "post-start",   "running"};
inline const Lines kDown{">stop",         "pre-stopping", "pre-stop", "stopping", "killed",
                         "post-stopping", "post-stop",    "waiting",  "-"};
inline const Lines kDownWithoutMain{">stop",     "stopping", "killed", "post-stopping",
                                    "post-stop", "waiting",  "-"};

inline Lines operator+(Lines left, const Lines& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}

}  // namespace upkeep::sim
