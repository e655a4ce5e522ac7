// Commands of clients: start, stop, restart, reload (spec/runtime.md 2.9).
#include "core/service_manager.h"

namespace upkeep::core {

/// The job, if the requester may change it: only jobs of its own session.
std::expected<JobClass*, RequestError> ServiceManager::permitted_job(const JobKey& key,
                                                                     const Requester& requester) {
  const auto found = jobs_.find(key);
  if (found == jobs_.end()) return unknown_job(key);
  if (requester.session != key.session) {
    return std::unexpected(
        RequestError{RequestErrorCode::PermissionDenied,
                     fmt::format("You do not have permission to modify job: {}", key.name)});
  }
  return found->second.get();
}

std::expected<JobInstance*, RequestError> ServiceManager::permitted_instance(
    const JobKey& key, std::string_view instance, const Requester& requester) {
  const auto job = permitted_job(key, requester);
  if (!job) return std::unexpected(job.error());
  const auto found = (*job)->instances_.find(instance);
  if (found == (*job)->instances_.end()) {
    return std::unexpected(RequestError{RequestErrorCode::UnknownInstance,
                                        fmt::format("Unknown instance: {}", instance)});
  }
  return found->second.get();
}

void ServiceManager::accept(JobRequest&& request) {
  const auto job = permitted_job(request.job, request.requester);
  if (!job) {
    reply(request.id, std::unexpected(job.error()));
    return;
  }
  const auto name = instance_name(**job, request.environment, request.verb == Verb::Start);
  if (!name) {
    reply(request.id, std::unexpected(name.error()));
    return;
  }
  const auto found = (*job)->instances_.find(*name);
  auto* instance = found == (*job)->instances_.end() ? nullptr : found->second.get();
  if (instance == nullptr && request.verb != Verb::Start) {
    reply_error(request.id, RequestErrorCode::UnknownInstance, "Unknown instance: " + *name);
    return;
  }

  // Start and restart forget the variables of an earlier start: only the job's own remain (Q8).
  auto environment = environment_of(**job);
  set_variables(environment, request.environment);
  const Command command{request.id, request.verb, request.wait, request.requester.caller};
  switch (request.verb) {
    case Verb::Start: start(**job, instance, *name, std::move(environment), command); return;
    case Verb::Stop: stop(*instance, std::move(request.environment), command); return;
    case Verb::Restart: restart(*instance, std::move(environment), command); return;
  }
}

void ServiceManager::accept(InstanceRequest&& request) {
  const auto found = permitted_instance(request.job, request.instance, request.requester);
  if (!found) {
    reply(request.id, std::unexpected(found.error()));
    return;
  }
  auto& instance = **found;
  const Command command{request.id, request.verb, request.wait, request.requester.caller};
  switch (request.verb) {
    case Verb::Start:
      start(*instance.job_, &instance, request.instance, std::nullopt, command);
      return;
    case Verb::Stop: stop(instance, {}, command); return;
    case Verb::Restart: restart(instance, std::nullopt, command); return;
  }
}

/// Without `environment` the instance keeps the one it has.
void ServiceManager::start(JobClass& job, JobInstance* existing, const std::string& name,
                           std::optional<Environment> environment, const Command& command) {
  if (existing != nullptr && existing->goal_ == Goal::Start) {
    reply_error(command.id, RequestErrorCode::AlreadyStarted,
                "Job is already running: " + existing->title());
    return;
  }
  if (existing == nullptr && !has_room(job)) {
    reply_error(command.id, RequestErrorCode::InvalidArguments,
                "Too many instances of job: " + job.name());
    return;
  }
  auto& instance = existing != nullptr ? *existing : find_or_create(job, name);
  instance.start_environment_ = std::move(environment);
  instance.start_files_.clear();
  redirect(instance, command);
  change_goal(instance, Goal::Start);
  accepted(instance, command);
}

void ServiceManager::stop(JobInstance& instance, Environment environment, const Command& command) {
  if (instance.goal_ == Goal::Stop) {
    reply_error(command.id, RequestErrorCode::AlreadyStopped,
                "Job has already been stopped: " + instance.title());
    return;
  }
  instance.stop_environment_ = std::move(environment);
  instance.restarting_ = false;
  redirect(instance, command);
  change_goal(instance, Goal::Stop);
  accepted(instance, command);
}

/// A stop and a start in one step. Where the original forgot the restart (before the job runs, or
/// while its pre-stop runs) it is remembered and carried out (2.9, Q6).
void ServiceManager::restart(JobInstance& instance, std::optional<Environment> environment,
                             const Command& command) {
  if (instance.goal_ == Goal::Stop) {
    reply_error(command.id, RequestErrorCode::AlreadyStopped,
                "Job has already been stopped: " + instance.title());
    return;
  }
  instance.start_environment_ = std::move(environment);
  instance.start_files_.clear();
  instance.stop_environment_.clear();
  redirect(instance, command);
  change_goal(instance, Goal::Stop);
  instance.restarting_ = instance.state_ < State::Stopping;
  change_goal(instance, Goal::Start);
  accepted(instance, command);
}

/// Whoever waited for what the instance did so far waits no longer; this command takes over.
void ServiceManager::redirect(JobInstance& instance, const Command& command) {
  release(instance, Release::Success);
  instance.cause_ =
      Cause::create(Cause::Command{command.verb, instance.title(), command.caller}, now_);
  if (command.wait == Wait::Yes) wait_for(instance, {command.id, command.verb});
}

void ServiceManager::accepted(const JobInstance& instance, const Command& command) {
  if (command.wait == Wait::Yes) return;  // told when it has been carried out
  reply(command.id, RequestTarget{instance.job().key(), instance.name()});
}

void ServiceManager::accept(ReloadRequest&& request) {
  const auto instance = permitted_instance(request.job, request.instance, request.requester);
  if (!instance) {
    reply(request.id, std::unexpected(instance.error()));
    return;
  }
  const auto& main = (*instance)->process(ProcessType::Main);
  if (main.pid == 0) {
    reply_error(request.id, RequestErrorCode::NotRunning,
                "Job is not running: " + (*instance)->title());
    return;
  }
  platform_.signal(main.spawn, (*instance)->job().definition().reload_signal,
                   SignalTarget::Process);
  reply(request.id, RequestTarget{request.job, request.instance});
}

// ---------------------------------------------------------------- replies

void ServiceManager::accept(ClientGone&& gone) {
  const auto found = waiting_requests_.find(gone.id);
  if (found == waiting_requests_.end()) return;
  if (auto* const* event = std::get_if<Event*>(&found->second)) {
    std::erase_if((*event)->waiters_,
                  [&](const auto& waiter) { return waiter == Event::Waiter{gone.id}; });
  } else {
    std::erase_if(std::get<JobInstance*>(found->second)->held_, [&](const auto& blocker) {
      const auto* request = std::get_if<WaitingRequest>(&blocker);
      return request != nullptr && request->id == gone.id;
    });
  }
  waiting_requests_.erase(found);
}

void ServiceManager::wait_for(Event& event, RequestId id) {
  event.waiters_.emplace_back(id);
  waiting_requests_.emplace(id, &event);
}

void ServiceManager::wait_for(JobInstance& instance, const WaitingRequest& request) {
  instance.held_.emplace_back(request);
  waiting_requests_.emplace(request.id, &instance);
}

void ServiceManager::reply(RequestId id, const Reply& reply) {
  waiting_requests_.erase(id);
  observer_.replied(id, reply);
}

void ServiceManager::reply_error(RequestId id, RequestErrorCode code, std::string message) {
  reply(id, std::unexpected(RequestError{code, std::move(message)}));
}

}  // namespace upkeep::core
