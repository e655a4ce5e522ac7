#include "core/state_machine.h"

#include <gtest/gtest.h>

namespace upkeep::core {
namespace {

using Main = Facts::Main;
using enum State;

constexpr std::array kGoals{Goal::Stop, Goal::Start, Goal::Respawn};
constexpr std::array kMains{Main::Undefined, Main::Alive, Main::Dead};

// The table of spec/runtime.md 2.2, for a main process that is alive and no pending restart.
struct Row {
  State state, on_stop, on_start;
};
constexpr std::array<Row, kStates> kTable{{
    {Waiting, Waiting, Starting},
    {Starting, Stopping, SecuritySpawning},
    {SecuritySpawning, Stopping, Security},
    {Security, Stopping, PreStarting},
    {PreStarting, Stopping, PreStart},
    {PreStart, Stopping, Spawning},
    {Spawning, Stopping, Spawned},
    {Spawned, Stopping, PostStarting},
    {PostStarting, Stopping, PostStart},
    {PostStart, Stopping, Running},
    {Running, PreStopping, Stopping},
    {PreStopping, PreStop, PreStop},
    {PreStop, Stopping, Running},
    {Stopping, Killed, Killed},
    {Killed, PostStopping, PostStopping},
    {PostStopping, PostStop, PostStop},
    {PostStop, Waiting, Starting},
}};

TEST(StateMachine, FollowsTheTable) {
  for (const auto& row : kTable) {
    const Facts alive{.main = Main::Alive};
    EXPECT_EQ(next_state(row.state, Goal::Stop, alive), row.on_stop) << to_string(row.state);
    EXPECT_EQ(next_state(row.state, Goal::Start, alive), row.on_start) << to_string(row.state);
  }
}

TEST(StateMachine, FactsMatterOnlyWhereTheTableSaysSo) {
  for (const auto& row : kTable) {
    for (const auto goal : kGoals) {
      const auto alive = next_state(row.state, goal, {.main = Main::Alive});
      const auto dead = next_state(row.state, goal, {.main = Main::Dead});
      const auto none = next_state(row.state, goal, {.main = Main::Undefined});
      const bool q1_q7 = goal != Goal::Stop &&
                         (row.state == Spawned || row.state == PostStart || row.state == PreStop);
      EXPECT_EQ(dead, q1_q7                  ? Stopping
                      : row.state == Running ? Stopping
                                             : alive)
          << to_string(row.state) << ' ' << to_string(goal);
      EXPECT_EQ(none, row.state == Running ? Stopping : alive)
          << to_string(row.state) << ' ' << to_string(goal);
    }
  }
}

TEST(StateMachine, RestartIsCarriedOutFromEveryStateBeforeStopping) {  // Q6 and 2.9
  for (const auto state : {Starting, Security, PreStart, Spawned, PostStart, PreStop}) {
    EXPECT_EQ(next_state(state, Goal::Start, {Main::Alive, true}), Stopping) << to_string(state);
  }
}

TEST(StateMachine, EveryStateLeadsToWaitingWhenTheGoalIsStop) {
  for (const auto& row : kTable) {
    for (const auto main : kMains) {
      for (const bool restarting : {false, true}) {
        auto state = row.state;
        for (int step = 0; step < 8; ++step) {
          state = next_state(state, Goal::Stop, {main, restarting});
        }
        EXPECT_EQ(state, Waiting) << to_string(row.state);
      }
    }
  }
}

TEST(StateMachine, RunningIsNeverReachedWithoutTheProcessThatShouldRun) {
  for (const auto& row : kTable) {
    for (const auto goal : kGoals) {
      for (const bool restarting : {false, true}) {
        EXPECT_NE(next_state(row.state, goal, {Main::Dead, restarting}), Running);
      }
    }
  }
}

static_assert(next_state(Waiting, Goal::Start, {}) == Starting, "usable at compile time");

}  // namespace
}  // namespace upkeep::core
