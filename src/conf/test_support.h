// For the tests of this layer: definitions and conditions as short text.
#pragma once

#include <string>

#include "conf/event_expression.h"
#include "conf/job_definition.h"

namespace upkeep::conf {

/// `((p and q) or r)`; arguments stand in brackets, separated by bars.
inline std::string show(const EventExpression* node) {
  if (node == nullptr) return "none";
  if (node->kind != EventExpression::Kind::Event) {
    const auto* const word = node->kind == EventExpression::Kind::And ? " and " : " or ";
    return "(" + show(node->left.get()) + word + show(node->right.get()) + ")";
  }
  std::string out = node->event;
  for (std::size_t i = 0; i < node->arguments.size(); ++i) {
    out += (i == 0 ? "[" : "|") + node->arguments[i];
  }
  return node->arguments.empty() ? out : out + "]";
}

inline std::string show(const Condition& condition) {
  return show(condition.get());
}

inline std::string show(const std::optional<std::string>& value) {
  return value ? "|" + *value + "|" : "none";
}

inline std::string show(const std::optional<Command>& command) {
  if (!command) return "none";
  return (command->form == Command::Form::Exec ? "exec |" : "script |") + command->text + "|";
}

inline std::string show(const std::vector<std::string>& values) {
  std::string out = "|";
  for (const auto& value : values) out += value + "|";
  return out;
}

}  // namespace upkeep::conf
