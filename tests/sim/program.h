// What a simulated program does: its life from set-up to end, with every way to misbehave.
#pragma once

#include <optional>
#include <string>

#include "core/types.h"

namespace upkeep::sim {

using core::TimePoint;
using Duration = core::MonotonicClock::duration;
using namespace std::chrono_literals;

/// What a simulated program does once it has been asked for.
struct Program {
  Duration set_up = 1ms;                          ///< until its SpawnResult
  std::optional<int> spawn_error = std::nullopt;  ///< errno of a set-up that fails
  std::string spawn_step = {};                    ///< what fails then: "unable to execute"
  bool temporary = false;                         ///< there was not even a child to set up
  std::optional<Duration> runs = std::nullopt;    ///< until it ends by itself; nothing: never
  int status = 0;                                 ///< its exit status then
  int dies_by = 0;                                ///< or the signal it dies by
  bool ignores_term = false;                      ///< only KILL ends it
  Duration takes_to_die = 1ms;                    ///< from a signal to its end
  bool stops_itself = false;                      ///< raises SIGSTOP when ready (`expect stop`)
  int forks = 0;                                  ///< followed forks before it is ready
  Duration ready_after = 1ms;  ///< from exec to its SIGSTOP, and from fork to fork
  std::optional<int> executes_after = std::nullopt;  ///< that many forks: another program
  bool vanishes = false;                             ///< a signal finds no such process (Q13)
  bool never_rests = false;                          ///< it is busy as long as it lives
  bool says_ready = false;                           ///< as `expect notify` and `expect fd` want it
  int signs_of_life = 0;   ///< for the watchdog, one a second once it has said so
  int leaves = 0;          ///< processes in the background that nobody waits for
  int hands_over = 0;      ///< its end leaves a child so many forks away that runs for ever
  bool is_helper = false;  ///< then: what has ended was a helper of that other process
  bool ends_before_result = false;  ///< its end is reported first, its SpawnResult after it (Q2)

  friend bool operator==(const Program&, const Program&) = default;
};

}  // namespace upkeep::sim
