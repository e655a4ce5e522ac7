#include "core/listeners.h"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "core/event_argument.h"

namespace upkeep::core {
namespace {

using conf::EventExpression;

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
    const auto argument = read_argument(leaf.arguments[i]);
    if (argument.negated || (argument.positional && i > 0)) continue;
    if (is_literal(argument.pattern)) return fmt::format("{}={}", argument.key, argument.pattern);
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

const JobKey& key_of(const Listener& listener) {
  return listener.job->key();
}

/// Where the job is among these, or would be.
auto place_of(const JobClass& job, std::vector<Listener>& jobs) {
  // Most come in order, one behind the other.
  if (jobs.empty() || key_of(jobs.back()) < job.key()) return jobs.end();
  return std::ranges::lower_bound(jobs, job.key(), {}, key_of);
}

void erase(const JobClass& job, std::vector<Listener>& jobs) {
  const auto place = place_of(job, jobs);
  if (place != jobs.end() && place->job == &job) jobs.erase(place);
}

}  // namespace

void Listeners::add(JobClass& job) {
  const auto add_leaf = [&](const EventExpression& leaf, bool Listener::*reaction) {
    auto& interested = by_event_[leaf.event];
    const auto needed = needed_value(leaf);
    auto& jobs = needed ? interested.by_value[*needed] : interested.whatever;
    auto place = place_of(job, jobs);
    if (place == jobs.end() || place->job != &job) place = jobs.insert(place, Listener{&job});
    (*place).*reaction = true;
  };
  const auto& definition = job.definition();
  for_each_leaf(definition.start_on.get(),
                [&](const auto& leaf) { add_leaf(leaf, &Listener::starts); });
  for_each_leaf(definition.stop_on.get(),
                [&](const auto& leaf) { add_leaf(leaf, &Listener::stops); });
}

void Listeners::remove(JobClass& job) {
  const auto remove_leaf = [&](const EventExpression& leaf) {
    const auto found = by_event_.find(leaf.event);
    if (found == by_event_.end()) return;
    auto& [whatever, by_value] = found->second;
    if (const auto needed = needed_value(leaf)) {
      const auto jobs = by_value.find(*needed);
      if (jobs == by_value.end()) return;  // by an equal leaf before
      erase(job, jobs->second);
      if (jobs->second.empty()) by_value.erase(jobs);
    } else {
      erase(job, whatever);
    }
    if (whatever.empty() && by_value.empty()) by_event_.erase(found);
  };
  for_each_leaf(job.definition().start_on.get(), remove_leaf);
  for_each_leaf(job.definition().stop_on.get(), remove_leaf);
}

std::vector<Listener> Listeners::find(const Event& event) const {
  const auto interested = by_event_.find(event.name());
  if (interested == by_event_.end()) return {};
  const auto& [whatever, by_value] = interested->second;

  std::vector<const Jobs*> lists;
  if (!whatever.empty()) lists.push_back(&whatever);
  const auto look_up = [&](std::string_view value) {
    const auto jobs = by_value.find(value);
    if (jobs != by_value.end()) lists.push_back(&jobs->second);
  };
  bool first = true;
  for (const std::string_view entry : event.environment()) {
    const auto equals = entry.find('=');
    const bool has_value = equals != std::string_view::npos;
    if (first) look_up(has_value ? entry.substr(equals) : "=");
    first = false;
    look_up(has_value ? entry : fmt::format("{}=", entry));
  }

  std::vector<Listener> found;
  for (const auto* jobs : lists) {
    found.insert(found.end(), jobs->begin(), jobs->end());
  }
  if (lists.size() < 2) return found;
  // Several lists: put in order, and two entries of one job together.
  std::ranges::sort(found, {}, key_of);
  std::vector<Listener> merged;
  for (const auto& one : found) {
    if (merged.empty() || merged.back().job != one.job) {
      merged.push_back(one);
    } else {
      merged.back().starts |= one.starts;
      merged.back().stops |= one.stops;
    }
  }
  return merged;
}

}  // namespace upkeep::core
