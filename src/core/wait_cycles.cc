#include "core/wait_cycles.h"

#include <algorithm>
#include <cstdint>
#include <functional>
#include <limits>
#include <utility>

#include <fmt/format.h>

#include "base/strings.h"

namespace upkeep::core {
namespace {

using Node = WaitGraph::Node;
using Edge = WaitGraph::Edge;
using Usable = std::function<bool(Node)>;

constexpr Node kNone = std::numeric_limits<Node>::max();
constexpr std::size_t kMaxHangs = 1000;  ///< for which a way is looked for
constexpr std::size_t kMaxSearchSteps =
    2'000'000;  ///< edges looked at, for hangs and for shorter cycles
constexpr std::size_t kMaxShownSteps = 10;
constexpr std::size_t kMaxShownBytes = 200;

/// Sets of nodes of which each reaches each.
struct Components {
  std::vector<Node> of;  ///< of a node; kNone if it is not usable
  /// Each in ascending order; what a set reaches stands before it.
  std::vector<std::vector<Node>> members;
};

/// Tarjan's algorithm, without recursion.
class ComponentSearch {
 public:
  ComponentSearch(const WaitGraph& graph, const Usable& usable)
      : graph_(graph), usable_(usable), seen_(graph.size(), kNone), low_(graph.size()) {
    found_.of.assign(graph.size(), kNone);
  }

  Components run() {
    for (Node node = 0; node < graph_.size(); ++node) {
      if (usable_(node) && seen_[node] == kNone) walk_from(node);
    }
    return std::move(found_);
  }

 private:
  struct Frame {
    Node node;
    std::size_t next = 0;  ///< of its edges
  };

  void walk_from(Node root) {
    enter(root);
    while (!walk_.empty()) {
      auto& frame = walk_.back();
      const auto& edges = graph_.edges(frame.node);
      if (frame.next == edges.size()) {
        leave();
        continue;
      }
      const auto to = edges[frame.next++].to;
      if (!usable_(to)) continue;
      if (seen_[to] == kNone) {
        enter(to);
      } else if (found_.of[to] == kNone) {
        low_[frame.node] = std::min(low_[frame.node], seen_[to]);
      }
    }
  }

  void enter(Node node) {
    seen_[node] = low_[node] = count_++;
    open_.push_back(node);
    walk_.push_back({node});
  }

  void leave() {
    const auto node = walk_.back().node;
    walk_.pop_back();
    if (!walk_.empty()) {
      auto& low = low_[walk_.back().node];
      low = std::min(low, low_[node]);
    }
    if (low_[node] != seen_[node]) return;
    const auto first = std::ranges::find(open_.rbegin(), open_.rend(), node).base() - 1;
    std::vector<Node> members(first, open_.end());
    open_.erase(first, open_.end());
    std::ranges::sort(members);
    for (const auto member : members) found_.of[member] = static_cast<Node>(found_.members.size());
    found_.members.push_back(std::move(members));
  }

  const WaitGraph& graph_;
  const Usable& usable_;
  std::vector<Node> seen_, low_;
  std::vector<Node> open_;
  std::vector<Frame> walk_;
  Node count_ = 0;
  Components found_;
};

/// The nodes that reach their counterpart: the job waits for one that turns it round.
std::vector<Node> find_hangs(const WaitGraph& graph) {
  std::vector<bool> is_reached(graph.size());
  for (Node node = 0; node < graph.size(); ++node) {
    for (const auto& edge : graph.edges(node)) is_reached[edge.to] = true;
  }
  std::vector<Node> candidates;
  for (Node node = 0; node < graph.size(); ++node) {
    if (graph.edges(node).empty() || !is_reached[WaitGraph::counterpart(node)]) continue;
    // It may be another instance that is started then.
    if (WaitGraph::phase(node) == WaitPhase::Stopping && graph.job(node).has_instances) continue;
    candidates.push_back(node);
  }

  std::vector<Node> hangs;
  if (candidates.empty()) return hangs;
  const auto components = ComponentSearch(graph, [](Node) { return true; }).run();
  // A bit for each candidate, for as many as a word has bits at a time: so the work is that of
  // reading the graph once for each word, not once for each candidate.
  constexpr std::size_t kBits = 64;
  std::vector<std::uint64_t> reaches(components.members.size());
  for (std::size_t begin = 0; begin < candidates.size(); begin += kBits) {
    const auto count = std::min(kBits, candidates.size() - begin);
    std::ranges::fill(reaches, 0);
    for (std::size_t i = 0; i < count; ++i) {
      const auto target = WaitGraph::counterpart(candidates[begin + i]);
      reaches[components.of[target]] |= std::uint64_t{1} << i;
    }
    for (std::size_t one = 0; one < components.members.size(); ++one) {
      for (const auto member : components.members[one]) {
        for (const auto& edge : graph.edges(member))
          reaches[one] |= reaches[components.of[edge.to]];
      }
    }
    for (std::size_t i = 0; i < count; ++i) {
      const auto node = candidates[begin + i];
      if ((reaches[components.of[node]] >> i & 1U) != 0) hangs.push_back(node);
    }
  }
  return hangs;
}

using Path = std::vector<Edge>;

/// Finds shortest ways.
class PathSearch {
 public:
  explicit PathSearch(const WaitGraph& graph)
      : graph_(graph), round_of_(graph.size()), came_from_(graph.size()), came_by_(graph.size()) {}

