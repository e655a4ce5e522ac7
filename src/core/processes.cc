// Processes of an instance: starting them, and what their end means (spec/runtime.md 2.3 to 2.6).
#include <algorithm>
#include <csignal>

#include "base/overloaded.h"
#include "base/signals.h"
#include "core/service_manager.h"

namespace upkeep::core {

namespace {

/// A machine that is out of processes or memory may recover: six minutes are waited for that.
constexpr int kSpawnTries = 20;
constexpr std::chrono::milliseconds kFirstRetry{100};
constexpr std::chrono::milliseconds kLongestRetry{30'000};

/// Changes of a process that are kept until its start has been reported.
constexpr std::size_t kMostEarly = 16;

SpawnTrouble& trouble_of(ProcessSlot& slot) {
  if (!slot.trouble) slot.trouble = std::make_unique<SpawnTrouble>();
  return *slot.trouble;
}

/// Whether this process has no purpose any more once the job is to stop.
bool is_called_off_by_stop(ProcessType type) {
  return type != ProcessType::PreStop && type != ProcessType::PostStop;
}

/// How a process has ended, if that is what is reported.
std::optional<ProcessEnd> ending(const ProcessChange& change) {
  const auto look = Overloaded{
      [](const Exited& one) { return std::optional(end_of(one)); },
      [](const Signalled& one) { return std::optional(end_of(one)); },
      [](const Vanished& one) { return std::optional(end_of(one)); },
      [](const auto& /*lives*/) { return std::optional<ProcessEnd>(); },
  };
  return std::visit(look, change.what);
}

bool is_normal_exit(const conf::JobDefinition& definition, const ProcessEnd& end) {
  const auto& listed = definition.normal_exit;
  return std::ranges::find(listed, end.encoded()) != listed.end();
}

}  // namespace

ProcessEnd end_of(const Death& death) {
  const auto tell = Overloaded{
      [](const Exited& one) { return ProcessEnd{.exit_status = one.status}; },
      [](const Signalled& one) { return ProcessEnd{.exit_signal = one.signal}; },
      [](const Vanished&) { return ProcessEnd{}; },
  };
  return std::visit(tell, death);
}

/// Starts the process in this role if the job defines one. The result comes as a SpawnResult.
void ServiceManager::start_process(JobInstance& instance, ProcessType type) {
  if (!instance.job().definition().process(type)) return;
  // Profiles are loaded where AppArmor is at work; elsewhere the stanza does nothing (4.11).
  if (type == ProcessType::Security && !options_.apparmor_usable) return;
  instance.slot(type) = {};
  if (type == ProcessType::Main) expect_main(instance);
  request_spawn(instance, type);
}

/// Each try has an id of its own.
void ServiceManager::request_spawn(JobInstance& instance, ProcessType type) {
  const auto& job = instance.job();
  auto environment = instance.environment_;
  if (type == ProcessType::PreStop || type == ProcessType::PostStop) {
    set_variables(environment, instance.stop_environment_);
  }
  set_variable(environment, "UPSTART_JOB=" + job.name());
  set_variable(environment, "UPSTART_INSTANCE=" + instance.name());
  if (!options_.session_address.empty()) {
    set_variable(environment, "UPSTART_SESSION=" + options_.session_address);
  }

  auto& slot = instance.slot(type);
  spawned_.erase(slot.spawn);
  slot.spawn = SpawnId{++last_spawn_};
  if (slot.trouble) slot.trouble->retry_timer.reset();
  spawned_[slot.spawn] = {&instance, type};
  const auto expect = job.definition().expect;
  SpawnRequest request{.id = slot.spawn,
                       .definition = job.shared_definition(),
                       .type = type,
                       .tree = instance.tree_,
                       .session = job.session(),
                       .instance = instance.name(),
                       .environment = std::move(environment),
                       .files = instance.files_};
  if (type == ProcessType::Main) {
    request.trace = expect == conf::Expect::Fork || expect == conf::Expect::Daemon;
    watch_for_rest(request);
  }
  platform_.spawn(std::move(request));
}

/// Arms the next try to make a child. False if there have been enough of them (Q5).
bool ServiceManager::retry_later(JobInstance& instance, ProcessType type) {
  auto& trouble = trouble_of(instance.slot(type));
  if (++trouble.tries >= kSpawnTries || session_phase_ != SessionPhase::Up) return false;
  const auto delay = std::min<std::chrono::milliseconds>(kFirstRetry * (1LL << (trouble.tries - 1)),
                                                         kLongestRetry);
  trouble.retry_timer = timers_.arm(now_ + delay, RetryTimer{&instance, type});
  log(Priority::Warning, "{} {} process: trying again in {} ms", instance.title(),
      conf::to_string(type), delay.count());
  return true;
}

/// Gives up on processes that could not be made so far: what they were for is over. True if that
/// leaves the present state nothing to wait for.
bool ServiceManager::abandon_retries(JobInstance& instance, Abandon which) {
  bool any = false;
  for (const auto type : conf::kAllProcessTypes) {
    if (!instance.process(type).is_to_be_tried_again()) continue;
    if (which == Abandon::OnStop && !is_called_off_by_stop(type)) continue;
    forget_process(instance, type);
    any = true;
  }
  return any && !instance.waits_for_process();
}

/// A process that does not exist, and will not.
void ServiceManager::forget_process(JobInstance& instance, ProcessType type) {
  auto& slot = instance.slot(type);
  if (slot.is_to_be_tried_again()) timers_.cancel(*slot.trouble->retry_timer);
  spawned_.erase(slot.spawn);
  slot = {};
  if (type == ProcessType::Main) forget_expectations(instance);
}

void ServiceManager::accept(SpawnResult&& result) {
  const auto found = spawned_.find(result.id);
  if (found == spawned_.end()) return;
  const auto [instance, type] = found->second;
  // A second result of one try: its timer would outlive the instance.
  if (const auto& slot = instance->slot(type); slot.pid != 0 || slot.is_to_be_tried_again()) {
    return;
  }
  if (!result.outcome) {
    platform_.collect_log(result.id);
    const auto& error = result.outcome.error();
    const bool leaving = instance->goal_ == Goal::Stop || instance->restarting_ ||
                         (type == ProcessType::Main && instance->state_ >= State::Stopping);
    if (error.temporary && leaving && is_called_off_by_stop(type)) {
      forget_process(*instance, type);
      nothing_to_wait_for(*instance);
      return;
    }
    if (error.temporary && retry_later(*instance, type)) return;
    forget_process(*instance, type);
    spawn_failed(*instance, type, result.outcome.error());
    return;
  }
  instance->slot(type).pid = *result.outcome;
  if (type == ProcessType::Main && instance->watch_) instance->watch_->executed = now_;
  log(Priority::Info, "{} {} process ({}) started", instance->title(), conf::to_string(type),
      *result.outcome);
  const auto trouble = std::exchange(instance->slot(type).trouble, nullptr);
  if (type == ProcessType::Main && instance->state_ == State::Spawned) {
    const bool ready = instance->job().definition().expect == conf::Expect::None;
    if (ready) {
      main_is_ready(*instance);
    } else if (instance->goal_ == Goal::Stop || instance->restarting_) {
      advance(*instance);
    }
  }
  if (!trouble) return;
  for (const auto& change : trouble->early) accept(change);
}

void ServiceManager::accept(const ProcessChange& change) {
  const auto found = spawned_.find(change.id);
  if (found == spawned_.end()) return;
  const auto [instance, type] = found->second;
  if (auto& slot = instance->slot(type); slot.pid == 0) {  // first the result of the spawn (Q2)
    auto& early = trouble_of(slot).early;
    if (early.size() < kMostEarly || ending(change)) early.push_back(change);
    return;
  }

  if (const auto end = ending(change)) {
    process_ended(*instance, type, *end);
  } else if (type == ProcessType::Main) {
    main_changed(*instance, change);
  }
}

/// What main does and says while it lives.
void ServiceManager::main_changed(JobInstance& instance, const ProcessChange& change) {
  const auto act = Overloaded{
      [&](const Stopped& one) { main_stopped(instance, one.signal); },
      [&](const Forked& one) { main_forked(instance, one.child); },
      [&](const Executed&) { main_executed(instance); },
      [&](const Orphaned& one) { main_orphaned(instance, one); },
      [&](const Ready&) { main_told_ready(instance); },
      [&](const Settled&) { main_settled(instance); },
      [&](const Replaced& one) { main_replaced(instance, one.pid); },
      [&](const StatusText& one) { main_told_status(instance, one.text); },
      [&](const Announced& one) { main_announced(instance, one.what); },
      [&](const KeepAlive&) { main_is_alive(instance); },
      [&](const WatchdogInterval& one) { set_watchdog(instance, one.interval); },
      [&](const WatchdogTrigger&) { watchdog_fired(instance); },
      [&](const MoreTime& one) { main_wants_time(instance, one.time); },
      [](const auto& /*end*/) {},
  };
  std::visit(act, change.what);
}

void ServiceManager::process_ended(JobInstance& instance, ProcessType type, const ProcessEnd& end) {
  const auto slot = std::exchange(instance.slot(type), ProcessSlot{});
  spawned_.erase(slot.spawn);
  platform_.collect_log(slot.spawn);
  log_end(instance, type, slot.pid, end);

  switch (type) {
    case ProcessType::Main:
      if (!instance.tree_is_ending_) disarm_kill_timer(instance);
      forget_expectations(instance);
      main_ended(instance, end);
      return;
    case ProcessType::PreStart:
    case ProcessType::PostStop:
    case ProcessType::Tmpfiles:
      if (!end.clean()) {
        blame(instance, Cause::ProcessEnded{instance.title(), type, end, Cause::Verdict::Failed});
        fail(instance, {type, end.exit_status, end.exit_signal});
        set_goal(instance, Goal::Stop);
      }
      break;
    case ProcessType::PostStart:
    case ProcessType::PreStop:
    case ProcessType::Security: break;  // their status does not matter
  }
  const bool last = type == ProcessType::PostStop;
  if (last && instance.job().definition().kill_mode == conf::KillMode::Tree) {
    end_tree(instance);  // what it has left in the background
  }
  if (!instance.waits_for_process()) advance(instance);
}

/// Main is no more; moves on if that is what the state waits for.
void ServiceManager::nothing_to_wait_for(JobInstance& instance) {
  if (instance.state_ == State::Stopping) return;  // the event `stopping` is still in progress
  if (!instance.waits_for_process()) {
    disarm_kill_timer(instance);
    advance(instance);
  }
}

void ServiceManager::main_ended(JobInstance& instance, const ProcessEnd& end) {
  if (instance.state_ == State::Stopping || instance.state_ == State::Killed) {
    nothing_to_wait_for(instance);
    return;
  }
  // A post-start or pre-stop process is waited for before the state moves on.
  bool stays = instance.waits_for_process();
  if (stays && abandon_retries(instance, Abandon::Everything)) stays = false;
  const auto& limit = instance.job().definition().respawn_limit;
  const auto verdict = judge_main_end(instance, end);
  if (verdict) {
    blame(instance, Cause::ProcessEnded{instance.title(), ProcessType::Main, end, *verdict});
    switch (*verdict) {
      case Cause::Verdict::Finished: break;
      case Cause::Verdict::Respawned:
        log(Priority::Message, "{} main process ended, respawning", instance.title());
        if (stays) set_goal(instance, Goal::Respawn);
        break;
      case Cause::Verdict::RespawnLimit:
        log(Priority::Warning, "{} gave up: respawned {} times within {} seconds, job stopped",
            instance.title(), limit->count, limit->interval_seconds);
        fail(instance, {});
        break;
      case Cause::Verdict::Failed:
        fail(instance, {ProcessType::Main, end.exit_status, end.exit_signal});
        break;
    }
    if (verdict != Cause::Verdict::Respawned) set_goal(instance, Goal::Stop);
  }
  if (!stays) advance(instance);
}

/// What the end of main means (2.3); nothing if it was on its way to stop anyway.
std::optional<Cause::Verdict> ServiceManager::judge_main_end(JobInstance& instance,
                                                             const ProcessEnd& end) {
  if (instance.goal_ != Goal::Start || instance.restarting_) return std::nullopt;

  const auto& definition = instance.job().definition();
  const bool must_stay = definition.respawn && !definition.task;
  const bool abnormal = (!end.clean() || must_stay) && !is_normal_exit(definition, end);
  if (!abnormal) return Cause::Verdict::Finished;
  if (!definition.respawn || session_phase_ != SessionPhase::Up) return Cause::Verdict::Failed;
  return instance.respawn_limiter_.allow(now_, definition.respawn_limit)
             ? Cause::Verdict::Respawned
             : Cause::Verdict::RespawnLimit;
}

void ServiceManager::spawn_failed(JobInstance& instance, ProcessType type,
                                  const SpawnFailure& failure) {
  log(Priority::Warning, "{} {} process could not be started: {}", instance.title(),
      conf::to_string(type), failure.description);
  if (type == ProcessType::Main && instance.state_ >= State::Stopping) {
    nothing_to_wait_for(instance);  // it was to end anyway
    return;
  }
  if (type != ProcessType::PostStart && type != ProcessType::PreStop) {
    blame(instance, Cause::SpawnFailed{instance.title(), type, failure.description});
    fail(instance, {type, std::nullopt, std::nullopt});
    set_goal(instance, Goal::Stop);
  }
  if (!instance.waits_for_process()) advance(instance);
}

/// The instance is now as it is because of this, which followed from what was so far.
void ServiceManager::blame(JobInstance& instance, Cause::What what) {
  instance.cause_ = Cause::create(std::move(what), now_, instance.cause_);
}

void ServiceManager::log_end(const JobInstance& instance, ProcessType type, pid_t pid,
                             const ProcessEnd& end) {
  const auto& definition = instance.job().definition();
  // The signal that a stop sends is no news.
  const bool asked_for = type == ProcessType::Main && instance.state_ == State::Killed &&
                         end.exit_signal == definition.kill_signal;
  const auto priority = end.clean() || is_normal_exit(definition, end) || asked_for
                            ? Priority::Info
                            : Priority::Warning;
  if (end.exit_status) {
    log(priority, "{} {} process ({}) exited with status {}", instance.title(),
        conf::to_string(type), pid, *end.exit_status);
  } else if (end.exit_signal) {
    log(priority, "{} {} process ({}) killed by signal {}", instance.title(), conf::to_string(type),
        pid, signal_name(*end.exit_signal));
  } else {
    log(priority, "{} {} process ({}) has vanished, its exit status is unknown", instance.title(),
        conf::to_string(type), pid);
  }
}

}  // namespace upkeep::core
