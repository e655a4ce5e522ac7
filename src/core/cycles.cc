// Two ways in which jobs can tie a knot: they wait for each other, or they trigger each other
// without end. Both are told once, with the jobs that make them up.
#include <algorithm>
#include <map>
#include <vector>

#include "core/service_manager.h"

namespace upkeep::core {
namespace {

/// Knots remembered so that each is told of once; beyond, all are told again.
constexpr std::size_t kMostReports = 1000;

/// A job that events of jobs have redirected so often, so fast, all following from one first cause,
/// is taken for part of a cycle that does not end by itself.
constexpr int kRounds = 10;
constexpr std::chrono::seconds kRoundsWithin{10};
/// First causes that are counted apart for one job.
constexpr std::size_t kMostTriggers = 16;

/// The instance that makes no transition before this event has finished, if any.
const JobInstance* blocked_on(const Event& event) {
  for (const auto& waiter : event.waiters()) {
    if (const auto* const* instance = std::get_if<JobInstance*>(&waiter)) return *instance;
  }
  return nullptr;
}

}  // namespace

/// Whether this deadlock has not been told of. The same cycle is the same, wherever it was noticed.
bool ServiceManager::first_deadlock(std::vector<std::string> waits) {
  std::ranges::sort(waits);
  if (told_deadlocks_.size() >= kMostReports) told_deadlocks_.clear();
  return told_deadlocks_.insert(join(waits, "\n")).second;
}

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

  std::vector<std::string> waits;
  for (const auto* one = &holder; one != nullptr; one = reached.at(one)) {
    const auto* next = reached.at(one) == nullptr ? &holder : reached.at(one);
    waits.push_back(
        fmt::format("{} ({}) waits for {}", one->title(), to_string(one->state()), next->title()));
  }
  if (first_deadlock(waits)) {
    if (first == &holder) {
      log(Priority::Warning, "deadlock avoided: {} ({}) does not wait for itself", holder.title(),
          to_string(holder.state()));
      return true;
    }
    log(Priority::Warning, "deadlock avoided: {}; {} of {} goes on without {}", join(waits, ", "),
        event.name(), first->title(), holder.title());
  }
  return true;
}

/// To be called when an event has redirected an instance of this job.
void ServiceManager::watch_for_cycle(const JobKey& job, const CausePtr& cause) {
  const auto* event = std::get_if<Cause::JobEvent>(&cause->what());
  const bool one_of_several = std::holds_alternative<Cause::Condition>(cause->what());
  if (event == nullptr && !one_of_several) {
    triggers_.erase(job);
    return;
  }
  // Several knots may go through one job, and take turns: through other instances of it, say.
  auto& triggers = triggers_[job];
  std::erase_if(triggers, [&](const Trigger& one) { return now_ - one.since > kRoundsWithin; });
  const auto first = cause->first().shared_from_this();
  auto found = std::ranges::find(triggers, first, &Trigger::first_cause);
  if (found == triggers.end()) {
    if (triggers.size() >= kMostTriggers) triggers.erase(triggers.begin());
    found = triggers.insert(triggers.end(), {.first_cause = first, .since = now_});
  }
  if (++found->count == kRounds && !told_cycles_.contains(job)) report_cycle(*cause);
}

/// Goes back along the causes until an event comes again.
void ServiceManager::report_cycle(const Cause& cause) {
  std::vector<std::string> path;
  std::set<JobKey> jobs;
  bool closed = false;
  for (const auto* link = &cause; link != nullptr && !closed; link = link->previous().get()) {
    const auto* event = std::get_if<Cause::JobEvent>(&link->what());
    if (event == nullptr) continue;
    auto step = fmt::format("{} {}", event->event, event->instance);
    closed = !path.empty() && step == path.front();
    if (!closed) path.push_back(std::move(step));
    jobs.insert(event->job);
  }
  std::ranges::reverse(path);

  // One knot has many cycles, and one longer than the chain is seen in parts: once tells enough.
  if (told_chains_.size() >= kMostReports) told_chains_.clear();
  bool told = !closed && !told_chains_.insert(cause.first().shared_from_this()).second;
  for (const auto& job : jobs) {
    if (!told_cycles_.insert(job).second) told = true;
  }
  if (told) return;
  if (!closed) {
    log(Priority::Warning, "jobs trigger each other without end: ... -> {} -> ...",
        join(path, " -> "));
    return;
  }
  // From where the path begins does not depend on who noticed.
  std::ranges::rotate(path, std::ranges::min_element(path));
  log(Priority::Warning, "jobs trigger each other without end: {} -> {}", join(path, " -> "),
      path.front());
}

void ServiceManager::forget_cycles(const JobKey& job) {
  triggers_.erase(job);
  told_cycles_.erase(job);
}

}  // namespace upkeep::core
