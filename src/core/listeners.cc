#include "core/listeners.h"

#include <algorithm>
#include <optional>
#include <string_view>

#include <fmt/format.h>

namespace upkeep::core {
namespace {

using conf::EventExpression;

/// How a value is asked for: of a variable, or, with an empty key, of the first one.
std::string value(std::string_view key, std::string_view text) {
  return fmt::format("{}={}", key, text);
}

/// Whether a pattern matches itself and nothing else: no wildcard, no variable, no quoting.
bool is_literal(std::string_view pattern) {
  constexpr std::string_view kPlain = "-_./:@+,";
  return std::ranges::all_of(pattern, [&](char byte) {
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') || kPlain.find(byte) != std::string_view::npos;
  });
}

/// A value without which the leaf does not match, if one can be told beforehand.
std::optional<std::string> needed_value(const EventExpression& leaf) {
  for (std::size_t i = 0; i < leaf.arguments.size(); ++i) {
    const std::string_view argument = leaf.arguments[i];
    if (argument.find("!=") != std::string_view::npos) continue;
    const auto equals = argument.find('=');
    if (equals == std::string_view::npos) {
      if (i == 0 && is_literal(argument)) return value("", argument);
    } else if (is_literal(argument.substr(equals + 1))) {
      return value(argument.substr(0, equals), argument.substr(equals + 1));
    }
  }
  return std::nullopt;
}

void for_each_leaf(const EventExpression* expression, const auto& visit) {
  if (expression == nullptr) return;
  if (expression->kind == EventExpression::Kind::Event) {
    visit(*expression);
    return;
  }
  for_each_leaf(expression->left.get(), visit);
  for_each_leaf(expression->right.get(), visit);
}

}  // namespace

void Listeners::add(const std::string& job, const EventExpression* condition) {
  for_each_leaf(condition, [&](const EventExpression& leaf) {
    auto& interested = by_event_[leaf.event];
    const auto needed = needed_value(leaf);
    (needed ? interested.by_value[*needed] : interested.whatever).insert(job);
  });
}

void Listeners::remove(const std::string& job, const EventExpression* condition) {
  for_each_leaf(condition, [&](const EventExpression& leaf) {
    const auto found = by_event_.find(leaf.event);
    if (found == by_event_.end()) return;
    auto& [whatever, by_value] = found->second;
    if (const auto needed = needed_value(leaf)) {
      const auto jobs = by_value.find(*needed);
      if (jobs == by_value.end()) return;
      jobs->second.erase(job);
      if (jobs->second.empty()) by_value.erase(jobs);
    } else {
      whatever.erase(job);
    }
    if (whatever.empty() && by_value.empty()) by_event_.erase(found);
  });
}

Listeners::Names Listeners::find(const Event& event) const {
  const auto found = by_event_.find(event.name());
  if (found == by_event_.end()) return {};
  const auto& [whatever, by_value] = found->second;
  auto names = whatever;
  if (by_value.empty()) return names;

  const auto collect = [&](std::string_view key, const std::string& entry) {
    const auto jobs = by_value.find(value(key, variable_value(entry)));
    if (jobs != by_value.end()) names.insert(jobs->second.begin(), jobs->second.end());
  };
  const auto& environment = event.environment();
  if (!environment.empty()) collect("", environment.front());
  for (const auto& entry : environment) collect(variable_name(entry), entry);
  return names;
}

}  // namespace upkeep::core
