// The two generated pieces of docs/state-machine.*: what they hold follows from core::next_state().
#pragma once

#include <string>

namespace upkeep::docs {

/// A Markdown table of the states and what follows each, with its notes below.
[[nodiscard]] std::string state_table();

/// The same as a graph: an SVG file, byte for byte the same on every machine.
[[nodiscard]] std::string state_graph();

}  // namespace upkeep::docs
