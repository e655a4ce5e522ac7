#include "core/blocker_graph.h"

#include <algorithm>
#include <set>

namespace upkeep::core {
namespace {

struct Describe {
  std::string operator()(const JobInstance* instance) const {
    return fmt::format("{} ({}/{})", instance->title(), to_string(instance->goal()),
                       to_string(instance->state()));
  }
  std::string operator()(const Event* event) const {
    auto text = fmt::format("event {}", event->name());
    for (const auto& variable : event->environment()) text += fmt::format(" {}", variable);
    return text;
  }
  std::string operator()(RequestId id) const { return fmt::format("request {}", id.value); }
  std::string operator()(const ProcessNode& node) const {
    const auto& slot = node.instance->process(node.type);
    return fmt::format(
        "{} process ({}) of {}", conf::to_string(node.type),
        slot.is_to_be_tried_again() ? "to be tried again" : fmt::format("{}", slot.pid),
        node.instance->title());
  }
  std::string operator()(const ConditionNode& node) const {
    return node.instance == nullptr ? fmt::format("`start on` of {}", node.job->name())
                                    : fmt::format("`stop on` of {}", node.instance->title());
  }
};

}  // namespace

BlockerGraph::BlockerGraph(const ServiceManager& manager) {
  for (const auto& [key, job] : manager.jobs()) {
    add_condition({job.get(), nullptr}, job->start_on());
    for (const auto& [name, instance] : job->instances()) add_instance(*instance);
  }
  for (const auto& [sequence, event] : manager.events()) {
    for (const auto& waiter : event->waiters()) {
      if (const auto* id = std::get_if<RequestId>(&waiter)) add(*id, event.get());
    }
  }
}

void BlockerGraph::add_instance(const JobInstance& instance) {
  const ConditionNode stop_on{&instance.job(), &instance};
  add_condition(stop_on, instance.stop_on());
  if (instance.stop_on_goes_with_it() && !instance.stop_on().held().empty()) {
    add(stop_on, &instance);
  }
  if (instance.blocker() != nullptr) add(&instance, instance.blocker());
  for (const auto type : conf::kAllProcessTypes) {
    if (instance.waits_for_process(type)) add(&instance, ProcessNode{&instance, type});
  }
  for (const auto& blocker : instance.held()) {
    if (auto* const* event = std::get_if<Event*>(&blocker)) {
      add(static_cast<const Event*>(*event), &instance);
    } else {
      add(std::get<WaitingRequest>(blocker).id, &instance);
    }
  }
}

void BlockerGraph::add_condition(const ConditionNode& node, const EventOperator& condition) {
  for (const Event* event : condition.held()) add(event, node);
}

void BlockerGraph::add(BlockerNode waiter, BlockerNode awaited) {
  edges_.push_back({waiter, awaited});
  awaited_by_[waiter].push_back(awaited);
}

std::vector<BlockerEdge> BlockerGraph::waits_of(const BlockerNode& node) const {
  std::vector<BlockerEdge> found;
  std::set<BlockerNode> seen{node};
  std::vector<BlockerNode> nearest{node};  // first in, first out
  for (std::size_t i = 0; i < nearest.size(); ++i) {
    const auto waiter = nearest[i];
    const auto awaited = awaited_by_.find(waiter);
    if (awaited == awaited_by_.end()) continue;
    for (const auto& one : awaited->second) {
      found.push_back({waiter, one});
      if (seen.insert(one).second) nearest.push_back(one);
    }
  }
  return found;
}

std::vector<BlockerNode> BlockerGraph::find_cycle() const {
  std::set<BlockerNode> done;
  for (const auto& edge : edges_) {
    // Depth first, with the way that led here.
    struct Step {
      BlockerNode node;
      std::size_t next = 0;
    };
    std::vector<Step> way;
    std::set<BlockerNode> on_way;
    const auto go_to = [&](const BlockerNode& node) {
      if (!done.insert(node).second) return;
      way.push_back({node});
      on_way.insert(node);
    };
    go_to(edge.waiter);
    while (!way.empty()) {
      auto& step = way.back();
      const auto awaited = awaited_by_.find(step.node);
      if (awaited == awaited_by_.end() || step.next == awaited->second.size()) {
        on_way.erase(step.node);
        way.pop_back();
        continue;
      }
      const auto& next = awaited->second[step.next++];
      if (!on_way.contains(next)) {
        go_to(next);
        continue;
      }
      std::vector<BlockerNode> cycle;
      const auto begin = std::ranges::find(way, next, &Step::node);
      for (auto one = begin; one != way.end(); ++one) cycle.push_back(one->node);
      return cycle;
    }
  }
  return {};
}

std::string describe(const BlockerNode& node) {
  return std::visit(Describe{}, node);
}

}  // namespace upkeep::core
