// Which state follows which: the whole of the transition table of spec/runtime.md 2.2 as one pure
// function. What happens on entering a state is ServiceManager::enter().
#pragma once

#include "core/types.h"

namespace upkeep::core {

/// What the table looks at besides state and goal.
struct Facts {
  enum class Main {
    Undefined,  ///< the job has no main process
    Alive,
    Dead,  ///< defined, but not running
  };
  Main main = Main::Undefined;
  /// A restart was asked for before the job could act on it. Unlike a stop that is cancelled, it
  /// must not leave the running process as it is (Q6).
  bool restarting = false;

  friend constexpr bool operator==(const Facts&, const Facts&) = default;
};

/// The state to go to when `state` has nothing left to wait for. Total: the combinations that
/// the original aborts on lead to Stopping.
[[nodiscard]] constexpr State next_state(State state, Goal goal, Facts facts) {
  const bool stop = goal == Goal::Stop;
  const bool leave = stop || facts.restarting;
  const bool lost_main = facts.main == Facts::Main::Dead;
  switch (state) {
    case State::Waiting: return stop ? State::Waiting : State::Starting;
    case State::Starting: return leave ? State::Stopping : State::SecuritySpawning;
    case State::SecuritySpawning: return leave ? State::Stopping : State::Security;
    case State::Security: return leave ? State::Stopping : State::PreStarting;
    case State::PreStarting: return leave ? State::Stopping : State::PreStart;
    case State::PreStart: return leave ? State::Stopping : State::Spawning;
    case State::Spawning: return leave ? State::Stopping : State::Spawned;
    // Main may have died before it was ready; a permitted respawn starts over (Q1).
    case State::Spawned: return leave || lost_main ? State::Stopping : State::PostStarting;
    case State::PostStarting: return leave ? State::Stopping : State::PostStart;
    // Never into running without the process that should run (Q7).
    case State::PostStart: return leave || lost_main ? State::Stopping : State::Running;
    case State::Running:
      return stop && facts.main == Facts::Main::Alive ? State::PreStopping : State::Stopping;
    case State::PreStopping: return State::PreStop;
    case State::PreStop: return leave || lost_main ? State::Stopping : State::Running;
    case State::Stopping: return State::Killed;
    case State::Killed: return State::PostStopping;
    case State::PostStopping: return State::PostStop;
    case State::PostStop: return stop ? State::Waiting : State::Starting;
  }
  return State::Stopping;  // not a state: only reached by a broken cast
}

}  // namespace upkeep::core
