// The end of a session: stop everything, in order, in bounded time (spec/runtime.md 6.7).
#include <algorithm>

#include "core/service_manager.h"

namespace upkeep::core {
namespace {

using std::chrono::seconds;

/// How long jobs that start on `session-end` may take before all is stopped.
constexpr seconds kWaitPhase{5};
constexpr seconds kShortestKillPhase{5};
constexpr seconds kCheckInterval{1};

}  // namespace

void ServiceManager::accept(EndSession&& input) {
  if (session_phase_ != SessionPhase::Up) return;  // already on the way
  const bool logout = input.type == EndSession::Type::Logout;
  session_cause_ = Cause::create(Cause::SessionEnded{input.requester.caller}, now_);
  auto& event =
      queue_event("session-end", {logout ? "TYPE=logout" : "TYPE=shutdown"}, {}, session_cause_);
  const bool awaited = std::ranges::any_of(
      jobs_, [&](const auto& entry) { return entry.second->start_on_.any_leaf_matches(event); });

  if (logout && awaited) {
    session_phase_ = SessionPhase::Waiting;
    session_deadline_ = now_ + kWaitPhase;
    stop_everything();
  } else {
    start_killing();
  }
  timers_.arm(now_ + kCheckInterval, SessionTimer{});
}

void ServiceManager::stop_everything() {
  std::vector<JobInstance*> instances;
  for (const auto& [name, job] : jobs_) {
    for (const auto& [key, instance] : job->instances_) instances.push_back(instance.get());
  }
  for (auto* instance : instances) {
    instance->restarting_ = false;
    if (instance->goal_ != Goal::Stop) instance->cause_ = session_cause_;
    change_goal(*instance, Goal::Stop);
    // Nothing is tried again now: what was not there to be waited for is not waited for.
    if (abandon_retries(*instance, Abandon::Everything)) advance(*instance);
  }
}

void ServiceManager::start_killing() {
  seconds limit = kShortestKillPhase;
  for (const auto& [name, job] : jobs_) {
    if (job->instances_.empty()) continue;
    limit = std::max(limit, seconds(job->definition().kill_timeout_seconds));
  }
  session_phase_ = SessionPhase::Killing;
  // One check more than the limit, so that the last KILL is still seen to work.
  session_deadline_ = now_ + std::min(limit, seconds(24 * 3600)) + kCheckInterval;
  stop_everything();
}

void ServiceManager::session_timer_fired() {
  if (session_phase_ == SessionPhase::Over) return;
  const bool all_ended = !any_process();
  const bool too_late = now_ >= session_deadline_;
  if (all_ended || too_late) {
    if (session_phase_ == SessionPhase::Killing) {
      end_session();
      return;
    }
    start_killing();
  }
  timers_.arm(now_ + kCheckInterval, SessionTimer{});
}

/// Called at the end of every turn: with nothing left there is nothing to wait for.
void ServiceManager::check_session() {
  const bool ending =
      session_phase_ == SessionPhase::Waiting || session_phase_ == SessionPhase::Killing;
  if (ending && attention_.empty() && instances_ == 0) end_session();
}

void ServiceManager::end_session() {
  session_phase_ = SessionPhase::Over;
  const std::map<SpawnId, SpawnedProcess> left(spawned_.begin(), spawned_.end());
  for (const auto& [id, process] : left) {
    log(Priority::Warning, "{} {} process ({}) outlives the session", process.instance->title(),
        conf::to_string(process.type), process.instance->pid(process.type));
  }
  observer_.session_ended();
}

bool ServiceManager::any_process() const {
  return !spawned_.empty() || !ending_trees_.empty();
}

}  // namespace upkeep::core
