#include "sim/simulation.h"

#include <algorithm>
#include <csignal>
#include <cstring>

#include <fmt/format.h>

#include "conf/parser.h"

namespace upkeep::sim {

using core::Input;
using core::ProcessChange;
using core::ProcessType;
using core::RequestId;
using core::SpawnId;
using core::Wait;

Simulation::Simulation(core::ManagerOptions options)
    : now_(TimePoint{} + 1000s), manager_(*this, *this, std::move(options)) {}

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
  handle(core::ConfChange{core::JobDefined{
      std::make_shared<const conf::JobDefinition>(std::move(parsed->definition)), session}});
}

void Simulation::undefine(const std::string& name) {
  handle(core::ConfChange{core::JobUndefined{name}});
}

RequestId Simulation::emit(const std::string& name, Environment environment, Wait wait) {
  const auto id = request_id();
  open_requests_.insert(id);
  note(fmt::format("emit {} as {}", name, id.value));
  handle(core::EmitEvent{name, std::move(environment), id, wait});
  return id;
}

RequestId Simulation::job_request(core::Verb verb, const std::string& job, Environment environment,
                                  Wait wait) {
  const auto id = request_id();
  open_requests_.insert(id);
  note(fmt::format("request {} on {} as {}", static_cast<int>(verb), job, id.value));
  handle(core::JobRequest{id, verb, job, std::move(environment), wait});
  return id;
}

RequestId Simulation::start(const std::string& job, Environment environment, Wait wait) {
  return job_request(core::Verb::Start, job, std::move(environment), wait);
}

RequestId Simulation::stop(const std::string& job, Environment environment, Wait wait) {
  return job_request(core::Verb::Stop, job, std::move(environment), wait);
}

RequestId Simulation::restart(const std::string& job, Environment environment, Wait wait) {
  return job_request(core::Verb::Restart, job, std::move(environment), wait);
}

RequestId Simulation::instance_request(core::Verb verb, const std::string& job,
                                       const std::string& instance, Wait wait) {
  const auto id = request_id();
  open_requests_.insert(id);
  note(fmt::format("request {} on {}/{} as {}", static_cast<int>(verb), job, instance, id.value));
  handle(core::InstanceRequest{id, verb, job, instance, wait});
  return id;
}

RequestId Simulation::reload(const std::string& job, const std::string& instance) {
  const auto id = request_id();
  open_requests_.insert(id);
  handle(core::ReloadRequest{id, job, instance});
  return id;
}

RequestId Simulation::request(const std::function<Input(RequestId)>& make) {
  const auto id = request_id();
  open_requests_.insert(id);
  handle(make(id));
  return id;
}

void Simulation::abandon(RequestId id) {
  note(fmt::format("client of {} gone", id.value));
  open_requests_.erase(id);
  handle(core::ClientGone{id});
}

void Simulation::end_session(core::EndSession::Type type) {
  handle(core::EndSession{type});
}

SpawnId Simulation::main_of(const std::string& job, const std::string& instance) const {
  const auto* found = manager_.find_job(job);
  const auto* one = found == nullptr ? nullptr : found->find_instance(instance);
  return one == nullptr ? SpawnId{} : one->process(ProcessType::Main).spawn;
}

void Simulation::kill_main(const std::string& job, int signal, const std::string& instance) {
  const auto id = main_of(job, instance);
  const auto found = processes_.find(id);
  if (found == processes_.end()) return;
  // The pipe of the set-up closes at the end of the child, too: that counts as executed.
  if (!found->second.executing) schedule(0s, {core::SpawnResult{id, ++last_pid_}, id, false});
  end(id, 0s, {id, core::Signalled{signal}});
}

void Simulation::stop_main(const std::string& job, int signal, const std::string& instance) {
  const auto id = main_of(job, instance);
  const auto found = processes_.find(id);
  if (found == processes_.end() || !found->second.executing) return;
  schedule(0s, {ProcessChange{id, core::Stopped{signal}}, id, false});
}

// ---------------------------------------------------------------- time

