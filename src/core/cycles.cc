// Two ways in which jobs can tie a knot: they wait for each other, or they trigger each other
// without end. Both are told once, with the jobs that make them up.
#include <algorithm>

#include "core/service_manager.h"

namespace upkeep::core {
namespace {

/// Knots remembered so that each is told of once; beyond, all are told again.
constexpr std::size_t kMostReports = 1000;
/// Steps of a knot that a message shows.
constexpr std::size_t kMostSteps = 50;

/// A job that events have redirected so often, so fast, each event a consequence of the one before,
/// is looked at: it may be part of a cycle that does not end by itself.
constexpr int kRounds = 10;
constexpr std::chrono::seconds kRoundsWithin{10};
/// First causes that are counted apart for one job.
constexpr std::size_t kMostTriggers = 16;

/// The instance that makes no transition before this event has finished, if any.
JobInstance* blocked_on(const Event& event) {
  for (const auto& waiter : event.waiters()) {
    if (auto* const* instance = std::get_if<JobInstance*>(&waiter)) return *instance;
  }
  return nullptr;
}

/// An event, or several, that may have come from a job.
bool is_of_jobs(const Cause& cause) {
  return std::holds_alternative<Cause::JobEvent>(cause.what()) ||
         std::holds_alternative<Cause::EventFailed>(cause.what()) ||
         std::holds_alternative<Cause::Condition>(cause.what());
}

std::string shown(const std::vector<std::string>& steps, std::string_view separator) {
  if (steps.size() <= kMostSteps) return join(steps, separator);
  const std::vector<std::string> first(steps.begin(), steps.begin() + kMostSteps);
  return fmt::format("{}{}... ({} more)", join(first, separator), separator,
                     steps.size() - kMostSteps);
}

}  // namespace

// ---------------------------------------------------------------- waiting for each other

/// Whether an instance that held this event would wait for its own end: it is blocked on an event
/// that, held over one or more instances, waits for the instance that waits for this event.
bool ServiceManager::would_deadlock(const JobInstance& holder, const Event& event) {
  auto* first = blocked_on(event);
  if (holder.blocker_ == nullptr || first == nullptr) return false;

  // Who waits for `first`, and for those in turn. Each remembers through whom it was reached.
  ++search_;
  std::vector<JobInstance*> open;
  const auto reach = [&](JobInstance* instance, const JobInstance* through) {
    if (instance == nullptr || instance->search_ == search_) return;
    instance->search_ = search_;
    instance->reached_through_ = through;
    open.push_back(instance);
  };
  reach(first, nullptr);
  while (!open.empty() && holder.search_ != search_) {
    auto* instance = open.back();
    open.pop_back();
    for (const auto& blocker : instance->held_) {
      if (auto* const* held = std::get_if<Event*>(&blocker)) reach(blocked_on(**held), instance);
    }
    if (!instance->stop_on_goes_with_it()) continue;
    for (const auto* held : instance->stop_on_.held()) reach(blocked_on(*held), instance);
  }
  if (holder.search_ != search_) return false;
  tell_deadlock(holder, *first, event);
  return true;
}

void ServiceManager::tell_deadlock(const JobInstance& holder, const JobInstance& first,
                                   const Event& event) {
  if (!observer_.wants(Priority::Warning)) return;
  if (told_deadlocks_.size() >= kMostReports) told_deadlocks_.clear();
  if (!told_deadlocks_.insert(fmt::format("{}\n{}", holder.title(), first.title())).second) return;
  if (&first == &holder) {
    log(Priority::Warning, "deadlock avoided: {} ({}) does not wait for itself", holder.title(),
        to_string(holder.state()));
    return;
  }
  std::vector<std::string> waits;
  for (const auto* one = &holder; one != nullptr; one = one->reached_through_) {
    const auto* next = one->reached_through_ == nullptr ? &holder : one->reached_through_;
    waits.push_back(
        fmt::format("{} ({}) waits for {}", one->title(), to_string(one->state()), next->title()));
  }
  log(Priority::Warning, "deadlock avoided: {}; {} of {} goes on without {}", shown(waits, ", "),
      event.name(), first.title(), holder.title());
}

// ---------------------------------------------------------------- triggering each other

/// To be called when an event has redirected this instance, and is its cause.
void ServiceManager::watch_for_cycle(JobInstance& instance) {
  auto& job = *instance.job_;
  const auto& cause = instance.cause_;
  auto& all = job.triggers_;
  if (!is_of_jobs(*cause)) {
    all.clear();
    return;
  }
  // Several knots may go through one job, and take turns: through other instances of it, say.
  std::erase_if(all, [&](const auto& one) { return now_ - one.since > kRoundsWithin; });
  const auto first = cause->first().shared_from_this();
  auto found = std::ranges::find(all, first, &JobClass::Triggers::first_cause);
  if (found == all.end()) {
    if (all.size() >= kMostTriggers) all.erase(all.begin());
    found = all.insert(all.end(), {.first_cause = first, .since = now_, .depth = cause->depth()});
    return;
  }
  // Many consequences of one thing are no cycle: only those of one another count.
  if (cause->depth() <= found->depth) return;
  const auto gap = cause->depth() - std::exchange(found->depth, cause->depth());
  if (++found->count == kRounds) report_cycle(job, *cause, gap);
}

/// Goes back along the causes until an event comes again. `gap`: so many links ago the job was
/// redirected before.
void ServiceManager::report_cycle(JobClass& job, const Cause& cause, std::size_t gap) {
  std::vector<std::string> path;
  std::set<JobKey> jobs{job.key()};
  const Cause::EventFailed* failed = nullptr;  // its event comes next
  bool closed = false;
  std::size_t links = 0;
  for (const auto* link = &cause; link != nullptr && !closed; link = link->previous().get()) {
    ++links;
    if (const auto* one = std::get_if<Cause::EventFailed>(&link->what())) failed = one;
    const auto* event = std::get_if<Cause::JobEvent>(&link->what());
    if (event == nullptr) continue;
    const auto& name = failed != nullptr ? failed->event : event->event;
    failed = nullptr;
    auto step = fmt::format("{} {}", name, event->instance);
    jobs.insert(event->job);
    const auto again = std::ranges::find(path, step);
    closed = again != path.end();
    if (closed) {
      path.erase(path.begin(), again);  // what leads out of the cycle
    } else {
      path.push_back(std::move(step));
    }
  }
  // A longer cycle than can be seen; a shorter one would have been.
  if (!closed && gap < links) return;
  is_throttled_ = true;

  // One knot has many cycles, and one longer than the chain is seen in parts: once tells enough.
  if (told_chains_.size() >= kMostReports) told_chains_.clear();
  bool told = !closed && !told_chains_.insert(cause.first().shared_from_this()).second;
  for (const auto& one : jobs) {
    if (!told_cycles_.insert(one).second) told = true;
  }
  if (told) return;
  std::ranges::reverse(path);
  if (!closed) {
    log(Priority::Warning, "jobs trigger each other without end: ... -> {} -> ...",
        shown(path, " -> "));
    return;
  }
  // From where the path begins does not depend on who noticed.
  std::ranges::rotate(path, std::ranges::min_element(path));
  log(Priority::Warning, "jobs trigger each other without end: {} -> {}", shown(path, " -> "),
      path.front());
}

void ServiceManager::forget_cycles(JobClass& job) {
  job.triggers_.clear();
  told_cycles_.erase(job.key());
}

}  // namespace upkeep::core
