// A scenario, carried out: what a person reads of it, and what went wrong.
#pragma once

#include <string>
#include <vector>

#include "sim/scenario_file.h"
#include "sim/sights.h"

namespace upkeep::sim {

struct ScenarioResult {
  std::vector<std::string> trace;       ///< tests/sim/README.md explains the lines
  std::vector<std::string> violations;  ///< broken invariants and expectations; empty: all is well
  Sights sights{};                      ///< what the run has come across
};

enum class Trace {
  Written,
  None,  ///< far cheaper; `expect runs` does not work
};

/// Carries out the timeline, then waits until all has come to rest or `until` has come, or stops
/// everything. The same
/// values give the same bytes, always and everywhere.
[[nodiscard]] ScenarioResult run_scenario(const ScenarioFile& scenario,
                                          Trace trace = Trace::Written);

}  // namespace upkeep::sim
