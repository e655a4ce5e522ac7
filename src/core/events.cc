// The event queue: pending, shown once to every listener, held until its jobs have settled,
// finished (spec/runtime.md 3).
#include <algorithm>
#include <cassert>

#include "base/signals.h"
#include "core/service_manager.h"

namespace upkeep::core {
namespace {

/// The names of these events, as UPSTART_EVENTS and messages have them.
std::string names_of(const std::vector<Event*>& events) {
  std::vector<std::string> names;
  names.reserve(events.size());
  for (const auto* one : events) names.push_back(one->name());
  return join(names, " ");
}

}  // namespace

void ServiceManager::accept(EmitEvent&& input) {
  if (input.request) {
    std::optional<std::string> problem;
    if (input.name.empty()) problem = "Name may not be empty string";
    for (const auto& variable : input.environment) {
      if (variable.find('=') == std::string::npos) problem = "Env must be KEY=VALUE pairs";
    }
    if (problem) {
      reply_error(*input.request, RequestErrorCode::InvalidArguments, *std::move(problem));
      return;
    }
  }
  auto cause = Cause::create(Cause::Emission{input.name, input.requester.caller}, now_);
  auto& event = queue_event(std::move(input.name), std::move(input.environment),
                            std::move(input.requester.session), std::move(cause));
  event.file_ = std::move(input.file);
  if (!input.request) return;
  if (input.wait == Wait::Yes) {
    wait_for(event, *input.request);
  } else {
    reply(*input.request, RequestTarget{});
  }
}

Event& ServiceManager::queue_event(std::string name, Environment environment, std::string session,
                                   CausePtr cause) {
  const auto sequence = ++last_event_;
  auto event = std::make_unique<Event>(sequence, std::move(name), std::move(environment),
                                       std::move(session), std::move(cause));
  auto& queued = *events_.emplace(sequence, std::move(event)).first->second;
  attend(queued);
  return queued;
}

/// Queues `starting`, `started`, `stopping` or `stopped` (2.7, 3.10). If it blocks, the instance
/// makes no transition until the event has finished.
void ServiceManager::queue_job_event(JobInstance& instance, std::string_view name, bool block) {
  Environment environment{"JOB=" + instance.job().name(), "INSTANCE=" + instance.name()};
  if (name == "stopping" || name == "stopped") {
    const auto& failure = instance.failure_;
    environment.emplace_back(failure ? "RESULT=failed" : "RESULT=ok");
    if (failure) {
      const auto process = failure->process ? conf::to_string(*failure->process) : "respawn";
      environment.push_back(fmt::format("PROCESS={}", process));
      if (failure->exit_status) {
        environment.push_back(fmt::format("EXIT_STATUS={}", *failure->exit_status));
      }
      if (failure->exit_signal) {
        environment.push_back("EXIT_SIGNAL=" + signal_name(*failure->exit_signal));
      }
    }
  }
  for (const auto& key : instance.job().definition().export_env) {
    const auto value = find_variable(instance.environment_, key);
    if (value && !find_variable(environment, key)) {
      environment.push_back(fmt::format("{}={}", key, *value));
    }
  }
  auto cause =
      Cause::create(Cause::JobEvent{std::string(name), instance.job().key(), instance.title()},
                    now_, instance.cause_);
  auto& event = queue_event(std::string(name), std::move(environment), instance.job().session(),
                            std::move(cause));
  if (block) {
    event.waiters_.emplace_back(&instance);
    instance.blocker_ = &event;
  }
}

void ServiceManager::attend(Event& event) {
  attention_.insert(event.sequence());
}

/// Returns how much work it was: instances that were shown the event, and one.
int ServiceManager::visit(Event& event) {
  int work = 1;
  if (event.progress_ == Event::Progress::Pending) {
    event.progress_ = Event::Progress::Handling;
    work += dispatch(event);
  }
  if (event.blockers_ == 0) finish(event);
  return work;
}

/// What this sets in motion stops at events that are yet to be handled: no job or instance ends
/// before the last listener has been visited.
int ServiceManager::dispatch(Event& event) {
  int shown = 0;
  for (const auto& listener : listeners_.find(event)) shown += dispatch_to(listener, event);
  return shown;
}

int ServiceManager::dispatch_to(const Listener& listener, Event& event) {
  auto& job = *listener.job;
  int shown = 1;
  if (!event.session().empty() && event.session() != job.session()) return shown;

  std::set<std::string, std::less<>> stopped_now;
  if (listener.stops) {
    std::vector<JobInstance*> instances;  // stable: instances that end live until the turn is over
    instances.reserve(job.instances_.size());
    for (const auto& [name, instance] : job.instances_) instances.push_back(instance.get());
    shown += static_cast<int>(instances.size());
    for (auto* instance : instances) {
      if (stop_by_event(*instance, event)) stopped_now.insert(instance->name());
    }
  }
  if (!listener.starts || !job.start_on_.handle(event, {})) return shown;
  start_by_event(job, stopped_now, event.cause());
  // Half a condition must not hold the event that one of the job's own instances waits for.
  const auto waits = [&](const auto& waiter) {
    const auto* const* instance = std::get_if<JobInstance*>(&waiter);
    return instance != nullptr && (*instance)->job_ == &job;
  };
  if (std::ranges::any_of(event.waiters_, waits)) let_go(job.start_on_, event);
  return shown;
}

/// Shows the event to `stop on`. True if that told a running instance to stop.
bool ServiceManager::stop_by_event(JobInstance& instance, Event& event) {
  auto& condition = instance.stop_on_;
  condition.handle(event, instance.environment_);
  if (!condition.value()) {
    // Half a condition of a job on its way down must not hold up whom the job waits for.
    const bool own = &event == instance.blocker_;
    if (own || (instance.stop_on_goes_with_it() && would_deadlock(instance, event))) {
      let_go(condition, event);
    }
    return false;
  }

  const auto events = condition.matched();
  const bool stops = instance.goal_ != Goal::Stop;
  if (stops) {
    Environment environment;
    for (const auto* one : events) set_variables(environment, one->environment());
    set_variable(environment, "UPSTART_STOP_EVENTS=" + names_of(events));
    instance.stop_environment_ = std::move(environment);
    instance.restarting_ = false;
    release(instance, Release::Success);
    instance.cause_ = cause_of(events, event.cause());
    hold(instance, events);
    watch_for_cycle(instance);
    change_goal(instance, Goal::Stop);
  }
  reset(condition);
  return stops;
}

/// Starts what `start on` names, if it is true. `stopped_now`: instances that the same event has
/// just told to stop; starting those is a restart, not the cancelling of a stop (3.2, Q6).
/// `cause`: of the last of the events.
void ServiceManager::start_by_event(JobClass& job,
                                    const std::set<std::string, std::less<>>& stopped_now,
                                    const CausePtr& cause) {
  auto& condition = job.start_on_;
  if (!condition.value()) return;

  const auto events = condition.matched();
  auto environment = environment_of(job);
  std::vector<std::shared_ptr<const EventFile>> files;
  for (const auto* one : events) {
    set_variables(environment, one->environment());
    if (one->file_) files.push_back(one->file_);
  }
  const auto names = names_of(events);
  set_variable(environment, "UPSTART_EVENTS=" + names);

  const auto name = expand_instance(job, environment);
  if (!name) {
    log(Priority::Warning, "{} not started by event {}: instance name: {}", job.name(), names,
        name.error().message);
  } else if (const auto* existing = job.find_instance(*name);
             existing == nullptr && !has_room(job)) {
    log(Priority::Warning, "{} not started by event {}: too many instances", job.name(), names);
  } else if (existing == nullptr || existing->goal() != Goal::Start) {
    auto& instance = find_or_create(job, *name);
    if (!files.empty()) {
      std::vector<std::string> numbers;
      numbers.reserve(files.size());
      for (const auto& file : files) numbers.push_back(fmt::format("{}", file->number()));
      set_variable(environment, "UPSTART_FDS=" + join(numbers, " "));
    }
    instance.start_environment_ = std::move(environment);
    instance.start_files_ = std::move(files);
    instance.restarting_ = stopped_now.contains(*name) && instance.state_ < State::Stopping;
    release(instance, Release::Success);
    instance.cause_ = cause_of(events, cause);
    hold(instance, events);
    watch_for_cycle(instance);
    change_goal(instance, Goal::Start);
  }
  reset(condition);
}

/// Why a condition is true: its one event, or all of them with the last as the link.
CausePtr ServiceManager::cause_of(const std::vector<Event*>& events, const CausePtr& last) const {
  if (events.size() < 2) return last;
  return Cause::create(Cause::Condition{names_of(events)}, now_, last);
}

void ServiceManager::finish(Event& event) {
  event.progress_ = Event::Progress::Finished;
  for (const auto& waiter : std::exchange(event.waiters_, {})) {
    if (const auto* request = std::get_if<RequestId>(&waiter)) {
      if (event.failed_) {
        reply_error(*request, RequestErrorCode::EventFailed, "Event failed");
      } else {
        reply(*request, RequestTarget{});
      }
      continue;
    }
    auto& instance = *std::get<JobInstance*>(waiter);
    assert(instance.blocker_ == &event);
    instance.blocker_ = nullptr;
    advance(instance);
  }
  if (event.failed_ && !event.name().ends_with("/failed")) {
    const auto name = event.name() + "/failed";
    queue_event(name, event.environment(), event.session(),
                Cause::create(Cause::EventFailed{name}, now_, event.cause()));
  }
  observer_.event_emitted(event);
  attention_.erase(event.sequence());
  events_.erase(event.sequence());
}

/// The instance keeps the events from finishing until release(). Never one whose end it waits for
/// itself: both would wait for ever (Q16).
void ServiceManager::hold(JobInstance& instance, const std::vector<Event*>& events) {
  for (auto* event : events) {
    const auto alive = events_.find(event->sequence());
    const bool let_go = alive == events_.end() || alive->second.get() != event;
    if (let_go || would_deadlock(instance, *event)) continue;
    ++event->blockers_;
    instance.held_.emplace_back(event);
  }
}

/// To be called when an event has lost a blocker.
void ServiceManager::unhold(Event& event) {
  if (event.blockers_ == 0 && event.progress_ == Event::Progress::Handling) attend(event);
}

void ServiceManager::let_go(EventOperator& condition, Event& event) {
  condition.let_go(event, [this](Event& one) { unhold(one); });
}

void ServiceManager::reset(EventOperator& condition) {
  condition.reset([this](Event& event) { unhold(event); });
}

}  // namespace upkeep::core
