// The event queue: pending, shown once to every listener, held until its jobs have settled,
// finished (spec/runtime.md 3).
#include <algorithm>
#include <cassert>

#include "base/signals.h"
#include "core/service_manager.h"

namespace upkeep::core {

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
  auto& event = queue_event(std::move(input.name), std::move(input.environment));
  if (!input.request) return;
  if (input.wait == Wait::Yes) {
    event.waiters_.emplace_back(*input.request);
  } else {
    observer_.replied(*input.request, RequestTarget{});
  }
}

Event& ServiceManager::queue_event(std::string name, Environment environment) {
  const auto sequence = ++last_event_;
  auto event = std::make_unique<Event>(sequence, std::move(name), std::move(environment));
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
  auto& event = queue_event(std::string(name), std::move(environment));
  if (block) {
    event.waiters_.emplace_back(&instance);
    instance.blocker_ = &event;
  }
}

void ServiceManager::attend(Event& event) {
  attention_.insert(event.sequence());
}

void ServiceManager::visit(Event& event) {
  if (event.progress_ == Event::Progress::Pending) {
    event.progress_ = Event::Progress::Handling;
    dispatch(event);
  }
  if (event.blockers_ == 0) finish(event);
}

void ServiceManager::dispatch(Event& event) {
  // A copy: what the event causes may change who listens.
  for (const auto& name : listeners_.find(event)) {
    const auto job = jobs_.find(name);
    if (job != jobs_.end()) dispatch_to(*job->second, event);
  }
}

void ServiceManager::dispatch_to(JobClass& job, Event& event) {
  std::vector<JobInstance*> instances;  // stable: instances that end live until the turn is over
  instances.reserve(job.instances_.size());
  for (const auto& [name, instance] : job.instances_) instances.push_back(instance.get());
  std::set<std::string, std::less<>> stopped_now;
  for (auto* instance : instances) {
    if (stop_by_event(*instance, event)) stopped_now.insert(instance->name());
  }
  if (job.start_on_.handle(event, {})) start_by_event(job, stopped_now);
  // Half a condition must not hold the event that one of the job's own instances waits for.
  const auto waits = [&](const auto* instance) { return instance->blocker_ == &event; };
  if (std::ranges::any_of(instances, waits)) let_go(job.start_on_, event);
}

/// Shows the event to `stop on`. True if that told a running instance to stop.
bool ServiceManager::stop_by_event(JobInstance& instance, Event& event) {
  auto& condition = instance.stop_on_;
  condition.handle(event, instance.environment_);
  if (!condition.value()) {
    if (&event == instance.blocker_) let_go(condition, event);
    return false;
  }

  const auto events = condition.matched();
  const bool stops = instance.goal_ != Goal::Stop;
  if (stops) {
    Environment environment;
    std::vector<std::string> names;
    for (const auto* one : events) {
      set_variables(environment, one->environment());
      names.push_back(one->name());
    }
    set_variable(environment, "UPSTART_STOP_EVENTS=" + join(names, " "));
    instance.stop_environment_ = std::move(environment);
    instance.restarting_ = false;
    release(instance, Release::Success);
    hold(instance, events);
    change_goal(instance, Goal::Stop);
  }
  reset(condition);
  return stops;
}

/// Starts what `start on` names, if it is true. `stopped_now`: instances that the same event has
/// just told to stop; starting those is a restart, not the cancelling of a stop (3.2, Q6).
void ServiceManager::start_by_event(JobClass& job,
                                    const std::set<std::string, std::less<>>& stopped_now) {
  auto& condition = job.start_on_;
  if (!condition.value()) return;

  const auto events = condition.matched();
  auto environment = job_environment(job);
  std::vector<std::string> names;
  for (const auto* one : events) {
    set_variables(environment, one->environment());
    names.push_back(one->name());
  }
  set_variable(environment, "UPSTART_EVENTS=" + join(names, " "));

  const auto name = expand_instance(job, environment);
  if (!name) {
    log(Priority::Warning, "{} not started by event {}: instance name: {}", job.name(),
        join(names, " "), name.error().message);
  } else if (const auto* existing = job.find_instance(*name);
             existing == nullptr || existing->goal() != Goal::Start) {
    auto& instance = find_or_create(job, *name);
    instance.start_environment_ = std::move(environment);
    instance.restarting_ = stopped_now.contains(*name) && instance.state_ < State::Stopping;
    release(instance, Release::Success);
    hold(instance, events);
    change_goal(instance, Goal::Start);
  }
  reset(condition);
}

void ServiceManager::finish(Event& event) {
  event.progress_ = Event::Progress::Finished;
  for (const auto& waiter : std::exchange(event.waiters_, {})) {
    if (const auto* request = std::get_if<RequestId>(&waiter)) {
      if (event.failed_) {
        reply_error(*request, RequestErrorCode::EventFailed, "Event failed");
      } else {
        observer_.replied(*request, RequestTarget{});
      }
      continue;
    }
    auto& instance = *std::get<JobInstance*>(waiter);
    assert(instance.blocker_ == &event);
    instance.blocker_ = nullptr;
    advance(instance);
  }
  if (event.failed_ && !event.name().ends_with("/failed")) {
    queue_event(event.name() + "/failed", event.environment());
  }
  observer_.event_emitted(event);
  attention_.erase(event.sequence());
  events_.erase(event.sequence());
}

/// The instance keeps the events from finishing until release(). Never the event it is itself
/// blocked on: the two would wait for each other for ever (Q16).
void ServiceManager::hold(JobInstance& instance, const std::vector<Event*>& events) {
  for (auto* event : events) {
    if (event == instance.blocker_) continue;
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
