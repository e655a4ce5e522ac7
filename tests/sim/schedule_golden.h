// Golden files of random schedules: that a seed means the same with every compiler, and that a
// change of the core changes nothing unseen. tests/sim/schedules/ has them.
#pragma once

#include <filesystem>
#include <map>
#include <string>

namespace upkeep::sim {

/// What the golden files should say, by name: `digests`, a line for each block of seeds with the
/// FNV-1a of their schedules and traces; and some whole schedules with their traces.
[[nodiscard]] std::map<std::string, std::string> schedule_golden();

}  // namespace upkeep::sim
