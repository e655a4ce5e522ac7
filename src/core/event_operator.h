// The live form of `start on` and `stop on`: which events have matched so far (runtime.md 3.3).
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/strings.h"
#include "conf/event_expression.h"

namespace upkeep::core {

class Event;

/// A condition with its match state. A leaf that has matched holds its event, which stays in
/// `handling` until reset().
class EventOperator {
 public:
  /// Called with an event after it has lost a blocker.
  using Release = std::function<void(Event&)>;

  /// `expression` may be null: a condition that is never true. It must outlive this.
  explicit EventOperator(const conf::EventExpression* expression);

  /// Shows an event to every leaf that is still false, expanding arguments from `variables`.
  /// A leaf that becomes true adds one blocker to the event. Returns whether any did.
  bool handle(Event& event, const Environment& variables);

  /// Whether the whole condition holds.
  [[nodiscard]] bool value() const { return !nodes_.empty() && nodes_.back().value; }

  /// The events of the true leaves below true nodes, in file order; each once for each leaf. Of an
  /// event that was let go it is a copy, valid until reset().
  [[nodiscard]] std::vector<Event*> matched() const;

  /// All leaves false again; every held event loses the blocker that its leaf added. An owner
  /// that goes away must do this first.
  void reset(const Release& release);

  /// Lets go of an event without forgetting that it matched. An instance whose half condition held
  /// the event it is itself blocked on would wait for ever (Q16).
  void let_go(Event& event, const Release& release);

  /// Every event a leaf holds, whether or not the condition is true; once for each leaf.
  [[nodiscard]] std::vector<Event*> held() const;

  /// Shows this condition, which is a new one, what another has seen.
  void take_over(const EventOperator& other);

  /// One operand: whether it has matched, and the event it holds (null after let_go()).
  struct Leaf {
    bool value = false;
    const Event* event = nullptr;
  };
  /// Every leaf, in file order.
  [[nodiscard]] std::vector<Leaf> leaves() const;

  /// Whether any leaf would match this event, without variables to expand from.
  [[nodiscard]] bool any_leaf_matches(const Event& event) const;

 private:
  struct Node {
    const conf::EventExpression* expression = nullptr;
    std::size_t left = 0, right = 0;  ///< operators only: indices into nodes_
    bool value = false;
    Event* event = nullptr;       ///< what a true leaf holds, unless it was let go
    std::shared_ptr<Event> past;  ///< then a copy of that: its variables still count
  };

  std::size_t add(const conf::EventExpression& expression);
  void update();
  void collect(std::size_t index, std::vector<Event*>& out) const;

  std::vector<Node> nodes_;  ///< operands before their operator; the root is last
};

}  // namespace upkeep::core
