#include "core/wait_graph.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include <fnmatch.h>

#include "core/event_argument.h"

namespace upkeep::core {
namespace {

// Far beyond any real set of jobs; they bound what a hostile one costs.
constexpr std::size_t kMaxEdges = 200'000;
constexpr std::size_t kMaxComparisons = 1'000'000;
constexpr std::size_t kMaxPatternBytes = 1000;

/// What an argument asks of the variable it is about.
struct Test {
  std::string_view pattern;
  bool negated = false;

  [[nodiscard]] bool passes(const std::string& value) const {
    return (::fnmatch(std::string(pattern).c_str(), value.c_str(), 0) == 0) != negated;
  }
};

/// A leaf on `starting` or `stopping`, taken apart as far as a job's files tell whether it matches.
struct Question {
  WaitPhase phase{};
  std::vector<Test> job;
  std::vector<Test> instance;
};

/// `stopping` says "ok" or "failed", `starting` has no result.
bool may_be_result(const Test& test, WaitPhase phase) {
  return phase == WaitPhase::Stopping && (test.passes("ok") || test.passes("failed"));
}

/// Nothing if the leaf is about another event, cannot match, or if its matching cannot be known.
/// Variables of which the files tell nothing, such as exported ones, are taken to match.
std::optional<Question> read_leaf(const WaitLeaf& leaf) {
  Question question;
  if (leaf.event == "starting") {
    question.phase = WaitPhase::Starting;
  } else if (leaf.event == "stopping") {
    question.phase = WaitPhase::Stopping;
  } else {
    return std::nullopt;
  }
  constexpr std::array<std::string_view, 3> kOrder{"JOB", "INSTANCE", "RESULT"};  // runtime.md 3.4
  for (std::size_t i = 0; i < leaf.arguments.size(); ++i) {
    const std::string_view text = leaf.arguments[i];
    if (text.find('$') != text.npos || text.size() > kMaxPatternBytes) return std::nullopt;
    const auto argument = read_argument(text);
    const Test test{argument.pattern, argument.negated};
    auto key = argument.key;
    if (argument.positional) key = i < kOrder.size() ? kOrder[i] : "";
    if (key == "JOB") question.job.push_back(test);
    if (key == "INSTANCE") question.instance.push_back(test);
    if (key == "RESULT" && !may_be_result(test, question.phase)) return std::nullopt;
  }
  return question;
}

bool may_match(const Question& question, const WaitingJob& job) {
  const auto passes = [](const std::vector<Test>& tests, const std::string& value) {
    return std::ranges::all_of(tests, [&](const Test& test) { return test.passes(value); });
  };
  // A job without the stanza `instance` has a single one, without a name.
  return passes(question.job, job.name) && (job.has_instances || passes(question.instance, ""));
}

/// The argument that says which jobs are meant, or null: `starting`, `starting JOB!=x` and
/// `starting *` are hooks for whatever comes, written without any one job in mind.
const Test* naming(const Question& question) {
  const auto names = [](const Test& test) {
    return !test.negated && test.pattern.find_first_not_of("*?") != std::string_view::npos;
  };
  const auto found = std::ranges::find_if(question.job, names);
  return found == question.job.end() ? nullptr : &*found;
}

WaitGraph::Node node(std::size_t job, WaitPhase phase) {
  return static_cast<WaitGraph::Node>(2 * job + (phase == WaitPhase::Stopping ? 1 : 0));
}

}  // namespace

std::string_view to_string(WaitPhase phase) {
  return phase == WaitPhase::Starting ? "starting" : "stopping";
}

WaitGraph::WaitGraph(std::span<const WaitingJob> jobs) {
  std::map<std::string_view, const WaitingJob*> by_name;
  for (const auto& job : jobs) by_name.emplace(job.name, &job);
  for (const auto& [name, job] : by_name) {
    index_.emplace_hint(index_.end(), name, jobs_.size());
    jobs_.push_back(job);
  }
  edges_.resize(2 * jobs_.size());
  for (std::size_t i = 0; i < jobs_.size(); ++i) {
    add_condition(i, WaitPhase::Starting, jobs_[i]->start_on);
    add_condition(i, WaitPhase::Stopping, jobs_[i]->stop_on);
  }
  for (auto& edges : edges_) {
    // Of edges to the same node, the first in the file: its leaves lie in one array.
    std::ranges::sort(edges, {}, [](const Edge& edge) { return std::pair(edge.to, edge.leaf); });
    const auto same = std::ranges::unique(edges, {}, &Edge::to);
    edges.erase(same.begin(), same.end());
  }
}

void WaitGraph::add_condition(std::size_t listener, WaitPhase reaction,
                              const std::vector<WaitLeaf>& leaves) {
  for (const auto& leaf : leaves) {
    const auto question = read_leaf(leaf);
    if (!question) continue;
    const auto look_at = [&](std::size_t job) {
      // A job that is starting already is not started by that.
      if (job == listener && reaction == question->phase) return;
      if (!may_match(*question, *jobs_[job])) return;
      add_edge(node(job, question->phase), node(listener, reaction), leaf);
    };
    // A hook for whatever comes is surely wrong only where it catches its own job (Q16).
    const auto* const name = naming(*question);
    if (name == nullptr) {
      look_at(listener);
    } else {
      each_candidate(name->pattern, question->job.size(), look_at);
    }
  }
}

template <typename Visit>
void WaitGraph::each_candidate(std::string_view pattern, std::size_t cost, Visit visit) {
  const auto special = pattern.find_first_of("*?[\\");
  if (special == std::string_view::npos) {
    const auto job = index_.find(pattern);
    if (job != index_.end()) visit(job->second);
    return;
  }
  const auto prefix = pattern.substr(0, special);
  for (auto job = index_.lower_bound(prefix); job != index_.end(); ++job) {
    if (!job->first.starts_with(prefix)) return;
    comparisons_ += cost;
    if (comparisons_ > kMaxComparisons) {
      is_complete_ = false;
      return;
    }
    visit(job->second);
  }
}

void WaitGraph::add_edge(Node from, Node to, const WaitLeaf& leaf) {
  if (edge_count_ == kMaxEdges) {
    is_complete_ = false;
    return;
  }
  ++edge_count_;
  edges_[from].push_back({to, &leaf});
}

}  // namespace upkeep::core
