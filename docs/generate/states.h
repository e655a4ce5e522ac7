// What the pages about the state machine say of each state, and the walk over core::next_state()
// that both of them are made from.
#pragma once

#include <array>
#include <string_view>
#include <vector>

#include "core/state_machine.h"

namespace upkeep::docs {

using core::Facts;
using core::Goal;
using core::State;

/// Every state, in order.
[[nodiscard]] std::vector<State> all_states();

inline constexpr std::array kGoals{Goal::Start, Goal::Stop, Goal::Respawn};

/// Every combination of facts; the usual one, main alive and no restart remembered, first.
[[nodiscard]] std::vector<Facts> all_facts();

/// What a person wants to know of a state besides its successors (spec/runtime.md 2.2).
struct StateText {
  std::string_view on_entry;
  std::string_view ends_when;
  std::string_view rests;  ///< what it waits for, in a few words; empty: left again at once
  std::string_view emits;  ///< the event queued on entry, or empty
};
[[nodiscard]] StateText text_of(State state);

/// A step that next_state() takes for at least one combination of facts that can occur.
struct Edge {
  State from, to;
  Goal goal;
  bool usual;  ///< main is as one expects and no restart is remembered
};
/// Without those that lead from a state to itself.
[[nodiscard]] std::vector<Edge> all_edges();

}  // namespace upkeep::docs