void Simulation::run_for(Duration duration) {
  const auto stop_at = now_ + duration;
  for (;;) {
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
    if (now_ >= give_up) return false;
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
  if (const auto sound = manager_.check_invariants(); !sound) report(sound.error().message);
}

void Simulation::schedule(Duration delay, Arrival arrival) {
  arrivals_.emplace(std::pair(now_ + delay, ++last_arrival_), std::move(arrival));
}

void Simulation::deliver(Arrival arrival) {
  if (arrival.process && !processes_.contains(arrival.process)) return;
  if (arrival.ends_process) processes_.erase(arrival.process);
  const auto* change = std::get_if<ProcessChange>(&arrival.input);
  if (change != nullptr && std::holds_alternative<core::Stopped>(change->what)) {
    processes_.at(arrival.process).stopped = true;
  }
  if (const auto* result = std::get_if<core::SpawnResult>(&arrival.input);
      result != nullptr && result->outcome) {
    const auto id = arrival.process;
    processes_.at(id).executing = true;
    handle(std::move(arrival.input));
    if (const auto found = processes_.find(id); found != processes_.end()) {
      executed(id, found->second);
    }
    return;
  }
  handle(std::move(arrival.input));
}

// ---------------------------------------------------------------- simulated processes

namespace {

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

void Simulation::spawn(core::SpawnRequest request) {
  const auto id = request.id;
  for (const auto& [other_id, other] : processes_) {
    if (other.request.definition->name == request.definition->name &&
        other.request.session == request.session && other.request.instance == request.instance &&
        !may_overlap(other.request.type, request.type)) {
      report(fmt::format("{} of {} is started while its {} is alive", conf::to_string(request.type),
                         request.definition->name, conf::to_string(other.request.type)));
    }
  }
  note(fmt::format("spawn {} {}", request.definition->name, conf::to_string(request.type)));
  spawns_.push_back(request);
  auto chosen = program(request);
  const auto delay = chosen.set_up;
  if (chosen.spawn_error) {
    schedule(delay, {core::SpawnResult{id, std::unexpected(core::SpawnFailure{
                                               .error = *chosen.spawn_error,
                                               .description = std::strerror(*chosen.spawn_error),
                                               .temporary = chosen.temporary})},
                     {},
                     false});
    return;
  }
  Process process{.request = std::move(request), .program = chosen, .term_at = {}};
  if (process.request.trace) {
    process.forks_left = chosen.forks;
    process.executes_in = chosen.executes_after;
  }
  processes_[id] = std::move(process);
  schedule(delay, {core::SpawnResult{id, ++last_pid_}, id, false});
}

void Simulation::executed(SpawnId id, Process& process) {
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
    schedule(process.program.ready_after,
             {ProcessChange{id, core::Forked{++last_pid_}}, id, false});
    return;
  }
  if (!process.program.runs) return;
  ProcessChange change{id, core::Exited{process.program.status}};
  if (process.program.dies_by != 0) change.what = core::Signalled{process.program.dies_by};
  schedule(*process.program.runs, {std::move(change), id, true});
}

void Simulation::end(SpawnId id, Duration delay, ProcessChange change) {
  processes_.at(id).ending = true;
  schedule(delay, {std::move(change), id, true});
}

void Simulation::signal(SpawnId id, int signal, core::SignalTarget target) {
  note(fmt::format("signal {} {}", signal, target == core::SignalTarget::Group ? "group" : "pid"));
  const auto found = processes_.find(id);
  if (found == processes_.end()) {
    report("a signal to a process whose end has been reported");
    return;
  }
  auto& process = found->second;
  if (!process.executing) report("a signal to a process that is still being set up");
  if (signal == SIGKILL && process.term_at) {
    const auto timeout = std::chrono::seconds(process.request.definition->kill_timeout_seconds);
    if (now_ < *process.term_at + timeout) report("KILL before the kill timeout was over");
  }
  if (target == core::SignalTarget::Group && !process.term_at) process.term_at = now_;
  if (process.program.vanishes) {
    end(id, 0s, {id, core::Vanished{}});
  } else if (signal == SIGKILL ||
             (target == core::SignalTarget::Group && !process.program.ignores_term)) {
    if (process.stopped && signal != SIGKILL) {
      process.pending_signal = signal;
      return;
    }
    end(id, process.program.takes_to_die, {id, core::Signalled{signal}});
  }
}

void Simulation::resume(SpawnId id, core::Resume how) {
  note(fmt::format("resume {}", how == core::Resume::Continue ? "continue" : "detach"));
  const auto found = processes_.find(id);
  if (found == processes_.end()) {
    report("resume of a process whose end has been reported");
    return;
  }
  auto& process = found->second;
  if (how == core::Resume::Detach) {  // goes on forking, but nobody looks
    process.forks_left = 0;
    process.executes_in.reset();
  }
  process.stopped = false;
  if (process.pending_signal) {
    end(id, process.program.takes_to_die, {id, core::Signalled{*process.pending_signal}});
    return;
  }
  next_step(id, process);
}

void Simulation::collect_log(SpawnId) {}

// ---------------------------------------------------------------- what can be seen

namespace {

std::string key(const core::JobInstance& instance) {
  return instance.job().session() + instance.job().name() + "/" + instance.name();
}

std::string text(const core::Event& event) {
  std::string line = event.name();
  for (const auto& variable : event.environment()) line += " " + variable;
  return line;
}

}  // namespace

void Simulation::note(std::string line) {
  const auto since =
      std::chrono::duration_cast<std::chrono::microseconds>(now_.time_since_epoch() - 1000s);
  trace_.push_back(fmt::format("{:.6f} {}", static_cast<double>(since.count()) / 1e6, line));
}

void Simulation::report(std::string violation) {
  violations_.push_back(std::move(violation));
  note("VIOLATION " + violations_.back());
}

void Simulation::record(const core::JobInstance& instance, std::string what) {
  if (!handling_) report("observer called outside of a turn");
  note(key(instance) + " " + what);
  states_[key(instance)].push_back(std::move(what));
}

void Simulation::job_added(const core::JobClass& job) {
  note("job added " + job.name());
}
void Simulation::job_removed(const core::JobClass& job) {
  note("job removed " + job.name());
}
void Simulation::instance_added(const core::JobInstance& instance) {
  record(instance, "+");
}
void Simulation::instance_removed(const core::JobInstance& instance) {
  record(instance, "-");
}
void Simulation::goal_changed(const core::JobInstance& instance) {
  record(instance, fmt::format(">{}", to_string(instance.goal())));
}
void Simulation::state_changed(const core::JobInstance& instance, core::State from) {
  record(instance, std::string(to_string(instance.state())));
  check_order(instance, from);
}
void Simulation::failed(const core::JobInstance& instance, int status) {
  record(instance, fmt::format("!{}", status));
}

void Simulation::event_emitted(const core::Event& event) {
  events_.push_back(text(event));
  note("event " + events_.back());
}

/// starting < started < stopping < stopped, for each instance: the states that queue the events.
void Simulation::check_order(const core::JobInstance& instance, core::State from) {
  using enum core::State;
  static const std::map<core::State, std::set<core::State>> kBefore{
      {Starting, {Waiting, Stopping}},
      {Running, {Starting}},
      {Stopping, {Starting, Running}},
      {Waiting, {Stopping}},
  };
  const auto expected = kBefore.find(instance.state());
  if (expected == kBefore.end()) return;
  if (instance.state() == Running && from == PreStop) return;  // a cancelled stop is no milestone
  auto& last = last_milestone_.emplace(key(instance), Waiting).first->second;
  if (!expected->second.contains(last)) {
    report(fmt::format("{}: {} after {}", key(instance), to_string(instance.state()),
                       to_string(last)));
  }
  last = instance.state();
}

void Simulation::replied(RequestId id, const core::Reply& reply) {
  if (open_requests_.erase(id) == 0) report(fmt::format("second reply to {}", id.value));
  replies_[id] = reply;
  note(fmt::format("reply {} {}", id.value, reply ? "ok" : reply.error().message));
}

void Simulation::message(core::Priority priority, std::string_view text) {
  if (priority >= core::Priority::Message) messages_.emplace_back(text);
}

void Simulation::session_ended() {
  if (session_ended_) report("the session ended twice");
  session_ended_ = true;
  note("session ended");
}

std::string Simulation::status(const std::string& job, const std::string& instance) const {
  const auto* found = manager_.find_job(job);
  const auto* one = found == nullptr ? nullptr : found->find_instance(instance);
  if (one == nullptr) return "stop/waiting";
  return fmt::format("{}/{}", to_string(one->goal()), to_string(one->state()));
}

std::optional<core::Reply> Simulation::reply(RequestId id) const {
  const auto found = replies_.find(id);
  if (found == replies_.end()) return std::nullopt;
  return found->second;
}

std::string Simulation::outcome(RequestId id) const {
  const auto answer = reply(id);
  if (!answer) return "waiting";
  return *answer ? "ok" : answer->error().message;
}

std::vector<std::string> Simulation::states(const std::string& job,
                                            const std::string& instance) const {
  const auto found = states_.find(job + "/" + instance);
  return found == states_.end() ? std::vector<std::string>{} : found->second;
}

int Simulation::spawn_count(const std::string& job, ProcessType type) const {
  return static_cast<int>(std::ranges::count_if(spawns_, [&](const auto& request) {
    return request.definition->name == job && request.type == type;
  }));
}

}  // namespace upkeep::sim
