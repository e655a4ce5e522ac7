#include "sim/simulation.h"

#include <algorithm>
#include <limits>

#include "sim/scenario_grammar.h"
#include "sim/words.h"
#include <fmt/format.h>

#include "conf/parser.h"

namespace upkeep::sim {

using core::Input;
using core::ProcessChange;
using core::ProcessType;
using core::RequestId;
using core::SpawnId;
using core::Wait;

namespace {

std::string_view print_wait(Wait wait) {
  return wait == Wait::Yes ? "" : " no-wait";
}

}  // namespace

Simulation::Simulation(core::ManagerOptions options)
    : now_(kBeginning),
      base_environment_(options.job_environment),
      manager_(*this, *this, std::move(options)) {}

Program Simulation::default_program(const core::SpawnRequest& request) {
  Program program;
  if (request.type != ProcessType::Main) program.runs = 1ms;
  return program;
}

// ---------------------------------------------------------------- what the world does

void Simulation::define(const std::string& name, const std::string& text,
                        const std::string& session) {
  auto parsed = conf::parse_job(text);
  if (!parsed) {
    report("the simulation's own job file is wrong: " +
           conf::format_diagnostic(name, parsed.error().front()));
    return;
  }
  parsed->definition.name = name;
  observe_change(name, Sight::ReplacedInStart, Sight::ReplacedInStop);
  handle(core::ConfChange{core::JobDefined{
      std::make_shared<const conf::JobDefinition>(std::move(parsed->definition)), session}});
}

void Simulation::undefine(const std::string& name) {
  observe_change(name, Sight::RemovedInStart, Sight::RemovedInStop);
  handle(core::ConfChange{core::JobUndefined{name}});
}

RequestId Simulation::new_request(const std::string& label) {
  const RequestId id{++last_request_};
  open_requests_.insert(id);
  if (!label.empty()) labels_[id] = quote(label);
  return id;
}

std::string Simulation::label(RequestId id) const {
  const auto found = labels_.find(id);
  return found == labels_.end() ? fmt::format("#{}", id.value) : found->second;
}

RequestId Simulation::emit(const std::string& name, Environment environment, Wait wait,
                           const std::string& label) {
  const auto id = new_request(label);
  if (traced_)
    note(fmt::format("emit {}{}{} as {}", quote(name), quote_all(environment), print_wait(wait),
                     this->label(id)));
  handle(core::EmitEvent{name, std::move(environment), id, wait});
  return id;
}

RequestId Simulation::job_request(core::Verb verb, const std::string& job, Environment environment,
                                  Wait wait, const std::string& label) {
  const auto id = new_request(label);
  if (traced_)
    note(fmt::format("{} {}{}{} as {}", kVerbs[static_cast<std::size_t>(verb)], quote(job),
                     quote_all(environment), print_wait(wait), this->label(id)));
  handle(core::JobRequest{id, verb, job, std::move(environment), wait});
  return id;
}

RequestId Simulation::start(const std::string& job, Environment environment, Wait wait,
                            const std::string& label) {
  return job_request(core::Verb::Start, job, std::move(environment), wait, label);
}

RequestId Simulation::stop(const std::string& job, Environment environment, Wait wait,
                           const std::string& label) {
  return job_request(core::Verb::Stop, job, std::move(environment), wait, label);
}

RequestId Simulation::restart(const std::string& job, Environment environment, Wait wait,
                              const std::string& label) {
  return job_request(core::Verb::Restart, job, std::move(environment), wait, label);
}

RequestId Simulation::instance_request(core::Verb verb, const std::string& job,
                                       const std::string& instance, Wait wait,
                                       const std::string& label) {
  const auto id = new_request(label);
  if (traced_)
    note(fmt::format("{} {} instance {}{} as {}", kVerbs[static_cast<std::size_t>(verb)],
                     quote(job), quote(instance), print_wait(wait), this->label(id)));
  handle(core::InstanceRequest{id, verb, job, instance, wait});
  return id;
}

RequestId Simulation::reload(const std::string& job, const std::string& instance,
                             const std::string& label) {
  const auto id = new_request(label);
  if (traced_) note(fmt::format("reload {} as {}", title(job, instance), this->label(id)));
  handle(core::ReloadRequest{id, job, instance});
  return id;
}

RequestId Simulation::request(const std::function<Input(RequestId)>& make,
                              const std::string& label) {
  const auto id = new_request(label);
  handle(make(id));
  return id;
}

void Simulation::abandon(RequestId id) {
  note(fmt::format("client of {} gone", id.value));
  if (open_requests_.erase(id) != 0) saw(Sight::GoneWhileBlocked);
  handle(core::ClientGone{id});
}

void Simulation::end_session(core::EndSession::Type type) {
  note(type == core::EndSession::Type::Logout ? "end-session logout" : "end-session shutdown");
  handle(core::EndSession{type});
}

Simulation::Process* Simulation::find_process(const std::string& job, ProcessType type,
                                              const std::string& instance) {
  const auto* found = manager_.find_job(job);
  const auto* one = found == nullptr ? nullptr : found->find_instance(instance);
  const auto process = processes_.find(one == nullptr ? SpawnId{} : one->process(type).spawn);
  return process == processes_.end() ? nullptr : &process->second;
}

void Simulation::kill(const std::string& job, ProcessType type, int signal,
                      const std::string& instance) {
  auto* process = find_process(job, type, instance);
  if (process == nullptr) return;
  if (!process->executing) {  // its SpawnResult comes first, whatever happens
    process->killed_early = signal;
    return;
  }
  const auto id = process->request.id;
  end(id, 0s, {id, core::Signalled{signal}});
}

void Simulation::suspend(const std::string& job, ProcessType type, int signal,
                         const std::string& instance) {
  const auto* process = find_process(job, type, instance);
  if (process == nullptr || !process->executing) return;
  const auto id = process->request.id;
  saw(Sight::Suspended);
  schedule(0s, {ProcessChange{id, core::Stopped{signal}}, id, false});
}

void Simulation::kill_main(const std::string& job, int signal, const std::string& instance) {
  kill(job, ProcessType::Main, signal, instance);
}

void Simulation::stop_main(const std::string& job, int signal, const std::string& instance) {
  suspend(job, ProcessType::Main, signal, instance);
}

// ---------------------------------------------------------------- time

void Simulation::run_for(Duration duration) {
  const auto stop_at = now_ + duration;
  for (;;) {
    if (broken_off_) return;
    if (--turns_left_ == 0) break_off();
    if (cycle_told_ && patience_ && *patience_ == 0) break_off();
    if (broken_off_) return;
    if (cycle_told_ && patience_) --*patience_;
    auto next = stop_at;
    if (!arrivals_.empty()) next = std::min(next, arrivals_.begin()->first.first);
    if (const auto due = manager_.next_deadline()) next = std::min(next, std::max(*due, now_));
    now_ = std::max(now_, next);
    if (const auto due = manager_.next_deadline(); due && *due <= now_) {
      handle(core::Tick{});
    } else if (!arrivals_.empty() && arrivals_.begin()->first.first <= now_) {
      auto arrival = std::move(arrivals_.extract(arrivals_.begin()).mapped());
      deliver(std::move(arrival));
    } else {
      return;
    }
  }
}

/// Time stands still from now on.
void Simulation::break_off() {
  broken_off_ = true;
  if (cycle_told_ && patience_) {
    saw(Sight::BrokenOff);
    note("jobs trigger each other without end: broken off");
  } else {
    report("something goes on and on: broken off");
  }
}

void Simulation::turn_for(Duration duration) {
  const auto stop_at = now_ + duration;
  while (!arrivals_.empty() && arrivals_.begin()->first.first <= stop_at) {
    tick();
    now_ = std::max(now_, arrivals_.begin()->first.first);
    auto arrival = std::move(arrivals_.extract(arrivals_.begin()).mapped());
    deliver(std::move(arrival));
  }
  now_ = stop_at;
}

bool Simulation::run_until_quiet(Duration limit) {
  const auto give_up = now_ + limit;
  while (!arrivals_.empty() || manager_.next_deadline()) {
    if (now_ >= give_up || broken_off_) return false;
    auto next = give_up;
    if (!arrivals_.empty()) next = std::min(next, arrivals_.begin()->first.first);
    if (const auto due = manager_.next_deadline()) next = std::min(next, std::max(*due, now_));
    run_for(next - now_);
  }
  return true;
}

void Simulation::handle(Input input) {
  handling_ = true;
  manager_.handle(now_, std::move(input));
  handling_ = false;
  if (!checks_invariants_) return;
  if (const auto sound = manager_.check_invariants(); !sound) report(sound.error().message);
}

void Simulation::schedule(Duration delay, Arrival arrival) {
  auto at = now_ + delay;
  auto order = ++last_arrival_;
  if (arrival.ends_process && lots_) {
    if (const auto beyond = (at - kBeginning) % lots_->every; beyond != 0s) {
      at += lots_->every - beyond;
    }
    if (lots_->latest_first) order = std::numeric_limits<std::uint64_t>::max() - order;
  }
  arrivals_.emplace(std::pair(at, order), std::move(arrival));
}

namespace {

/// Whether the report leaves the process waiting for resume().
bool stands_still(const ProcessChange& change) {
  return std::holds_alternative<core::Stopped>(change.what) ||
         std::holds_alternative<core::Forked>(change.what) ||
         std::holds_alternative<core::Executed>(change.what) ||
         std::holds_alternative<core::Orphaned>(change.what);
}

/// An end that is told ahead of the result of the spawn.
bool change_ends(const ProcessChange& change) {
  return std::holds_alternative<core::Exited>(change.what) ||
         std::holds_alternative<core::Signalled>(change.what) ||
         std::holds_alternative<core::Vanished>(change.what);
}

}  // namespace

void Simulation::deliver(Arrival arrival) {
  if (arrival.process && !processes_.contains(arrival.process)) return;
  note_input(arrival.input);
  if (arrival.tree) {
    trees_[arrival.tree].left_behind = 0;
    check_tree(arrival.tree);
    return;
  }
  if (arrival.ends_process) remove_process(arrival.process);
  if (const auto* change = std::get_if<ProcessChange>(&arrival.input);
      change != nullptr && !arrival.ends_process && !change_ends(*change)) {
    auto& process = processes_.at(arrival.process);
    const bool rests = std::holds_alternative<core::Settled>(change->what);
    if (rests && process.is_found) return;  // nobody waits for that any more
    process.is_found = process.is_found || std::holds_alternative<core::Stopped>(change->what) ||
                       std::holds_alternative<core::Ready>(change->what);
    process.stopped = process.stopped || std::holds_alternative<core::Stopped>(change->what);
    process.must_resume = process.must_resume || stands_still(*change);
    if (const auto* orphaned = std::get_if<core::Orphaned>(&change->what)) {
      process.survivor = orphaned->survivor;
    }
    if (rests) saw(Sight::Settled);
  }
  if (const auto* result = std::get_if<core::SpawnResult>(&arrival.input);
      result != nullptr && result->outcome && !arrival.ends_process) {
    const auto id = arrival.process;
    processes_.at(id).executing = true;
    processes_.at(id).pid = *result->outcome;
    handle(std::move(arrival.input));
    if (const auto found = processes_.find(id); found != processes_.end()) {
      const auto signal = found->second.killed_early;
      if (signal) end(id, 0s, {id, core::Signalled{*signal}});
      if (!signal) executed(id, found->second);
    }
    return;
  } else if (result != nullptr && !result->outcome) {
    failing_.erase(result->id);
    temporary_ = result->outcome.error().temporary;
  }
  handle(std::move(arrival.input));
}

void Simulation::remove_process(SpawnId id) {
  if (last_end_ == now_) saw(Sight::EndsTogether);
  last_end_ = now_;
  const auto ended = processes_.extract(id);
  const auto siblings = siblings_.find(owner_of(ended.mapped().request));
  siblings->second.erase(id);
  if (siblings->second.empty()) siblings_.erase(siblings);
  check_tree(ended.mapped().request.tree);
}

/// Tells once that nothing is left, if somebody has asked.
void Simulation::check_tree(core::TreeId id) {
  const auto found = trees_.find(id);
  if (found == trees_.end() || !found->second.ending || found->second.left_behind > 0) return;
  const auto is_member = [id](const auto& entry) { return entry.second.request.tree == id; };
  if (std::ranges::any_of(processes_, is_member)) return;
  trees_.erase(found);
  schedule(0s, {core::TreeEmptied{id}, {}, false});
}

}  // namespace upkeep::sim
