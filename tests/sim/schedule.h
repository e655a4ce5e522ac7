// A random scenario from one number: jobs that depend on each other, programs that misbehave, and
// a timeline of commands, events, faults and edits. The same seed gives the same scenario, and so
// the same trace, byte for byte, with every compiler.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sim/run_scenario.h"

namespace upkeep::sim {

/// The schedule of this seed. After its timeline everything is stopped and must come to rest: no
/// instance, no process, no event, no request without its reply. Its comment has the command that
/// shows it again.
[[nodiscard]] ScenarioFile generate_schedule(std::uint64_t seed);

/// The first violation of a run of it, if any. Runs without a trace, for speed. A scenario that the
/// simulator itself cannot carry out, as one made smaller may be, has none.
[[nodiscard]] std::optional<std::string> violation_of(const ScenarioFile& scenario);

/// Scenarios that are this one less something: a job, actions, a line of a job, a run or a clause
/// of a program, or with less time. What promises most comes first.
[[nodiscard]] std::vector<ScenarioFile> smaller(const ScenarioFile& scenario);

/// The smallest scenario still with a violation that is reached from this one, which has one, by
/// one step of smaller() after the other.
[[nodiscard]] ScenarioFile shrink(ScenarioFile scenario);

}  // namespace upkeep::sim
