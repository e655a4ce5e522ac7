#include "statespace/explorer.h"

#include <algorithm>
#include <csignal>
#include <deque>
#include <memory>
#include <random>

#include <fmt/format.h>
#include <unistd.h>

namespace upkeep::statespace {

using core::Goal;
using core::State;

namespace {

/// While the manager handles a move: what to print if it aborts.
const Shape* running_shape = nullptr;
std::vector<Move> running_moves;

void print_path_and_abort(int) {
  std::string text = "aborted in " + running_shape->name() + " after:\n";
  for (const auto move : running_moves) text += "  " + to_string(move) + "\n";
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, text.data(), text.size());
  std::signal(SIGABRT, SIG_DFL);
  std::abort();
}

}  // namespace

std::pair<int, bool> Explorer::intern(const World& world) {
  const auto [found, added] =
      numbers_.try_emplace(world.key(omit_), static_cast<int>(nodes_.size()));
  const auto moves = world.moves();
  if (!added) return {found->second, false};

  auto& node = nodes_.emplace_back();
  for (const auto move : moves) {
    node.edges.push_back({.move = move, .force = world.force(move)});
  }
  node.over = world.over();
  if (const auto* one = world.instance()) {
    node.has_instance = true;
    node.goal = one->goal();
    node.state = one->state();
    node.main_alive = static_cast<bool>(one->process(core::ProcessType::Main).spawn);
    rests_.emplace(node.state, node.goal);
  }
  return {found->second, true};
}

bool Explorer::step(World& world, int from, std::size_t index) {
  const auto move = nodes_[static_cast<std::size_t>(from)].edges[index].move;
  running_moves.push_back(move);
  const auto output = std::hash<std::string>{}(world.apply(move));
  if (!world.violations().empty()) return fail(world.violations().front(), from, {move});

  const auto to = intern(world).first;
  auto& edge = nodes_[static_cast<std::size_t>(from)].edges[index];
  if (edge.to == Edge::kUntried) {
    edge.to = to;
    edge.output = output;
    edge.instance_ended = world.instance_ended();
    ++tried_;
    transitions_.insert(world.transitions().begin(), world.transitions().end());
  } else if (edge.to != to || edge.output != output) {
    return fail("two paths lead to one key and differ in their future: the key is incomplete", from,
                {move});
  } else {
    ++compared_;
  }
  // What can happen next is part of the future, too.
  const auto moves = world.moves();
  const auto same =
      std::ranges::equal(moves, nodes_[static_cast<std::size_t>(to)].edges, {}, {}, &Edge::move);
  return same || fail("two paths lead to one key and can go on differently", from, {move});
}

template <typename Wanted>
std::optional<Explorer::Path> Explorer::path(int from, Wanted wanted) {
  // Done for nearly every state: what was seen is marked by a number of the search, so that nothing
  // has to be cleared.
  ++search_;
  const auto see = [this](int node, int by, std::size_t edge) {
    auto& seen = seen_[static_cast<std::size_t>(node)];
    if (seen.search == search_) return;
    seen = {search_, by, edge};
    queue_.push_back(node);
  };
  seen_.resize(nodes_.size());
  queue_.clear();
  see(from, from, 0);
  for (std::size_t head = 0; head < queue_.size(); ++head) {
    auto at = queue_[head];
    if (wanted(at)) {
      Path out;
      for (; at != from; at = out.back().first) {
        const auto& seen = seen_[static_cast<std::size_t>(at)];
        out.emplace_back(seen.by, seen.edge);
      }
      std::ranges::reverse(out);
      return out;
    }
    const auto& edges = nodes_[static_cast<std::size_t>(at)].edges;
    for (std::size_t i = 0; i < edges.size(); ++i) {
      if (edges[i].to != Edge::kUntried) see(edges[i].to, at, i);
    }
  }
  return std::nullopt;
}

// A manager cannot be copied, and to replay the path to each state for each of its moves would
// cost most of the time. So one world walks on as long as the state it is in has an untried move,
// then goes the known way to the nearest that has. Each known step is compared with the first time.
bool Explorer::run() {
  std::signal(SIGABRT, print_path_and_abort);
  running_shape = &shape_;
  const auto unfinished = [this](int number) {
    const auto& node = nodes_[static_cast<std::size_t>(number)];
    return node.untried < node.edges.size();
  };
  for (;;) {
    running_moves.clear();
    World world(shape_);
    if (!world.violations().empty()) return fail(world.violations().front(), kRoot);
    auto at = intern(world).first;
    bool worked = false;
    while (const auto way = path(at, unfinished)) {
      for (const auto& [from, edge] : *way) {
        if (!step(world, from, edge)) return false;
        at = nodes_[static_cast<std::size_t>(from)].edges[edge].to;
      }
      auto& node = nodes_[static_cast<std::size_t>(at)];
      const auto next = node.untried++;
      if (!step(world, at, next)) return false;
      at = nodes_[static_cast<std::size_t>(at)].edges[next].to;
      worked = true;
    }
    if (!worked) break;
  }
  std::signal(SIGABRT, SIG_DFL);
  return true;
}

bool Explorer::compare_random_walks(int walks, int length, std::uint64_t seed) {
  std::mt19937_64 dice(seed);
  running_shape = &shape_;
  for (int walk = 0; walk < walks; ++walk) {
    running_moves.clear();
    World world(shape_);
    auto at = intern(world).first;
    for (int i = 0; i < length; ++i) {
      const auto& node = nodes_[static_cast<std::size_t>(at)];
      if (node.edges.empty()) break;
      const auto edge = dice() % node.edges.size();
      if (!step(world, at, edge)) return false;
      at = nodes_[static_cast<std::size_t>(at)].edges[edge].to;
    }
  }
  return true;
}

