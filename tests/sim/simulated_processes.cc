// Simulated processes: what they do, and what the manager does with them.
#include <algorithm>
#include <csignal>

#include "sim/simulation.h"
#include "sim/words.h"
#include <fmt/format.h>

#include "base/signals.h"

namespace upkeep::sim {

using core::ProcessChange;
using core::ProcessType;
using core::SpawnId;

namespace {

constexpr pid_t kFirstPid = 101;

/// Whether one instance may start the second process while the first is alive: main goes on
/// beside post-start and pre-stop, and what prepares the system runs side by side
/// (spec/runtime.md 1.4).
bool may_overlap(ProcessType first, ProcessType second) {
  if (first == second) return false;
  if (conf::serves_the_manager(first)) return conf::serves_the_manager(second);
  return first == ProcessType::Main &&
         (second == ProcessType::PostStart || second == ProcessType::PreStop);
}

}  // namespace

/// With what makes its environment different from that of every process; `-NAME` is missing.
std::string Simulation::describe_spawn(const core::SpawnRequest& request) const {
  const auto& job = request.definition->name;
  auto usual = base_environment_;
  usual.push_back(fmt::format("UPSTART_JOB={}", job));
  usual.push_back(fmt::format("UPSTART_INSTANCE={}", request.instance));
  auto line =
      fmt::format("spawn {} {}", title(job, request.instance), conf::to_string(request.type));
  for (const auto& variable : request.environment) {
    const bool news = std::ranges::find(usual, variable) == usual.end();
    if (news) line += fmt::format(" {}", quote(variable));
  }
  for (const auto& variable : usual) {
    const auto name = variable_name(variable);
    if (!find_variable(request.environment, name)) line += fmt::format(" -{}", name);
  }
  return line;
}

namespace {

/// How a program ends by itself.
ProcessChange end_of(SpawnId id, const Program& program) {
  if (program.dies_by != 0) return {id, core::Signalled{program.dies_by}};
  return {id, core::Exited{program.status}};
}

}  // namespace

std::string Simulation::owner_of(const core::SpawnRequest& request) {
  return fmt::format("{}\n{}\n{}", request.session, request.definition->name, request.instance);
}

void Simulation::spawn(core::SpawnRequest request) {
  const auto id = request.id;
  const auto* instance = manager_.find_instance(
      {core::JobKey(request.session, request.definition->name), request.instance});
  // Others may be tried again beside a process that has failed meanwhile.
  const bool prepares = request.type == ProcessType::Main || request.type == ProcessType::PreStart;
  if (instance != nullptr && instance->goal() == core::Goal::Stop && prepares) {
    report(fmt::format("{} of {} is started although it is to stop", conf::to_string(request.type),
                       request.definition->name));
  }
  auto& siblings = siblings_[owner_of(request)];
  for (const auto& [other, type] : siblings) {
    if (!may_overlap(type, request.type)) {
      report(fmt::format("{} of {} is started while its {} is alive", conf::to_string(request.type),
                         request.definition->name, conf::to_string(type)));
    }
  }
  if (traced_) {
    note(describe_spawn(request));
    spawns_.push_back(request);
  }
  auto chosen = program(request);
  const auto delay = chosen.set_up;
  if (chosen.spawn_error) {
    auto description = system_error_text(*chosen.spawn_error);
    if (!chosen.spawn_step.empty()) {
      description = fmt::format("{}: {}", chosen.spawn_step, description);
    }
    core::SpawnFailure failure{.error = *chosen.spawn_error,
                               .description = std::move(description),
                               .temporary = chosen.temporary};
    failing_.insert(id);
    schedule(delay, {core::SpawnResult{id, std::unexpected(std::move(failure))}, {}, false});
    return;
  }
  Process process{.request = std::move(request), .program = chosen, .term_at = {}};
  if (process.request.trace) {
    process.forks_left = chosen.forks;
    process.executes_in = chosen.executes_after;
  }
  const auto pid = next_pid();
  process.pid = pid;
  siblings.emplace(id, process.request.type);
  processes_[id] = std::move(process);
  if (chosen.ends_before_result) {
    saw(Sight::EndBeforeResult);
    schedule(delay, {end_of(id, chosen), id, false});
    schedule(delay + chosen.runs.value_or(0s), {core::SpawnResult{id, pid}, id, true});
    return;
  }
  schedule(delay, {core::SpawnResult{id, pid}, id, false});
}

/// The lowest that is free, or one that never was taken.
pid_t Simulation::next_pid() {
  if (!reuses_pids_) return ++last_pid_;
  pid_t pid = kFirstPid;
  const auto is_taken = [&](const auto& entry) { return entry.second.pid == pid; };
  while (std::ranges::any_of(processes_, is_taken)) ++pid;
  if (pid <= last_pid_) saw(Sight::PidReused);
  last_pid_ = std::max(last_pid_, pid);
  return pid;
}

void Simulation::executed(SpawnId id, Process& process) {
  const auto& plan = process.program;
  const auto& request = process.request;
  if (plan.leaves > 0) {
    auto& tree = trees_[request.tree];
    tree.left_behind += plan.leaves;
    tree.stubborn = plan.ignores_term;
  }
  const auto later = [&](Duration delay, auto what) {
    schedule(delay, {ProcessChange{id, std::move(what)}, id, false});
  };
  if (!plan.never_rests && request.settles_after > 0s) {
    later(request.settles_after, core::Settled{});
  } else if (request.settles_at_latest > 0s) {
    later(request.settles_at_latest, core::Settled{});
  }
  if (plan.says_ready) later(plan.ready_after, core::Ready{});
  for (int i = 1; i <= plan.signs_of_life; ++i) {
    later(plan.ready_after + std::chrono::seconds(i), core::KeepAlive{});
  }
  if (process.program.stops_itself) {
    schedule(process.program.ready_after, {ProcessChange{id, core::Stopped{SIGSTOP}}, id, false});
    return;  // goes on when resumed
  }
  next_step(id, process);
}

void Simulation::next_step(SpawnId id, Process& process) {
  if (process.executes_in == 0) {
    process.executes_in.reset();
    schedule(process.program.ready_after, {ProcessChange{id, core::Executed{}}, id, false});
    return;  // goes on when resumed, as after a fork
  }
  if (process.forks_left > 0) {
    --process.forks_left;
    if (process.executes_in) --*process.executes_in;
    saw(Sight::ForkFollowed);
    process.pid = next_pid();
    schedule(process.program.ready_after,
             {ProcessChange{id, core::Forked{process.pid}}, id, false});
    return;
  }
  if (process.program.runs) end_by_itself(id, process);
}

void Simulation::end_by_itself(SpawnId id, const Process& process) {
  const auto& plan = process.program;
  auto end = end_of(id, plan);
  if (plan.hands_over == 0 || process.has_handed_over) {
    schedule(*plan.runs, {std::move(end), id, true});
    return;
  }
  core::Orphaned orphaned;
  orphaned.survivor = next_pid();
  orphaned.forks = plan.hands_over;
  orphaned.was_helper = plan.is_helper;
  if (const auto* exited = std::get_if<core::Exited>(&end.what)) orphaned.end = *exited;
  if (const auto* killed = std::get_if<core::Signalled>(&end.what)) orphaned.end = *killed;
  schedule(*plan.runs, {ProcessChange{id, orphaned}, id, false});
}

void Simulation::end(SpawnId id, Duration delay, ProcessChange change) {
  processes_.at(id).ending = true;
  schedule(delay, {change, id, true});
}

void Simulation::signal(SpawnId id, int signal, core::SignalTarget target) {
  if (traced_)
    note(fmt::format("signal {} {}{}", signal_name(signal), process_name(id),
                     target == core::SignalTarget::Group ? ", its group" : ", it alone"));
  const auto found = processes_.find(id);
  if (failing_.contains(id)) return;  // it is about to say that it could not be started
  if (found == processes_.end()) {
    report("a signal to a process whose end has been reported");
    return;
  }
  auto& process = found->second;
  if (!process.executing) {  // nothing but KILL ends a set-up, so that is what the platform sends
    saw(Sight::KilledInSetUp);
    if (process.killed_early || process.program.ends_before_result) return;
    process.killed_early = SIGKILL;
    schedule(process.program.takes_to_die, {core::SpawnResult{id, process.pid}, id, false});
    return;
  }
  const auto& job = *process.request.definition;
  if (signal == SIGKILL && process.term_at) {
    const auto timeout = std::chrono::seconds(job.kill_timeout_seconds);
    if (now_ < *process.term_at + timeout) report("KILL before the kill timeout was over");
  }
  // What goes to the process alone is otherwise a reload.
  const bool asks_to_end = target == core::SignalTarget::Group || signal == SIGABRT ||
                           (job.kill_mode == conf::KillMode::Main && signal == job.kill_signal);
  if (asks_to_end && !process.term_at) process.term_at = now_;
  const bool obeys = asks_to_end && (signal == SIGABRT || !process.program.ignores_term);
  if (process.program.vanishes) {
    saw(Sight::Vanished);
    end(id, 0s, {id, core::Vanished{}});
  } else if (signal == SIGKILL || obeys) {
    if (process.stopped && signal != SIGKILL) {
      process.pending_signal = signal;
      return;
    }
    end(id, process.program.takes_to_die, {id, core::Signalled{signal}});
  }
}

void Simulation::resume(SpawnId id, core::Resume how) {
  if (traced_)
    note(fmt::format("{} {}", how == core::Resume::Continue ? "continue" : "let go of",
                     process_name(id)));
  const auto found = processes_.find(id);
  if (found == processes_.end()) {
    report("resume of a process whose end has been reported");
    return;
  }
  auto& process = found->second;
  if (how == core::Resume::Detach) {  // goes on forking, but nobody looks
    process.forks_left = 0;
    process.executes_in.reset();
    process.is_found = true;
  }
  if (!std::exchange(process.must_resume, false)) return;
  if (process.survivor != 0) {  // it has ended
    if (how == core::Resume::Detach) return remove_process(id);
    process.pid = std::exchange(process.survivor, 0);
    process.has_handed_over = true;
    return;
  }
  process.stopped = false;
  if (process.pending_signal) {
    end(id, process.program.takes_to_die, {id, core::Signalled{*process.pending_signal}});
    return;
  }
  next_step(id, process);
}

void Simulation::end_tree(core::TreeId id, int signal) {
  if (traced_) note(fmt::format("signal {} to a whole tree", signal_name(signal)));
  saw(Sight::TreeEnded);
  auto& tree = trees_[id];
  tree.ending = true;
  std::vector<SpawnId> members;
  for (const auto& [spawn, process] : processes_) {
    if (process.request.tree == id) members.push_back(spawn);
  }
  const bool traced = std::exchange(traced_, false);
  for (const auto member : members) this->signal(member, signal, core::SignalTarget::Group);
  traced_ = traced;
  const bool die = tree.left_behind > 0 && (signal == SIGKILL || !tree.stubborn);
  if (die) schedule(1ms, {core::Tick{}, {}, false, id});
  check_tree(id);
}

void Simulation::forget_tree(core::TreeId id) {
  const auto found = trees_.find(id);
  if (found == trees_.end()) return;
  if (found->second.ending) report("a tree is forgotten that is being ended");
  trees_.erase(found);
}

void Simulation::collect_log(SpawnId) {}

}  // namespace upkeep::sim
