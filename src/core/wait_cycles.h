// Jobs that would wait for each other, found in their conditions before any of them runs.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "conf/event_expression.h"
#include "core/wait_graph.h"

namespace upkeep::core {

/// What makes a job part of a cycle: a leaf of its `start on` or `stop on`.
struct WaitStep {
  std::string job;
  WaitPhase reaction{};  ///< Starting: the leaf is one of `start on`; Stopping: of `stop on`
  WaitLeaf leaf;         ///< matches an event of the job of the step before
};

/// The first step follows the last one.
struct WaitCycle {
  enum class Kind {
    /// Each is to come before the next. Whichever happens to be first does not wait for the next,
    /// so nothing hangs; but the order that the files ask for cannot be had.
    Order,
    /// The job of the last step waits for the first one, and so on; in the end it is told to turn
    /// round, so that the last but one waits for it, too. Where nobody breaks it, they wait for
    /// ever. A single step is spec/runtime.md Q16.
    Hang,
  };
  Kind kind{};
  std::vector<WaitStep> steps;
};

/// What was found: hangs first, each kind in the order of the jobs' names.
struct WaitCycles {
  std::vector<WaitCycle> cycles;
  std::size_t unlisted = 0;  ///< how many more there are, beyond the limit
  bool is_complete = true;   ///< false: there may be still more, the search was cut short
};

/// Every job and phase that can hang, each with a shortest way there, and of each set of jobs that
/// are to come before each other one cycle. `only`, unless empty, is a job: cycles with it alone.
/// What depends on variables is passed over: nothing is found that is not surely in the files.
[[nodiscard]] WaitCycles find_wait_cycles(std::span<const WaitingJob> jobs,
                                          std::string_view only = {}, std::size_t limit = 20);

/// The events of a condition, in the order of the file.
[[nodiscard]] std::vector<WaitLeaf> leaves_of(const conf::Condition& condition);

/// A line for a person, without its end: which jobs, by which stanzas, and what to change. It is
/// printable, and its length is bounded.
[[nodiscard]] std::string describe(const WaitCycle& cycle);

/// A line about what is not in the list, or nothing if it is all there is.
[[nodiscard]] std::string describe_rest(const WaitCycles& found);

}  // namespace upkeep::core
