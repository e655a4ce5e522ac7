// A scenario, carried out: what a person reads of it, and what went wrong.
#pragma once

#include <string>
#include <vector>

#include "sim/scenario_file.h"

namespace upkeep::sim {

struct ScenarioResult {
  std::vector<std::string> trace;       ///< tests/sim/README.md explains the lines
  std::vector<std::string> violations;  ///< broken invariants and expectations; empty: all is well
};

/// Carries out the timeline, then waits until all has come to rest or `until` has come. The same
/// values give the same bytes, always and everywhere.
[[nodiscard]] ScenarioResult run_scenario(const ScenarioFile& scenario);

}  // namespace upkeep::sim
