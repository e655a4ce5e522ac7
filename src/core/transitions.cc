// Goals and states of an instance: what a new goal sets in motion, and what happens on entering
// each state (spec/runtime.md 2.1, 2.2). Which state comes next is state_machine.h.
#include <cassert>

#include "core/service_manager.h"

namespace upkeep::core {

void ServiceManager::set_goal(JobInstance& instance, Goal goal) {
  if (instance.goal_ == goal) return;
  log(Priority::Info, "{} goal changed from {} to {}", instance.title(), to_string(instance.goal_),
      to_string(goal));
  instance.goal_ = goal;
  observer_.goal_changed(instance);
}

/// Sets the goal and moves an instance that is at rest. Any other looks at its goal when its
/// present state has nothing left to wait for.
void ServiceManager::change_goal(JobInstance& instance, Goal goal) {
  if (instance.goal_ == goal) return;
  set_goal(instance, goal);

  const bool gave_up = goal == Goal::Stop && abandon_retries(instance);
  const bool at_rest = (goal == Goal::Start && instance.state_ == State::Waiting) ||
                       (goal == Goal::Stop && instance.state_ == State::Running);
  // A program that never tells that it is ready must not make stop wait for ever (Q13).
  const auto& main = instance.process(ProcessType::Main);
  const bool never_ready = goal == Goal::Stop && instance.state_ == State::Spawned && main.spawn &&
                           !main.is_to_be_tried_again();
  if (at_rest || gave_up || never_ready) advance(instance);
}

/// Takes next states until there is something to wait for.
void ServiceManager::advance(JobInstance& instance) {
  State from{};
  do {
    assert(instance.blocker_ == nullptr);
    from = instance.state_;
    const auto next = next_state(from, instance.goal_, facts(instance));
    if (instance.goal_ == Goal::Respawn) set_goal(instance, Goal::Start);
    log(Priority::Info, "{} state changed from {} to {}", instance.title(), to_string(from),
        to_string(next));
    instance.state_ = next;
    if (next > State::Spawned) disarm_expect_timer(instance);
    observer_.state_changed(instance, from);
  } while (enter(instance, from));
}

Facts ServiceManager::facts(const JobInstance& instance) {
  Facts facts{.restarting = instance.restarting_};
  if (instance.job().definition().process(ProcessType::Main)) {
    const bool alive = static_cast<bool>(instance.process(ProcessType::Main).spawn);
    facts.main = alive ? Facts::Main::Alive : Facts::Main::Dead;
  }
  return facts;
}

/// Performs what belongs to the state just entered. True if it is left again at once.
bool ServiceManager::enter(JobInstance& instance, State from) {
  switch (instance.state_) {
    case State::Waiting: enter_waiting(instance); return false;
    case State::Starting: enter_starting(instance); return false;
    case State::SecuritySpawning:
      start_process(instance, ProcessType::Security);
      start_process(instance, ProcessType::Tmpfiles);  // not Upstart's; beside Security
      return true;
    case State::PreStarting: start_process(instance, ProcessType::PreStart); return true;
    case State::Spawning: start_process(instance, ProcessType::Main); return true;
    case State::PostStarting: start_process(instance, ProcessType::PostStart); return true;
    case State::Running: enter_running(instance, from); return false;
    case State::PreStopping: start_process(instance, ProcessType::PreStop); return true;
    case State::Stopping:
      instance.restarting_ = false;  // the full cycle has begun
      queue_job_event(instance, "stopping", true);
      return false;
    case State::Killed: return enter_killed(instance);
    case State::PostStopping: start_process(instance, ProcessType::PostStop); return true;
    case State::Security:
    case State::PreStart:
    case State::Spawned:
    case State::PostStart:
    case State::PreStop:
    case State::PostStop: return !instance.waits_for_process();
  }
  return false;
}

void ServiceManager::enter_starting(JobInstance& instance) {
  if (instance.start_environment_) {
    instance.environment_ = *std::exchange(instance.start_environment_, std::nullopt);
    instance.files_ = std::exchange(instance.start_files_, {});
  }
  instance.stop_environment_.clear();
  instance.failure_.reset();
  queue_job_event(instance, "starting", true);
}

void ServiceManager::enter_running(JobInstance& instance, State from) {
  if (from == State::PreStop) {  // the stop was cancelled
    instance.stop_environment_.clear();
    release(instance, Release::Success);
    return;
  }
  queue_job_event(instance, "started", false);
  if (!instance.job().definition().task) release(instance, Release::Success);
}

void ServiceManager::enter_waiting(JobInstance& instance) {
  queue_job_event(instance, "stopped", false);
  release(instance, Release::Success);
  destroy(instance);
}

/// The first failure since `starting` is the one that is told of; but who has come to wait since
/// then has been failed too (a start during the stop that followed).
void ServiceManager::fail(JobInstance& instance, Failure failure) {
  if (instance.failure_) {
    release(instance, Release::Failure);
    return;
  }
  int status = -1;  // the process could not be started
  if (failure.exit_status) status = *failure.exit_status;
  if (failure.exit_signal) status = *failure.exit_signal << 8;
  if (!failure.process) status = 0;  // the respawn limit: as the original reports it
  instance.failure_ = failure;
  observer_.failed(instance, status);
  release(instance, Release::Failure);
}

/// Lets go of everybody who waits for the instance to settle (spec/runtime.md 2.8).
void ServiceManager::release(JobInstance& instance, Release outcome) {
  for (const auto& blocker : std::exchange(instance.held_, {})) {
    if (auto* const* event = std::get_if<Event*>(&blocker)) {
      if (outcome == Release::Failure) (*event)->failed_ = true;
      --(*event)->blockers_;
      unhold(**event);
      continue;
    }
    const auto& request = std::get<WaitingRequest>(blocker);
    if (outcome == Release::Success) {
      reply(request.id, RequestTarget{instance.job().key(), instance.name()});
      continue;
    }
    constexpr std::array<std::string_view, 3> kMessages{
        "Job failed to start", "Job failed while stopping", "Job failed to restart"};
    reply_error(request.id, RequestErrorCode::JobFailed,
                std::string(kMessages[static_cast<std::size_t>(request.verb)]));
  }
}

}  // namespace upkeep::core
