// Commands of clients: start, stop, restart, reload (spec/runtime.md 2.9).
#include "core/service_manager.h"

namespace upkeep::core {

void ServiceManager::accept(JobRequest&& request) {
  const auto found = jobs_.find(request.job);
  if (found == jobs_.end()) {
    reply_error(request.id, RequestErrorCode::UnknownJob, "Unknown job: " + request.job);
    return;
  }
  auto& job = *found->second;
  const auto name = instance_name(job, request.environment, request.verb == Verb::Start);
  if (!name) {
    reply_error(request.id, name.error().code, name.error().message);
    return;
  }
  const auto instance = job.instances_.find(*name);
  const bool exists = instance != job.instances_.end();
  if (!exists && request.verb != Verb::Start) {
    reply_error(request.id, RequestErrorCode::UnknownInstance, "Unknown instance: " + *name);
    return;
  }

  // Start and restart forget the variables of an earlier start: only the job's own remain (Q8).
  auto environment = job_environment(job);
  set_variables(environment, request.environment);
  const WaitingRequest waiting{request.id, request.verb};
  switch (request.verb) {
    case Verb::Start:
      start(job, exists ? instance->second.get() : nullptr, *name, std::move(environment), waiting,
            request.wait);
      return;
    case Verb::Stop:
      stop(*instance->second, std::move(request.environment), waiting, request.wait);
      return;
    case Verb::Restart:
      restart(*instance->second, std::move(environment), waiting, request.wait);
      return;
  }
}

void ServiceManager::accept(InstanceRequest&& request) {
  const auto job = jobs_.find(request.job);
  if (job == jobs_.end()) {
    reply_error(request.id, RequestErrorCode::UnknownJob, "Unknown job: " + request.job);
    return;
  }
  const auto found = job->second->instances_.find(request.instance);
  if (found == job->second->instances_.end()) {
    reply_error(request.id, RequestErrorCode::UnknownInstance,
                "Unknown instance: " + request.instance);
    return;
  }
  auto& instance = *found->second;
  const WaitingRequest waiting{request.id, request.verb};
  switch (request.verb) {
    case Verb::Start:
      start(*job->second, &instance, request.instance, std::nullopt, waiting, request.wait);
      return;
    case Verb::Stop: stop(instance, {}, waiting, request.wait); return;
    case Verb::Restart: restart(instance, std::nullopt, waiting, request.wait); return;
  }
}

/// Without `environment` the instance keeps the one it has.
void ServiceManager::start(JobClass& job, JobInstance* existing, const std::string& name,
                           std::optional<Environment> environment, const WaitingRequest& request,
                           Wait wait) {
  if (existing != nullptr && existing->goal_ == Goal::Start) {
    reply_error(request.id, RequestErrorCode::AlreadyStarted,
                "Job is already running: " + existing->title());
    return;
  }
  auto& instance = existing != nullptr ? *existing : find_or_create(job, name);
  instance.start_environment_ = std::move(environment);
  release(instance, Release::Success);
  if (wait == Wait::Yes) instance.held_.emplace_back(request);
  change_goal(instance, Goal::Start);
  if (wait == Wait::No) accepted(instance, request);
}

void ServiceManager::stop(JobInstance& instance, Environment environment,
                          const WaitingRequest& request, Wait wait) {
  if (instance.goal_ == Goal::Stop) {
    reply_error(request.id, RequestErrorCode::AlreadyStopped,
                "Job has already been stopped: " + instance.title());
    return;
  }
  instance.stop_environment_ = std::move(environment);
  instance.restarting_ = false;
  release(instance, Release::Success);
  if (wait == Wait::Yes) instance.held_.emplace_back(request);
  change_goal(instance, Goal::Stop);
  if (wait == Wait::No) accepted(instance, request);
}

/// A stop and a start in one step. Where the original forgot the restart (before the job runs, or
/// while its pre-stop runs) it is remembered and carried out (2.9, Q6).
void ServiceManager::restart(JobInstance& instance, std::optional<Environment> environment,
                             const WaitingRequest& request, Wait wait) {
  if (instance.goal_ == Goal::Stop) {
    reply_error(request.id, RequestErrorCode::AlreadyStopped,
                "Job has already been stopped: " + instance.title());
    return;
  }
  instance.start_environment_ = std::move(environment);
  instance.stop_environment_.clear();
  release(instance, Release::Success);
  if (wait == Wait::Yes) instance.held_.emplace_back(request);
  change_goal(instance, Goal::Stop);
  instance.restarting_ = instance.state_ < State::Stopping;
  change_goal(instance, Goal::Start);
  if (wait == Wait::No) accepted(instance, request);
}

void ServiceManager::accepted(const JobInstance& instance, const WaitingRequest& request) {
  observer_.replied(request.id, RequestTarget{instance.job().name(), instance.name()});
}

void ServiceManager::accept(ReloadRequest&& request) {
  const auto* job = find_job(request.job);
  const auto* instance = job == nullptr ? nullptr : job->find_instance(request.instance);
  if (instance == nullptr) {
    reply_error(request.id, RequestErrorCode::UnknownInstance,
                "Unknown instance: " + request.instance);
    return;
  }
  const auto& main = instance->process(ProcessType::Main);
  if (main.pid == 0) {
    reply_error(request.id, RequestErrorCode::NotRunning,
                "Job is not running: " + instance->title());
    return;
  }
  platform_.signal(main.spawn, job->definition().reload_signal, SignalTarget::Process);
  observer_.replied(request.id, RequestTarget{request.job, request.instance});
}

void ServiceManager::reply_error(RequestId id, RequestErrorCode code, std::string message) {
  observer_.replied(id, std::unexpected(RequestError{code, std::move(message)}));
}

}  // namespace upkeep::core
