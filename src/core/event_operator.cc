#include "core/event_operator.h"

#include <fnmatch.h>

#include "conf/expansion.h"
#include "core/event.h"
#include "core/event_argument.h"

namespace upkeep::core {
namespace {

using Kind = conf::EventExpression::Kind;

bool argument_matches(std::string_view text, std::size_t position, const Event& event,
                      const Environment& variables) {
  const auto argument = read_argument(text);
  std::optional<std::string_view> value;
  if (argument.positional) {
    if (position >= event.environment().size()) return false;
    value = variable_value(event.environment()[position]);
  } else {
    value = find_variable(event.environment(), argument.key);
    if (!value) return false;  // also with !=
  }
  const auto pattern = conf::expand(argument.pattern, variables);
  if (!pattern) return false;
  const bool equal = ::fnmatch(pattern->c_str(), std::string(*value).c_str(), 0) == 0;
  return equal != argument.negated;
}

bool leaf_matches(const conf::EventExpression& leaf, const Event& event,
                  const Environment& variables) {
  if (leaf.event != event.name()) return false;
  for (std::size_t i = 0; i < leaf.arguments.size(); ++i) {
    if (!argument_matches(leaf.arguments[i], i, event, variables)) return false;
  }
  return true;
}

}  // namespace

EventOperator::EventOperator(const conf::EventExpression* expression) {
  if (expression != nullptr) add(*expression);
}

std::size_t EventOperator::add(const conf::EventExpression& expression) {
  Node node;
  node.expression = &expression;
  if (expression.kind != Kind::Event) {
    node.left = add(*expression.left);
    node.right = add(*expression.right);
  }
  nodes_.push_back(node);
  return nodes_.size() - 1;
}

bool EventOperator::handle(Event& event, const Environment& variables) {
  bool matched = false;
  for (auto& node : nodes_) {
    if (node.expression->kind != Kind::Event || node.value) continue;
    if (!leaf_matches(*node.expression, event, variables)) continue;
    node.value = true;
    node.event = &event;
    ++event.blockers_;
    matched = true;
  }
  if (matched) update();
  return matched;
}

void EventOperator::update() {
  for (auto& node : nodes_) {  // operands stand before their operator
    if (node.expression->kind == Kind::Event) continue;
    const bool left = nodes_[node.left].value;
    const bool right = nodes_[node.right].value;
    node.value = node.expression->kind == Kind::And ? left && right : left || right;
  }
}

std::vector<Event*> EventOperator::matched() const {
  std::vector<Event*> out;
  if (value()) collect(nodes_.size() - 1, out);
  return out;
}

void EventOperator::collect(std::size_t index, std::vector<Event*>& out) const {
  const auto& node = nodes_[index];
  if (!node.value) return;
  if (node.expression->kind == Kind::Event) {
    if (node.event != nullptr) out.push_back(node.event);
    if (node.past) out.push_back(node.past.get());
    return;
  }
  collect(node.left, out);
  collect(node.right, out);
}

std::vector<Event*> EventOperator::held() const {
  std::vector<Event*> out;
  for (const auto& node : nodes_) {
    if (node.event != nullptr) out.push_back(node.event);
  }
  return out;
}

std::vector<EventOperator::Leaf> EventOperator::leaves() const {
  std::vector<Leaf> out;
  for (const auto& node : nodes_) {
    if (node.expression->kind == Kind::Event) out.push_back({node.value, node.event});
  }
  return out;
}

void EventOperator::take_over(const EventOperator& other) {
  for (const auto& node : other.nodes_) {
    if (node.event != nullptr) handle(*node.event, {});
    if (!node.past) continue;
    handle(*node.past, {});
    let_go(*node.past, [](Event&) {});
  }
}

void EventOperator::let_go(Event& event, const Release& release) {
  for (auto& node : nodes_) {
    if (node.event != &event) continue;
    node.past = std::make_shared<Event>(event);
    node.event = nullptr;
    --event.blockers_;
    release(event);
  }
}

void EventOperator::reset(const Release& release) {
  for (auto& node : nodes_) {
    node.value = false;
    node.past.reset();
    if (auto* event = std::exchange(node.event, nullptr)) {
      --event->blockers_;
      release(*event);
    }
  }
}

bool EventOperator::any_leaf_matches(const Event& event) const {
  for (const auto& node : nodes_) {
    if (node.expression->kind == Kind::Event && leaf_matches(*node.expression, event, {})) {
      return true;
    }
  }
  return false;
}

}  // namespace upkeep::core
