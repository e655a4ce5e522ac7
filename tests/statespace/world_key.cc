// Telling worlds apart.
#include <algorithm>

#include "statespace/world.h"
#include <fmt/format.h>

#include "core/event.h"
#include "core/job_class.h"

namespace upkeep::statespace {

using core::JobInstance;
using core::ServiceManager;
using core::TimePoint;
using std::chrono::milliseconds;

// Why this is everything the future depends on. What the manager does is a function of its members
// and of the next input. Member by member:
// - Jobs and their definitions are named by which of the two they are; a definition says the rest:
//   the listeners, the conditions' expressions, signals and limits.
// - Instances: all members but the environments and the record of the failure. Conditions take no
//   arguments from the environment and the instance has no name to expand, so that environments go
//   into what processes and events are given and come back nowhere. Of a failure only whether
//   there is one decides anything. The name and pids decide nothing.
// - Events: in order, by progress, waiters and whether failed. Blockers are counted from the
//   references that the invariants compare them with; sequence numbers matter by their order only,
//   which is why holders name an event by its rank. Between turns no event asks for attention
//   (check_deadlines()), and so the walk begins anew. Every event has been dispatched; after that
//   its name matters only if a half condition hands it over to the next definition.
// - Processes: by their role (the manager's table and the instance's slots agree, an invariant);
//   whether set up, and forks where they are counted. SpawnIds are used for no order. What is
//   expected of main follows from the definition, whether it was ready, may still stop itself
//   or has had its respite are told, and its timers are deadlines; that `expect auto` follows a
//   program into the background for 90 s only is out of reach, for nothing here takes so long while
//   such a main is alive. There is no watchdog.
// - The tree that is being ended: the manager's knowledge of it is the world's (check_processes()).
// - Deadlines in their order, relative to now; the state tells what each is for. Now is always a
//   whole second, as the respawn window counts; one that has closed or never opened is as good as
//   none.
// - The world's own: what each process is and was sent, and which requests are open. Those wait in
//   the lists above (check_requests()). Their verb is left out, for only the words of a reply
//   depend on it.
std::string World::key(Omission omit) const {
  std::string key;
  const auto add = [&](Omission label, auto value) {
    if (label == omit) return;
    key += label;
    key += '=';
    if constexpr (std::is_convertible_v<decltype(value), std::string_view>) {
      key += value;
    } else {
      key += std::to_string(static_cast<std::int64_t>(value));
    }
    key += ' ';
  };
  const auto relative = [&](TimePoint time) { return (time - now_) / milliseconds(1); };
  std::map<const core::Event*, int> ranks{{nullptr, 0}};
  for (const auto& [sequence, event] : manager_.events()) {
    const auto rank = static_cast<int>(ranks.size());
    ranks.emplace(event.get(), rank);
  }
  const auto definition = [&](const conf::JobDefinition* one) {
    return one == nullptr                   ? 0
           : one == definition_.get()       ? 1
           : one == other_definition_.get() ? 2
                                            : 3;
  };
  const auto add_condition = [&](const core::EventOperator& condition) {
    for (const auto& leaf : condition.leaves()) {
      add("leaf", leaf.value);
      add("leaf-event", ranks.at(leaf.event));
    }
  };

  std::set<const core::Event*> handed_over;
  for (const auto& [name, job] : manager_.jobs()) {
    for (const auto* event : job->start_on().held()) handed_over.insert(event);
    add("job", definition(&job->definition()));
    if (job->successor()) add("successor", definition(job->successor()->get()));
    add_condition(job->start_on());
    for (const auto& [instance_name, one] : job->instances()) {
      add("goal", static_cast<int>(one->goal()));
      add("state", static_cast<int>(one->state()));
      add("restarting", one->restarting());
      add("failed", one->failure().has_value());
      add("blocker", ranks.at(one->blocker()));
      add_condition(one->stop_on());
      for (const auto& holder : one->held()) {
        if (const auto* const* event = std::get_if<core::Event*>(&holder)) {
          add("held-event", ranks.at(*event));
        } else {
          add("held-request", true);
        }
      }
      const auto& limiter = one->respawn_limiter();
      if (now_ - limiter.window_start() < kRespawnWindow) {
        add("window", relative(limiter.window_start()));
        add("respawns", limiter.count());
      }
      for (const auto type : conf::kAllProcessTypes) {
        const auto& slot = one->process(type);
        if (!slot.spawn) continue;
        add("process", static_cast<int>(type));
        add("set-up", slot.pid != 0);
        if (shape_.counts_forks()) add("forks", std::min(slot.forks, kMostForks));
      }
      if (const auto* watch = one->watch()) {
        add("ready", watch->ready);
        add("rested", watch->rested);
        add("reprieved", watch->reprieved);
      }
    }
  }
  for (const auto& [sequence, event] : manager_.events()) {
    add("event", handed_over.contains(event.get()) ? event->name() : "");
    add("progress", static_cast<int>(event->progress()));
    add("event-failed", event->failed());
    for (const auto& waiter : event->waiters()) {
      const auto* const* one = std::get_if<JobInstance*>(&waiter);
      add("waiter", one == nullptr ? "client" : (*one)->job().name());
    }
  }
  for (const auto& deadline : manager_.deadlines()) {
    add("deadline", relative(deadline.due));
    add("deadline-of", deadline.instance != nullptr);
  }
  if (const auto phase = manager_.session_phase(); phase != ServiceManager::SessionPhase::Up) {
    add("session", static_cast<int>(phase));
    add("session-deadline", relative(manager_.session_deadline()));
  }
  for (const auto& [id, one] : processes_) {
    add("alive", static_cast<int>(one.type));
    add("traced", one.traced);
    add("stopped", one.stopped);
    add("killed", one.killed);
    add("dying", one.dying);
    add("settles", one.may_settle);
    add("says-ready", one.may_say_ready);
  }
  if (ending_) add("tree-killed", ending_->killed);
  return key;
}

std::string World::describe() const {
  const auto* one = instance();
  if (one == nullptr) {
    return manager_.find_job("job") == nullptr ? "no such job" : "no instance";
  }
  auto text = fmt::format("{}/{}", to_string(one->goal()), to_string(one->state()));
  if (one->restarting()) text += ", restarting";
  for (const auto& [id, process] : processes_) {
    text += fmt::format(", {}{}", conf::to_string(process.type),
                        !process.confirmed ? " being set up"
                        : process.killed   ? " being killed"
                        : process.stopped  ? " stopped"
                                           : "");
  }
  if (const auto* guard = manager_.find_job("guard");
      guard != nullptr && !guard->instances().empty()) {
    text += ", guard";
  }
  if (ending_) text += ending_->killed ? ", tree being killed" : ", tree ending";
  if (!open_.empty()) text += fmt::format(", {} waiting", open_.size());
  return text;
}

}  // namespace upkeep::statespace