  /// A shortest way of one edge or more, but fewer than `limit`, through what is usable; empty if
  /// there is none. Of several, always the same one.
  Path find(Node from, Node to, const Usable& usable,
            std::size_t limit = std::numeric_limits<std::size_t>::max()) {
    ++round_;
    std::vector<Node> row{from};
    for (std::size_t length = 1; length < limit && !row.empty(); ++length) {
      std::vector<Node> next;
      for (const auto node : row) {
        for (const auto& edge : graph_.edges(node)) {
          ++steps_;
          if (round_of_[edge.to] == round_ || !usable(edge.to)) continue;
          round_of_[edge.to] = round_;
          came_from_[edge.to] = node;
          came_by_[edge.to] = &edge;
          if (edge.to == to) return path(from, to);
          next.push_back(edge.to);
        }
      }
      row = std::move(next);
    }
    return {};
  }

  /// Edges looked at so far.
  [[nodiscard]] std::size_t steps() const { return steps_; }

 private:
  Path path(Node from, Node to) const {
    Path edges;
    auto node = to;
    do {
      edges.push_back(*came_by_[node]);
      node = came_from_[node];
    } while (node != from);
    std::ranges::reverse(edges);
    return edges;
  }

  const WaitGraph& graph_;
  std::vector<std::size_t> round_of_;
  std::vector<Node> came_from_;
  std::vector<const Edge*> came_by_;
  std::size_t round_ = 0;
  std::size_t steps_ = 0;
};

/// Puts together what is found.
class Finder {
 public:
  Finder(std::span<const WaitingJob> jobs, std::string_view only, std::size_t limit)
      : graph_(jobs), search_(graph_), only_(only), limit_(limit) {
    found_.is_complete = graph_.is_complete();
  }

  WaitCycles run() {
    add_hangs();
    add_orders();
    return std::move(found_);
  }

 private:
  void add_hangs() {
    auto hangs = find_hangs(graph_);
    std::vector<bool> is_hang(graph_.size());
    for (const auto node : hangs) is_hang[node] = true;
    if (hangs.size() > kMaxHangs) {
      hangs.resize(kMaxHangs);
      found_.is_complete = false;
    }
    for (const auto node : hangs) {
      if (search_.steps() > kMaxSearchSteps) {
        found_.is_complete = false;
        break;
      }
      const auto path = search_.find(node, WaitGraph::counterpart(node), [](Node) { return true; });
      if (!leads_through_hang(node, path, is_hang)) add(WaitCycle::Kind::Hang, path);
    }
  }

  /// Whether another job on the way hangs by itself; that one is told of.
  [[nodiscard]] bool leads_through_hang(Node from, const Path& path,
                                        const std::vector<bool>& is_hang) const {
    std::vector<bool> passed(graph_.size());
    for (const auto& edge : path) {
      const auto counterpart = WaitGraph::counterpart(edge.to);
      if (counterpart != from && is_hang[counterpart] && passed[counterpart]) return true;
      passed[edge.to] = true;
    }
    return false;
  }

  void add_orders() {
    // Jobs that stop each other are bound together, and that works. Of a job with instances, it may
    // be another one that is started.
    const auto usable = [this](Node node) {
      return WaitGraph::phase(node) == WaitPhase::Starting && !graph_.job(node).has_instances;
    };
    const auto components = ComponentSearch(graph_, usable).run();
    auto sets = components.members;
    std::erase_if(sets, [](const auto& set) { return set.size() < 2; });
    std::ranges::sort(sets);
    for (const auto& set : sets) {
      const auto within = [&](Node node) {
        return components.of[node] == components.of[set.front()];
      };
      auto path = shortest_cycle(set, within);
      if (path.empty()) continue;
      std::ranges::rotate(path, path.end() - 1);  // what the first job has comes first
      add(WaitCycle::Kind::Order, path);
    }
  }

  /// From its first node back to that; empty if none has the job that is asked for.
  Path shortest_cycle(const std::vector<Node>& set, const Usable& within) {
    Path best;
    for (const auto node : set) {
      if (!only_.empty() && graph_.job(node).name != only_) continue;
      const bool bounded = !best.empty();
      if (bounded && search_.steps() > kMaxSearchSteps) break;
      auto path = bounded ? search_.find(node, node, within, best.size())
                          : search_.find(node, node, within);
      if (!path.empty()) best = std::move(path);
      if (best.size() == 2) break;
    }
    return best;
  }

  void add(WaitCycle::Kind kind, const Path& path) {
    const auto is_meant = [this](const Edge& edge) { return graph_.job(edge.to).name == only_; };
    if (!only_.empty() && std::ranges::none_of(path, is_meant)) return;
    if (found_.cycles.size() == limit_) {
      ++found_.unlisted;
      return;
    }
    WaitCycle cycle{kind, {}};
    for (const auto& edge : path) {
      cycle.steps.push_back({graph_.job(edge.to).name, WaitGraph::phase(edge.to), *edge.leaf});
    }
    found_.cycles.push_back(std::move(cycle));
  }

