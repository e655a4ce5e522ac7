// Two ways in which jobs can tie a knot: they wait for each other, or they trigger each other
// without end. Both are told once, with the jobs that make them up.
#include <algorithm>
#include <map>
#include <vector>

#include "core/service_manager.h"

namespace upkeep::core {
namespace {

/// Cycles remembered so that each is told of once; beyond, all are told again.
constexpr std::size_t kMostReports = 1000;

/// A job that events of jobs have redirected so often, so fast, all following from one first cause,
/// is taken for part of a cycle that does not end by itself.
constexpr int kRounds = 10;
constexpr std::chrono::seconds kRoundsWithin{10};

/// The instance that makes no transition before this event has finished, if any.
const JobInstance* blocked_on(const Event& event) {
  for (const auto& waiter : event.waiters()) {
    if (const auto* const* instance = std::get_if<JobInstance*>(&waiter)) return *instance;
  }
  return nullptr;
}

}  // namespace

/// Whether an instance that held this event would wait for its own end: it is blocked on an event
/// that, held over one or more instances, waits for the instance that waits for this event.
bool ServiceManager::would_deadlock(const JobInstance& holder, const Event& event) {
  const auto* first = blocked_on(event);
  if (holder.blocker_ == nullptr || first == nullptr) return false;

  // Who waits for `first`, and for those in turn; `reached` tells through whom.
  std::map<const JobInstance*, const JobInstance*> reached{{first, nullptr}};
  std::vector<const JobInstance*> open{first};
  while (!open.empty() && !reached.contains(&holder)) {
    const auto* instance = open.back();
    open.pop_back();
    for (const auto& blocker : instance->held_) {
      const auto* const* held = std::get_if<Event*>(&blocker);
      const auto* waiting = held == nullptr ? nullptr : blocked_on(**held);
      if (waiting != nullptr && reached.emplace(waiting, instance).second) open.push_back(waiting);
    }
  }
  if (!reached.contains(&holder)) return false;

  std::string cycle;
  for (const auto* one = &holder; one != nullptr; one = reached.at(one)) {
    cycle += fmt::format("{} ({}) waits for ", one->title(), to_string(one->state()));
  }
  cycle += holder.title();
  if (first_report(cycle)) {
    log(Priority::Warning, "deadlock avoided: {}; event {} of {} is not waited for", cycle,
        event.name(), first->title());
  }
  return true;
}

/// To be called when an event has redirected an instance of this job.
void ServiceManager::watch_for_cycle(const JobClass& job, const Cause& cause) {
  const auto* event = std::get_if<Cause::JobEvent>(&cause.what());
  if (event == nullptr && cause.previous()) {  // one of several, below a Condition
    event = std::get_if<Cause::JobEvent>(&cause.previous()->what());
  }
  if (event == nullptr) {
    triggers_.erase(job.key());
    return;
  }
  auto& trigger = triggers_[job.key()];
  const auto first = cause.first().shared_from_this();
  if (trigger.first_cause != first || now_ - trigger.since > kRoundsWithin) {
    trigger = {.first_cause = first, .since = now_};
  }
  trigger.event = event->event;
  trigger.by = event->job;
  if (++trigger.count == kRounds) report_cycle(job.key());
}

/// Goes back from the job to the one whose event redirected it last, and so on, until one comes
/// again.
void ServiceManager::report_cycle(const JobKey& job) {
  std::vector<JobKey> visited;
  std::vector<std::string> path;  // the event that redirected each of them
  auto key = job;
  auto again = visited.end();
  while ((again = std::ranges::find(visited, key)) == visited.end()) {
    const auto found = triggers_.find(key);
    if (found == triggers_.end()) return;  // by something else meanwhile: no cycle
    visited.push_back(key);
    path.push_back(fmt::format("{} {}", found->second.event, found->second.by.name));
    key = found->second.by;
  }
  path.erase(path.begin(), path.begin() + (again - visited.begin()));

  // The same cycle is the same text, wherever it was noticed.
  std::ranges::reverse(path);
  std::ranges::rotate(path, std::ranges::min_element(path));
  const auto text = join(path, " -> ");
  if (first_report(text)) {
    log(Priority::Warning, "jobs trigger each other without end: {} -> {}", text, path.front());
  }
}

bool ServiceManager::first_report(std::string text) {
  if (reported_cycles_.size() >= kMostReports) reported_cycles_.clear();
  return reported_cycles_.insert(std::move(text)).second;
}

}  // namespace upkeep::core
