// What must hold between turns. The simulator and the property tests ask after every turn.
#include "core/blocker_graph.h"
#include "core/service_manager.h"

namespace upkeep::core {
namespace {

/// Whether a process in this role may be alive in this state (spec/runtime.md 1.4): only main
/// outlives the state it was started for.
bool may_run(ProcessType type, State state) {
  switch (type) {
    case ProcessType::Security:
    case ProcessType::Tmpfiles: return state == State::Security;
    case ProcessType::PreStart: return state == State::PreStart;
    case ProcessType::PostStart: return state == State::PostStart;
    case ProcessType::PreStop: return state == State::PreStop;
    case ProcessType::PostStop: return state == State::PostStop;
    case ProcessType::Main:
      return state == State::Spawned || state == State::PostStart || state == State::Running ||
             state == State::PreStop || state == State::Stopping || state == State::Killed;
  }
  return false;
}

/// No process outlives its state, and no instance rests where nothing will move it on.
Result<void> check_processes(const JobInstance& instance) {
  const auto state = instance.state();
  const bool main_holds = state == State::Spawned || state == State::Killed;
  bool held = state == State::Starting || state == State::Stopping || state == State::Running;
  for (const auto type : conf::kAllProcessTypes) {
    if (!instance.process(type).spawn) continue;
    if (!may_run(type, state)) {
      return failure(fmt::format("{}: its {} process is alive in state {}", instance.title(),
                                 conf::to_string(type), to_string(state)));
    }
    if (type != ProcessType::Main || main_holds) held = true;
  }
  if (held || instance.waits_for_process()) return {};
  return failure(
      fmt::format("{}: rests in {}, which waits for nothing", instance.title(), to_string(state)));
}

}  // namespace

Result<void> ServiceManager::check_invariants() const {
  std::map<const Event*, std::size_t> references;
  std::map<const JobInstance*, const Event*> blocked;
  std::size_t processes = 0;
  bool knot_is_possible = false;  // somebody is waited for, and waits

  const auto count_operator = [&](const EventOperator& condition) {
    for (const auto* event : condition.held()) ++references[event];
  };
  for (const auto& [key, job] : jobs_) {
    const auto& job_name = key.name;
    count_operator(job->start_on_);
    if (job->start_on_.value())
      return failure(job_name + ": start on is true but was not acted on");
    if (job->successor_ && job->instances_.empty()) {
      return failure(job_name + ": a newer definition waits although no instance exists");
    }
    for (const auto& [name, instance] : job->instances_) {
      const auto title = instance->title();
      count_operator(instance->stop_on_);
      if (instance->blocker_ != nullptr && !instance->stop_on_.held().empty()) {
        knot_is_possible = true;
      }
      if (instance->state_ == State::Waiting) return failure(title + ": rests in waiting");
      for (const auto& blocker : instance->held_) {
        if (const auto* const* event = std::get_if<Event*>(&blocker)) {
          ++references[*event];
          if (*event == instance->blocker_) return failure(title + ": holds its own blocker (Q16)");
          if (instance->blocker_ != nullptr && !(*event)->waiters_.empty()) knot_is_possible = true;
        }
      }
      const bool waits_for_event =
          instance->state_ == State::Starting || instance->state_ == State::Stopping;
      if (waits_for_event != (instance->blocker_ != nullptr)) {
        return failure(
            fmt::format("{}: state {} and blocker do not fit", title, to_string(instance->state_)));
      }
      if (instance->blocker_ != nullptr) blocked[instance.get()] = instance->blocker_;
      const auto& main = instance->process(ProcessType::Main);
      const bool ends_main = instance->state_ == State::Killed || instance->watch_;
      if (instance->kill_timer_ && !instance->tree_is_ending_ && !(main.spawn && ends_main)) {
        return failure(title + ": kill timer armed with nothing to end");
      }
      const bool may_end_tree =
          instance->state_ == State::Killed || instance->state_ == State::PostStop;
      if (instance->tree_is_ending_ && !may_end_tree) {
        return failure(fmt::format("{}: its tree is being ended in state {}", title,
                                   to_string(instance->state_)));
      }
      if (instance->watch_ && !main.spawn) {
        return failure(title + ": something is expected of a process that is not there");
      }
      if (instance->state_ == State::Running && instance->goal_ != Goal::Start) {
        return failure(title + ": rests in running with another goal than start");
      }
      if (instance->state_ == State::Running && job->definition().process(ProcessType::Main) &&
          !main.spawn) {
        return failure(title + ": running without its main process (Q1, Q7)");
      }
      if (auto sound = check_processes(*instance); !sound) return sound;
      for (const auto type : conf::kAllProcessTypes) {
        const auto id = instance->process(type).spawn;
        if (!id) continue;
        ++processes;
        const auto found = spawned_.find(id);
        if (found == spawned_.end() || found->second.instance != instance.get() ||
            found->second.type != type) {
          return failure(title + ": its process is not in the table of processes");
        }
      }
    }
  }
  if (processes != spawned_.size()) return failure("the table of processes has strangers in it");

  for (const auto& [sequence, event] : events_) {
    if (event->blockers_ != references[event.get()]) {
      return failure(fmt::format("event {}: {} blockers counted, {} references held", event->name(),
                                 event->blockers_, references[event.get()]));
    }
    if (event->blockers_ == 0 && !attention_.contains(sequence)) {
      return failure(fmt::format("event {}: nothing holds it, nobody finishes it", event->name()));
    }
    for (const auto& waiter : event->waiters_) {
      const auto* const* instance = std::get_if<JobInstance*>(&waiter);
      if (instance == nullptr) continue;
      const auto found = blocked.find(*instance);
      if (found == blocked.end() || found->second != event.get()) {
        return failure(
            fmt::format("event {}: an instance waits that is not blocked by it", event->name()));
      }
      blocked.erase(found);
    }
  }
  if (!blocked.empty()) {
    return failure(blocked.begin()->first->title() + ": blocked by an event that will not wake it");
  }
  if (!knot_is_possible) return {};
  const auto cycle = BlockerGraph(*this).find_cycle();
  if (!cycle.empty()) {
    return failure(fmt::format("{} waits for {}, which waits for it", describe(cycle.back()),
                               describe(cycle.front())));
  }
  return {};
}

}  // namespace upkeep::core
