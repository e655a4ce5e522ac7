// What upkeep-sim does with the seeds of random schedules.
#pragma once

#include <cstdint>
#include <filesystem>

namespace upkeep::sim {

struct Seeds {
  std::uint64_t first = 1;
  std::uint64_t count = 1;
  bool progress = false;  ///< tell of each tenth
  bool stats = false;     ///< print what was come across
};

/// Prints a schedule, or its trace and violations; made smaller first if it fails and `shrinks`.
/// True if it does not fail.
[[nodiscard]] bool show_seed(std::uint64_t seed, bool prints, bool shrinks);

/// Runs many. At the first that fails prints its seed, what is wrong and the schedule made smaller;
/// true if none does. The last line counts them.
[[nodiscard]] bool run_seeds(const Seeds& seeds);

/// Writes the golden files of schedules into a directory; true if that has worked.
[[nodiscard]] bool write_schedule_golden(const std::filesystem::path& directory);

}  // namespace upkeep::sim
