#include "core/listeners.h"

#include <algorithm>
#include <optional>

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

/// An argument without which the leaf does not match, if one can be told beforehand.
std::optional<EventArgument> needed_argument(const EventExpression& leaf) {
  for (std::size_t i = 0; i < leaf.arguments.size(); ++i) {
    const auto argument = read_argument(leaf.arguments[i]);
    if (argument.negated || (argument.positional && i > 0)) continue;
    if (is_literal(argument.pattern)) return argument;
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

Listeners::Jobs& Listeners::jobs_with(const EventArgument& needed, std::vector<ByValue>& tables) {
  auto table = std::ranges::find(tables, needed.key, &ByValue::key);
  if (table == tables.end()) table = tables.insert(table, ByValue{std::string(needed.key), {}});
  return table->jobs[std::string(needed.pattern)];
}

void Listeners::add(JobClass& job) {
  const auto add_leaf = [&](const EventExpression& leaf, bool Listener::*reaction) {
    auto& interested = by_event_[leaf.event];
    const auto needed = needed_argument(leaf);
    auto& jobs = needed ? jobs_with(*needed, interested.by_value) : interested.whatever;
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
    if (const auto needed = needed_argument(leaf)) {
      const auto table = std::ranges::find(by_value, needed->key, &ByValue::key);
      if (table == by_value.end()) return;  // by an equal leaf before
      const auto jobs = table->jobs.find(needed->pattern);
      if (jobs == table->jobs.end()) return;
      erase(job, jobs->second);
      if (jobs->second.empty()) table->jobs.erase(jobs);
      if (table->jobs.empty()) by_value.erase(table);
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
  for (const auto& [key, by_text] : by_value) {
    for (std::size_t i = 0; i < event.environment().size(); ++i) {
      const std::string_view entry = event.environment()[i];
      const auto equals = std::min(entry.find('='), entry.size());
      if (key != entry.substr(0, equals) && !(key.empty() && i == 0)) continue;
      const auto value = entry.substr(std::min(equals + 1, entry.size()));
      if (const auto jobs = by_text.find(value); jobs != by_text.end()) {
        lists.push_back(&jobs->second);
      }
    }
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
