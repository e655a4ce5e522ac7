// Processes of an instance: starting them, and what their end means (spec/runtime.md 2.3 to 2.6,
// 4.5, 4.6).
#include <algorithm>
#include <csignal>

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

bool is_normal_exit(const conf::JobDefinition& definition, const ProcessEnd& end) {
  const auto& listed = definition.normal_exit;
  return std::ranges::find(listed, end.encoded()) != listed.end();
}

}  // namespace

/// Starts the process in this role if the job defines one. The result comes as a SpawnResult.
void ServiceManager::start_process(JobInstance& instance, ProcessType type) {
  if (!instance.job().definition().process(type)) return;
  // Profiles are loaded where AppArmor is at work; elsewhere the stanza does nothing (4.11).
  if (type == ProcessType::Security && !options_.apparmor_usable) return;
  instance.slot(type) = {};
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
  platform_.spawn({.id = slot.spawn,
                   .definition = job.shared_definition(),
                   .type = type,
                   .session = job.session(),
                   .instance = instance.name(),
                   .environment = std::move(environment),
                   .trace = type == ProcessType::Main &&
                            (expect == conf::Expect::Fork || expect == conf::Expect::Daemon),
                   .files = instance.files_});
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
    const bool leaving = instance->goal_ == Goal::Stop || instance->restarting_;
    if (error.temporary && leaving && is_called_off_by_stop(type)) {
      forget_process(*instance, type);
      if (!instance->waits_for_process()) advance(*instance);
      return;
    }
    if (error.temporary && retry_later(*instance, type)) return;
    forget_process(*instance, type);
    spawn_failed(*instance, type, result.outcome.error());
    return;
  }
  instance->slot(type).pid = *result.outcome;
  log(Priority::Info, "{} {} process ({}) started", instance->title(), conf::to_string(type),
      *result.outcome);
  const auto trouble = std::exchange(instance->slot(type).trouble, nullptr);
  if (type == ProcessType::Main && instance->state_ == State::Spawned) {
    const bool ready = instance->job().definition().expect == conf::Expect::None;
    if (ready || instance->goal_ == Goal::Stop || instance->restarting_) advance(*instance);
  }
  if (!trouble) return;
  for (const auto& change : trouble->early) accept(change);
}

void ServiceManager::accept(const ProcessChange& change) {
  const auto found = spawned_.find(change.id);
  if (found == spawned_.end()) return;
  const auto [instance, type] = found->second;
  const bool main = type == ProcessType::Main;
  if (auto& slot = instance->slot(type); slot.pid == 0) {  // first the result of the spawn (Q2)
    auto& early = trouble_of(slot).early;
    if (early.size() < kMostEarly) early.push_back(change);
    return;
  }

  if (const auto* stopped = std::get_if<Stopped>(&change.what)) {
    if (main) main_stopped(*instance, stopped->signal);
  } else if (const auto* forked = std::get_if<Forked>(&change.what)) {
    if (main) main_forked(*instance, forked->child);
  } else if (std::get_if<Executed>(&change.what) != nullptr) {
    if (main) main_executed(*instance);
  } else {
    ProcessEnd end;
    if (const auto* exited = std::get_if<Exited>(&change.what)) end.exit_status = exited->status;
    if (const auto* killed = std::get_if<Signalled>(&change.what)) end.exit_signal = killed->signal;
    process_ended(*instance, type, end);
  }
}

void ServiceManager::process_ended(JobInstance& instance, ProcessType type, const ProcessEnd& end) {
  const auto slot = std::exchange(instance.slot(type), ProcessSlot{});
  spawned_.erase(slot.spawn);
  platform_.collect_log(slot.spawn);
  log_end(instance, type, slot.pid, end);

  switch (type) {
    case ProcessType::Main:
      disarm_kill_timer(instance);
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
  if (!instance.waits_for_process()) advance(instance);
}

void ServiceManager::main_ended(JobInstance& instance, const ProcessEnd& end) {
  if (instance.state_ == State::Stopping) return;  // the event `stopping` is still in progress
  if (instance.state_ == State::Killed) {
    advance(instance);
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

void ServiceManager::main_stopped(JobInstance& instance, int signal) {
  const bool waiting = instance.state_ == State::Spawned;
  // It was told to stop before it was ready; stopped it would not act on that.
  const bool leaving = instance.state_ == State::Stopping || instance.state_ == State::Killed;
  if (!(waiting || leaving) || signal != SIGSTOP ||
      instance.job().definition().expect != conf::Expect::Stop) {
    return;  // somebody stopped it by hand: it is theirs to continue
  }
  platform_.resume(instance.process(ProcessType::Main).spawn, Resume::Continue);
  if (waiting) advance(instance);
}

void ServiceManager::main_forked(JobInstance& instance, pid_t child) {
  auto& main = instance.slot(ProcessType::Main);
  main.pid = child;
  ++main.forks;
  const bool waiting = instance.state_ == State::Spawned;
  const bool followed = main.forks > 1 || instance.job().definition().expect == conf::Expect::Fork;
  platform_.resume(main.spawn, followed || !waiting ? Resume::Detach : Resume::Continue);
  if (followed && waiting) advance(instance);
}

void ServiceManager::main_executed(JobInstance& instance) {
  const auto& main = instance.process(ProcessType::Main);
  const bool waiting = instance.state_ == State::Spawned;
  const bool followed = main.forks > 0;  // before the first fork a script may exec the daemon
  platform_.resume(main.spawn, followed || !waiting ? Resume::Detach : Resume::Continue);
  if (followed && waiting) advance(instance);
}

void ServiceManager::spawn_failed(JobInstance& instance, ProcessType type,
                                  const SpawnFailure& failure) {
  log(Priority::Warning, "{} {} process could not be started: {}", instance.title(),
      conf::to_string(type), failure.description);
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

void ServiceManager::disarm_kill_timer(JobInstance& instance) {
  if (const auto key = std::exchange(instance.kill_timer_, std::nullopt)) timers_.cancel(*key);
}

void ServiceManager::kill_timer_fired(JobInstance& instance) {
  instance.kill_timer_.reset();
  blame(instance, Cause::KillTimeout{instance.title()});
  const auto& main = instance.process(ProcessType::Main);
  const auto& definition = instance.job().definition();
  log(Priority::Warning, "{} main process ({}) still runs {} s after signal {}, sending KILL",
      instance.title(), main.pid, definition.kill_timeout_seconds,
      signal_name(definition.kill_signal));
  platform_.signal(main.spawn, SIGKILL, SignalTarget::Group);
}

}  // namespace upkeep::core