  WaitGraph graph_;
  PathSearch search_;
  std::string_view only_;
  std::size_t limit_;
  WaitCycles found_;
};

/// Cut if it is long.
std::string shown(std::string_view text) {
  if (text.size() <= kMaxShownBytes) return printable(text);
  return printable(text.substr(0, kMaxShownBytes)) + "...";
}

std::string stanza(const WaitStep& step) {
  std::string text = step.leaf.event;
  for (const auto& argument : step.leaf.arguments) {
    if (text.size() > kMaxShownBytes) break;
    text.append(" ").append(argument);
  }
  return fmt::format("`{} on {}`", step.reaction == WaitPhase::Starting ? "start" : "stop",
                     shown(text));
}

/// `a, b and c`.
std::string list(const std::vector<std::string>& items) {
  if (items.size() < 2) return join(items, "");
  return fmt::format("{} and {}", join({items.begin(), items.end() - 1}, ", "), items.back());
}

/// The events that the cycle consists of, and those to wait for instead.
std::string what_to_write(const WaitCycle& cycle) {
  const auto has = [&](WaitPhase phase) {
    const auto is_it = [&](const WaitStep& step) { return step.leaf.event == to_string(phase); };
    return std::ranges::any_of(cycle.steps, is_it);
  };
  std::vector<std::string> swaps;
  if (has(WaitPhase::Starting)) swaps.emplace_back("`started` instead of `starting`");
  if (has(WaitPhase::Stopping)) swaps.emplace_back("`stopped` instead of `stopping`");
  return swaps.size() == 1 ? swaps[0] : join(swaps, ", or ") + ",";
}

std::string_view verb(WaitPhase phase) {
  return phase == WaitPhase::Starting ? "starts" : "stops";
}

std::string describe_alone(const WaitStep& step) {
  const auto name = shown(step.job);
  const auto phase = other(step.reaction);
  const bool is_named = step.leaf.arguments == std::vector{step.job} ||
                        step.leaf.arguments == std::vector{"JOB=" + step.job};
  const auto cure = is_named ? std::string("Remove that, or name another job")
                             : fmt::format("Leave the job itself out: add `JOB!={}`", name);
  return fmt::format("{} waits for itself when it {}: it has {}, which its own {} matches. {}.",
                     name, verb(phase), stanza(step), to_string(phase), cure);
}

}  // namespace

WaitCycles find_wait_cycles(std::span<const WaitingJob> jobs, std::string_view only,
                            std::size_t limit) {
  return Finder(jobs, only, limit).run();
}

std::vector<WaitLeaf> leaves_of(const conf::Condition& condition) {
  std::vector<WaitLeaf> leaves;
  std::vector<const conf::EventExpression*> rest;
  if (condition) rest.push_back(condition.get());
  while (!rest.empty()) {
    const auto& one = *rest.back();
    rest.pop_back();
    if (one.kind == conf::EventExpression::Kind::Event) {
      leaves.push_back({one.event, one.arguments});
    } else {
      rest.push_back(one.right.get());
      rest.push_back(one.left.get());
    }
  }
  return leaves;
}

std::string describe(const WaitCycle& cycle) {
  const auto& steps = cycle.steps;
  const bool hangs = cycle.kind == WaitCycle::Kind::Hang;
  if (steps.size() == 1) return describe_alone(steps.front());

  const auto count = std::min(steps.size(), kMaxShownSteps);
  std::vector<std::string> names;
  std::vector<std::string> reasons;
  if (hangs) names.push_back(shown(steps.back().job));
  for (std::size_t i = 0; i < count; ++i) {
    // A long one is told from its beginning and its end.
    const bool is_last = i + 1 == count;
    const bool skips = is_last && count < steps.size();
    const auto& step = is_last ? steps.back() : steps[i];
    if (skips) names.push_back(fmt::format("{} more", steps.size() - count));
    if (!hangs || !is_last) names.push_back(shown(step.job));
    reasons.push_back(
        fmt::format("{}{} has {}", skips ? "and so on until " : "", shown(step.job), stanza(step)));
  }
  const auto why = join(reasons, ", ");
  const auto cure = fmt::format("Write {} in one of these", what_to_write(cycle));
  if (hangs) {
    return fmt::format("{} block each other when {} {}: {}. {}.", list(names), names.front(),
                       verb(other(steps.back().reaction)), why, cure);
  }
  return fmt::format(
      "{} wait for each other: {}. Whichever comes first does not wait for the other{}, so the "
      "order is left to chance. {}.",
      list(names), why, steps.size() > 2 ? "s" : "", cure);
}

std::string describe_rest(const WaitCycles& found) {
  if (found.unlisted == 0 && found.is_complete) return {};
  if (found.unlisted == 0)
    return "there may be more jobs that wait for each other: not all looked at.";
  return fmt::format("{}{} more such waits are not listed.", found.is_complete ? "" : "at least ",
                     found.unlisted);
}

}  // namespace upkeep::core
