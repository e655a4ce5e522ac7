// Which jobs make which others wait, as far as their conditions alone tell (spec/runtime.md 1.6).
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace upkeep::core {

/// One event of a condition, with its arguments as written.
struct WaitLeaf {
  std::string event;
  std::vector<std::string> arguments;  ///< VALUE, KEY=VALUE or KEY!=VALUE
};

/// What is asked of a job.
struct WaitingJob {
  std::string name;
  std::vector<WaitLeaf> start_on;
  std::vector<WaitLeaf> stop_on;
  bool has_instances = false;  ///< it has the stanza `instance`
};

/// The phases in which a job waits for others; each begins with the event of its name.
enum class WaitPhase : std::uint8_t { Starting, Stopping };
[[nodiscard]] std::string_view to_string(WaitPhase phase);
[[nodiscard]] constexpr WaitPhase other(WaitPhase phase) {
  return phase == WaitPhase::Starting ? WaitPhase::Stopping : WaitPhase::Starting;
}

/// A node is a job in a phase. An edge leads from it to one that it waits for: its event starts or
/// stops that job.
class WaitGraph {
 public:
  using Node = std::uint32_t;

  struct Edge {
    Node to;
    const WaitLeaf* leaf;  ///< what tells the job of `to` to start or to stop
  };

  /// Of jobs with the same name, the first counts. `jobs` must outlive this.
  explicit WaitGraph(std::span<const WaitingJob> jobs);

  /// Nodes are numbered from 0, in the order of the jobs' names.
  [[nodiscard]] Node size() const { return static_cast<Node>(edges_.size()); }
  /// In the order of the nodes they lead to, at most one to each.
  [[nodiscard]] const std::vector<Edge>& edges(Node node) const { return edges_[node]; }
  [[nodiscard]] const WaitingJob& job(Node node) const { return *jobs_[node / 2]; }
  [[nodiscard]] static WaitPhase phase(Node node) { return static_cast<WaitPhase>(node % 2); }
  /// The same job in the other phase.
  [[nodiscard]] static Node counterpart(Node node) { return node ^ 1U; }
  [[nodiscard]] static bool same_job(Node a, Node b) { return a / 2 == b / 2; }

  /// False if there were so many edges or patterns that some have been left out.
  [[nodiscard]] bool is_complete() const { return is_complete_; }

 private:
  void add_condition(std::size_t listener, WaitPhase reaction, const std::vector<WaitLeaf>& leaves);
  void add_edge(Node from, Node to, const WaitLeaf& leaf);
  /// Calls `visit` with each job that the pattern may name, each time for `cost` comparisons.
  template <typename Visit>
  void each_candidate(std::string_view pattern, std::size_t cost, Visit visit);

  std::vector<const WaitingJob*> jobs_;  ///< sorted by name
  std::map<std::string_view, std::size_t> index_;
  std::vector<std::vector<Edge>> edges_;
  std::size_t edge_count_ = 0;
  std::size_t comparisons_ = 0;
  bool is_complete_ = true;
};

}  // namespace upkeep::core
