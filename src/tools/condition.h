// `start on` and `stop on` as clients get them, to be shown and checked (spec/control.md 2.8, 2.9).
#pragma once

#include <cstddef>
#include <expected>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "client/upstart.h"
#include "core/wait_graph.h"

namespace upkeep::tools {

/// An event of a condition. For starting, started, stopping and stopped `job` is the one that is
/// waited for, and left out of the arguments.
struct EventOperand {
  std::string event;
  std::optional<std::string> job;
  std::vector<std::string> arguments;
};

/// Takes the words of one operand apart.
[[nodiscard]] EventOperand read_operand(const std::vector<std::string>& words);

/// The tree of a condition. Nothing recurses, so no input is too deep.
class ConditionTree {
 public:
  /// From reverse Polish order; fails if an operator lacks operands or events lack an operator.
  static Result<ConditionTree> create(const client::Condition& condition);

  [[nodiscard]] bool empty() const { return nodes_.empty(); }

  /// Fully parenthesised: `((a or b X=1) and c)`.
  [[nodiscard]] std::string text() const;

  /// Every event, in the order of the file.
  [[nodiscard]] std::vector<EventOperand> operands() const;

  /// The same, each with the words that follow its name as they are.
  [[nodiscard]] std::vector<core::WaitLeaf> leaves() const;

  enum class Or { Either, Both };
  /// What makes the condition impossible: the operands for which `possible` is false below the
  /// first operator (top down, right before left) that cannot be true, right before left. `Or` says
  /// what an `or` takes to be true.
  [[nodiscard]] std::vector<EventOperand> impossible(
      const std::function<bool(const EventOperand&)>& possible, Or rule) const;

 private:
  struct Node {
    enum class Kind { Event, And, Or };
    Kind kind = Kind::Event;
    std::vector<std::string> words;   ///< events
    std::size_t left = 0, right = 0;  ///< operators: indices
  };

  std::vector<Node> nodes_;  ///< operands before their operator; the root is last
};

}  // namespace upkeep::tools
