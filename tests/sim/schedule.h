// A random world from one number: jobs that depend on each other, programs that misbehave, and
// a timeline of commands, events and edits. The same seed gives the same trace, byte for byte.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace upkeep::sim {

struct ScheduleResult {
  std::vector<std::string> violations;  ///< empty: every invariant held
  std::vector<std::string> trace;
};

/// Builds the world of this seed, lets it run, then stops everything and checks that all of it
/// comes to rest: no instance, no process, no event, no request without its reply.
[[nodiscard]] ScheduleResult run_schedule(std::uint64_t seed);

}  // namespace upkeep::sim
