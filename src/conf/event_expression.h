// `start on` and `stop on` as a job file states them (spec/job-language.md 4).
#pragma once

#include <memory>
#include <string>
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

}  // namespace upkeep::conf
