// Who waits for whom: what keeps each instance, event and request from going on
// (spec/runtime.md 1.6). Built on demand, for people and for the tests; the core does not need it.
#pragma once

#include <compare>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "core/service_manager.h"

namespace upkeep::core {

/// A process that an instance waits for.
struct ProcessNode {
  const JobInstance* instance = nullptr;
  ProcessType type{};

  friend auto operator<=>(const ProcessNode&, const ProcessNode&) = default;
};

/// A condition that is true in part, and holds the events that made it so.
struct ConditionNode {
  const JobClass* job = nullptr;
  const JobInstance* instance = nullptr;  ///< null: `start on` of the job, else its own `stop on`

  friend auto operator<=>(const ConditionNode&, const ConditionNode&) = default;
};

using BlockerNode =
    std::variant<const JobInstance*, const Event*, RequestId, ProcessNode, ConditionNode>;

/// `waiter` cannot go on before `awaited` has.
struct BlockerEdge {
  BlockerNode waiter;
  BlockerNode awaited;
};

/// The waits of this moment. Pointers are those of the manager: use it up before the next turn.
class BlockerGraph {
 public:
  explicit BlockerGraph(const ServiceManager& manager);

  /// Every wait, in the order of jobs, then of events.
  [[nodiscard]] const std::vector<BlockerEdge>& edges() const { return edges_; }

  /// What this waits for, and what that waits for in turn; nearest first.
  [[nodiscard]] std::vector<BlockerEdge> waits_of(const BlockerNode& node) const;

  /// Some that wait for each other, each for the next and the last for the first; empty if there
  /// are none, as there should be.
  [[nodiscard]] std::vector<BlockerNode> find_cycle() const;

 private:
  void add_instance(const JobInstance& instance);
  void add_condition(const ConditionNode& node, const EventOperator& condition);
  void add(BlockerNode waiter, BlockerNode awaited);

  std::vector<BlockerEdge> edges_;
  std::map<BlockerNode, std::vector<BlockerNode>> awaited_by_;  ///< the same by waiter
};

/// "web (start/starting)", "event starting JOB=web INSTANCE=", "main process (17) of web",
/// "`start on` of web", "request 3".
[[nodiscard]] std::string describe(const BlockerNode& node);

}  // namespace upkeep::core
