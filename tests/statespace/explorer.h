// Every state that one shape of job can reach, and every move between them.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "statespace/world.h"

namespace upkeep::statespace {

/// A move that was tried, and what came of it.
struct Edge {
  static constexpr int kUntried = -1;
  Move move;
  Force force{};
  bool instance_ended = false;  ///< on the way; `to` may hold the next one
  int to = kUntried;
  std::size_t output = 0;  ///< hash of what the manager did
};

struct Node {
  std::vector<Edge> edges;
  std::size_t untried = 0;  ///< edges below this index have been tried
  bool has_instance = false;
  bool over = false;  ///< the session has ended
  bool main_alive = false;
  core::Goal goal{};
  core::State state{};
};

/// A state and goal in which an instance rests between turns.
using Rest = std::pair<core::State, core::Goal>;

class Explorer {
 public:
  /// `shape` must outlive it. `omit`: a part of the key to leave out (World::key()).
  explicit Explorer(const Shape& shape, Omission omit = {}) : shape_(shape), omit_(omit) {}

  /// Tries every move in every state. Stops at the first violation; false then.
  bool run();
  /// Walks at random, each time from the beginning, and compares each step with what was explored
  /// on another path: if two paths to one key had different futures, the key would be incomplete.
  bool compare_random_walks(int walks, int length, std::uint64_t seed);

  /// From every state there is a way to "no instance" if somebody asks for a stop, using nothing
  /// the world could refuse.
  bool check_exits();
  /// No instance waits for nothing: only running, and a main process that never tells it is ready,
  /// may last.
  bool check_rests();
  /// Once the goal is stop and nobody wishes otherwise, whatever happens brings the instance
  /// nearer to its end, and something will happen. With World's own checks this also means that a
  /// waiting stop gets its reply.
  bool check_stops();

  /// What was broken, with the shortest path to it; empty if nothing was.
  [[nodiscard]] const std::string& violation() const { return violation_; }
  [[nodiscard]] std::size_t states() const { return nodes_.size(); }
  [[nodiscard]] std::size_t moves() const { return tried_; }
  /// Moves made a second time, to get to a state with one left, and compared with the first.
  [[nodiscard]] std::size_t compared() const { return compared_; }
  [[nodiscard]] const std::set<Transition>& transitions() const { return transitions_; }
  [[nodiscard]] const std::set<Rest>& rests() const { return rests_; }

 private:
  static constexpr int kRoot = 0;

  /// The number of the state the world is in, and whether it is new.
  std::pair<int, bool> intern(const World& world);
  /// Lets the world make this move, checks it, and records or compares what came of it.
  bool step(World& world, int from, std::size_t edge);
  /// Edges to walk one after the other, each by its node and index.
  using Path = std::vector<std::pair<int, std::size_t>>;
  /// The shortest from `from` to a node that `wanted` accepts; nothing if none can be reached.
  template <typename Wanted>
  [[nodiscard]] std::optional<Path> path(int from, Wanted wanted);
  /// Records a violation with the path to `at`, and the moves that follow it.
  bool fail(const std::string& what, int at, const std::vector<Move>& then = {});
  [[nodiscard]] bool stopping(int node) const;

  const Shape& shape_;
  Omission omit_;
  std::vector<Node> nodes_;
  std::unordered_map<std::string, int> numbers_;
  std::size_t tried_ = 0;
  std::size_t compared_ = 0;
  std::set<Transition> transitions_;
  std::set<Rest> rests_;
  std::string violation_;

  struct Seen {
    int search = 0;
    int by = 0;  ///< the node before, and its edge
    std::size_t edge = 0;
  };
  int search_ = 0;
  std::vector<Seen> seen_;
  std::vector<int> queue_;
};

}  // namespace upkeep::statespace
