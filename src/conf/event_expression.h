// `start on` and `stop on` as a job file states them (spec/job-language.md 4).
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace upkeep::conf {

/// A node of the condition: an operator with two operands, or an event with its arguments.
/// Immutable once parsed, so definitions share trees. The parser bounds the depth, so recursion
/// over a tree is safe.
struct EventExpression {
  enum class Kind { And, Or, Event };

  Kind kind = Kind::Event;
  std::shared_ptr<const EventExpression> left;   ///< And, Or only
  std::shared_ptr<const EventExpression> right;  ///< And, Or only
  std::string event;                             ///< Event only
  std::vector<std::string> arguments;  ///< Event only: VALUE, KEY=VALUE or KEY!=VALUE, unquoted
};

/// What stands after `start on` or `stop on`, or nothing. Copies share the tree; equality is that
/// of what it says.
class Condition {
 public:
  Condition() = default;
  // Implicit, since it is what the parser hands out.
  Condition(std::shared_ptr<const EventExpression> root) : root_(std::move(root)) {}  // NOLINT

  [[nodiscard]] explicit operator bool() const { return root_ != nullptr; }
  [[nodiscard]] const EventExpression* get() const { return root_.get(); }
  void reset() { root_.reset(); }

  friend bool operator==(const Condition& a, const Condition& b) { return same(a.get(), b.get()); }

 private:
  [[nodiscard]] static bool same(const EventExpression* a, const EventExpression* b);

  std::shared_ptr<const EventExpression> root_;
};

}  // namespace upkeep::conf