bool Explorer::fail(const std::string& what, int at, const std::vector<Move>& then) {
  std::vector<Move> moves;
  if (const auto way = path(kRoot, [&](int node) { return node == at; })) {
    for (const auto& [from, edge] : *way) {
      moves.push_back(nodes_[static_cast<std::size_t>(from)].edges[edge].move);
    }
  }
  moves.insert(moves.end(), then.begin(), then.end());

  World world(shape_);
  violation_ = fmt::format("{}\nshape {}\n{}{}\n", what, shape_.name(), shape_.job_text(false),
                           shape_.has_guard() ? "guard:\n" + shape_.guard_text() : "");
  for (const auto move : moves) {
    world.apply(move);
    violation_ += fmt::format("  {:<34} -> {}\n", to_string(move), world.describe());
  }
  return false;
}

// ---------------------------------------------------------------- what the graph must show

bool Explorer::check_exits() {
  std::vector<std::vector<int>> back(nodes_.size());
  std::vector<bool> good(nodes_.size(), false);
  std::deque<int> queue;
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    const auto& node = nodes_[i];
    if (!node.has_instance || node.over) {
      good[i] = true;
      queue.push_back(static_cast<int>(i));
    }
    for (const auto& edge : node.edges) {
      const bool asks = edge.move.kind == Move::Kind::StopInstance;
      if (!asks && edge.force != Force::Certain) continue;
      // An end counts even if the next instance begins in the same turn.
      if (edge.instance_ended && !good[i]) {
        good[i] = true;
        queue.push_back(static_cast<int>(i));
      }
      back[static_cast<std::size_t>(edge.to)].push_back(static_cast<int>(i));
    }
  }
  while (!queue.empty()) {
    const auto at = static_cast<std::size_t>(queue.front());
    queue.pop_front();
    for (const auto from : back[at]) {
      if (good[static_cast<std::size_t>(from)]) continue;
      good[static_cast<std::size_t>(from)] = true;
      queue.push_back(from);
    }
  }
  const auto bad = std::ranges::find(good, false);
  return bad == good.end() || fail("no way leads from here to the end of the instance",
                                   static_cast<int>(bad - good.begin()));
}

bool Explorer::check_rests() {
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    const auto& node = nodes_[i];
    if (!node.has_instance || node.over) continue;
    const bool may_last =
        node.goal == Goal::Start &&
        (node.state == State::Running || (node.state == State::Spawned && node.main_alive));
    const bool goes_on = std::ranges::any_of(
        node.edges, [](const auto& edge) { return edge.force == Force::Certain; });
    if (!may_last && !goes_on) return fail("it rests, and waits for nothing", static_cast<int>(i));
  }
  return true;
}

bool Explorer::stopping(int number) const {
  const auto& node = nodes_[static_cast<std::size_t>(number)];
  return node.has_instance && !node.over && node.goal == Goal::Stop;
}

// Of the states with goal stop, and of the moves that nobody needs to wish for: a move that brings
// the job on never leads back (Tarjan's components), not even with noise in between. There are
// finitely many states, and in each something certain will happen; so the instance ends.
bool Explorer::check_stops() {
  constexpr int kUnseen = -1;
  struct Frame {
    int node;
    std::size_t edge;
  };
  std::vector<int> order(nodes_.size(), kUnseen);
  std::vector<int> low(nodes_.size(), 0);
  std::vector<int> component(nodes_.size(), kUnseen);
  std::vector<int> open;
  std::vector<Frame> frames;
  int visited = 0;
  int components = 0;
  const auto at = [](auto& list, int node) -> auto& {
    return list[static_cast<std::size_t>(node)];
  };
  const auto counts = [](const Edge& edge) {
    return edge.force != Force::Wish && !edge.instance_ended;
  };

  const auto enter = [&](int node) {
    at(order, node) = at(low, node) = visited++;
    open.push_back(node);
    frames.push_back({node, 0});
  };
  for (int start = 0; start < static_cast<int>(nodes_.size()); ++start) {
    if (!stopping(start) || at(order, start) != kUnseen) continue;
    enter(start);
    while (!frames.empty()) {
      auto& frame = frames.back();
      const auto node = frame.node;
      if (frame.edge < at(nodes_, node).edges.size()) {
        const auto& edge = at(nodes_, node).edges[frame.edge++];
        if (!counts(edge) || !stopping(edge.to)) continue;
        if (at(order, edge.to) == kUnseen) {
          enter(edge.to);
        } else if (at(component, edge.to) == kUnseen) {
          at(low, node) = std::min(at(low, node), at(order, edge.to));
        }
        continue;
      }
      frames.pop_back();
      if (!frames.empty()) {
        auto& below = at(low, frames.back().node);
        below = std::min(below, at(low, node));
      }
      if (at(low, node) != at(order, node)) continue;
      for (int member = kUnseen; member != node; open.pop_back()) {
        member = open.back();
        at(component, member) = components;
      }
      ++components;
    }
  }

  for (int i = 0; i < static_cast<int>(nodes_.size()); ++i) {
    if (!stopping(i)) continue;
    for (const auto& edge : at(nodes_, i).edges) {
      if (!counts(edge)) continue;
      const auto& to = at(nodes_, edge.to);
      if (to.has_instance && !to.over && to.goal != Goal::Stop) {
        return fail("the goal was stop, and nobody wished otherwise", i, {edge.move});
      }
      const bool inside = stopping(edge.to) && at(component, edge.to) == at(component, i);
      if (inside && edge.force != Force::Noise) {
        return fail("it was told to stop, and goes round in circles", i, {edge.move});
      }
    }
  }
  return true;
}

}  // namespace upkeep::statespace
