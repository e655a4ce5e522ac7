#include "sim/simulation.h"

#include <algorithm>
#include <csignal>
#include <cstring>
#include <limits>

#include "sim/words.h"
#include <fmt/format.h>

#include "base/signals.h"
#include "conf/parser.h"

namespace upkeep::sim {

using core::Input;
using core::ProcessChange;
using core::ProcessType;
using core::RequestId;
using core::SpawnId;
using core::Wait;

namespace {

constexpr TimePoint kBeginning{1000s};
constexpr pid_t kFirstPid = 101;
constexpr std::array<std::string_view, 3> kVerbs{"start", "stop", "restart"};

/// "foo", or "foo (a)" for the instance a, as the messages of the manager have it.
std::string title(std::string_view job, std::string_view instance) {
  return instance.empty() ? quote(job) : fmt::format("{} ({})", quote(job), printable(instance));
}

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

void Simulation::deliver(Arrival arrival) {
  if (arrival.process && !processes_.contains(arrival.process)) return;
  note_input(arrival.input);
  if (arrival.ends_process) {
    if (last_end_ == now_) saw(Sight::EndsTogether);
    last_end_ = now_;
    const auto ended = processes_.extract(arrival.process);
    const auto siblings = siblings_.find(owner_of(ended.mapped().request));
    siblings->second.erase(arrival.process);
    if (siblings->second.empty()) siblings_.erase(siblings);
  }
  const auto* change = std::get_if<ProcessChange>(&arrival.input);
  if (change != nullptr && std::holds_alternative<core::Stopped>(change->what)) {
    processes_.at(arrival.process).stopped = true;
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
    temporary_ = result->outcome.error().temporary;
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
  if (!process.program.runs) return;
  schedule(*process.program.runs, {end_of(id, process.program), id, true});
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
    saw(Sight::Vanished);
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

std::string title(const core::JobInstance& instance) {
  return title(instance.job().name(), instance.name());
}

std::string text(const core::Event& event) {
  return quote(event.name()) + quote_all(event.environment());
}

/// Seconds with as many digits as it takes, but no fewer than three.
std::string print_clock(Duration since) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(since);
  auto digits = fmt::format("{:09}", (since - seconds).count());
  while (digits.size() > 3 && digits.back() == '0') digits.pop_back();
  return fmt::format("{:>4}.{}", seconds.count(), digits);
}

/// Why an instance has failed, in words.
std::string describe(const core::Failure& failure) {
  if (!failure.process) return "respawn limit";
  const auto process = conf::to_string(*failure.process);
  if (failure.exit_status) return fmt::format("{} exits {}", process, *failure.exit_status);
  if (failure.exit_signal) {
    return fmt::format("{} dies by {}", process, signal_name(*failure.exit_signal));
  }
  return fmt::format("{} cannot start", process);
}

}  // namespace

void Simulation::note(std::string_view line) {
  if (!traced_) return;
  trace_.push_back(fmt::format("{}  {}", print_clock(now_ - kBeginning), line));
}

std::string Simulation::process_name(SpawnId id) const {
  const auto found = processes_.find(id);
  if (found == processes_.end()) return "nobody";
  const auto& request = found->second.request;
  return fmt::format("{} {}", title(request.definition->name, request.instance),
                     conf::to_string(request.type));
}

/// What the world tells about processes; requests are noted where they are made.
void Simulation::note_input(const Input& input) {
  if (!traced_) return;
  if (const auto* result = std::get_if<core::SpawnResult>(&input)) {
    if (result->outcome) {  // of a failure the manager tells itself
      note(fmt::format("{} runs as {}", process_name(result->id), *result->outcome));
    }
    return;
  }
  const auto* change = std::get_if<ProcessChange>(&input);
  if (change == nullptr) return;
  const auto name = process_name(change->id);
  if (const auto* exited = std::get_if<core::Exited>(&change->what)) {
    note(fmt::format("{} exits {}", name, exited->status));
  } else if (const auto* killed = std::get_if<core::Signalled>(&change->what)) {
    note(fmt::format("{} dies by {}", name, signal_name(killed->signal)));
  } else if (const auto* stopped = std::get_if<core::Stopped>(&change->what)) {
    note(fmt::format("{} is stopped by {}", name, signal_name(stopped->signal)));
  } else if (const auto* forked = std::get_if<core::Forked>(&change->what)) {
    note(fmt::format("{} forks {}", name, forked->child));
  } else if (std::holds_alternative<core::Executed>(change->what)) {
    note(fmt::format("{} executes", name));
  } else {
    note(fmt::format("{} has vanished", name));
  }
}

void Simulation::report(std::string violation) {
  violations_.push_back(std::move(violation));
  note("VIOLATION " + violations_.back());
}

void Simulation::record(const core::JobInstance& instance, std::string what) {
  if (!handling_) report("observer called outside of a turn");
  if (!traced_) return;
  states_[key(instance)].push_back(std::move(what));
}

void Simulation::job_added(const core::JobClass& job) {
  if (traced_) note(fmt::format("{} is defined", quote(job.name())));
}
void Simulation::job_removed(const core::JobClass& job) {
  if (traced_) note(fmt::format("{} is no more", quote(job.name())));
}
void Simulation::instance_added(const core::JobInstance& instance) {
  record(instance, "+");
}
void Simulation::instance_removed(const core::JobInstance& instance) {
  record(instance, "-");
}
void Simulation::goal_changed(const core::JobInstance& instance) {
  using enum core::State;
  const bool stopping = instance.state() >= PreStopping && instance.state() <= PostStop;
  if (instance.goal() == core::Goal::Start && stopping) saw(Sight::StopCancelled);
  if (!traced_) return;
  note(fmt::format("{} > {}", title(instance), to_string(instance.goal())));
  record(instance, fmt::format(">{}", to_string(instance.goal())));
}

/// States that are passed through share a line with the next; an event ends starting and stopping.
void Simulation::state_changed(const core::JobInstance& instance, core::State from) {
  check_order(instance, from);
  if (cycle_told_ && patience_ && *patience_ > 0) --*patience_;
  const bool alive = static_cast<bool>(instance.process(ProcessType::Main).spawn);
  if (from == core::State::Spawned && instance.state() == core::State::Stopping && alive) {
    saw(Sight::NeverReady);
  }
  if (!traced_) return;
  const auto state = to_string(instance.state());
  const bool waited = from == core::State::Starting || from == core::State::Stopping;
  if (!waited && growing_ == GrowingLine{key(instance), trace_.size(), now_}) {
    trace_.back() += fmt::format(", {}", state);
  } else {
    note(fmt::format("{} {}", title(instance), state));
  }
  growing_ = {key(instance), trace_.size(), now_};
  record(instance, std::string(state));
}

void Simulation::failed(const core::JobInstance& instance, int status) {
  if (!traced_) return;
  note(fmt::format("{} has failed: {}", title(instance), describe(*instance.failure())));
  record(instance, fmt::format("!{}", status));
}

void Simulation::event_emitted(const core::Event& event) {
  if (event.failed()) saw(Sight::EventFailed);
  if (!traced_) return;
  std::string line = event.name();
  for (const auto& variable : event.environment()) line += " " + variable;
  events_.push_back(std::move(line));
  note(fmt::format("event {}{}", text(event), event.failed() ? ", failed" : ""));
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
  if (traced_)
    note(fmt::format("reply {}: {}", label(id), reply ? "ok" : printable(reply.error().message)));
}

void Simulation::message(core::Priority priority, std::string_view text) {
  if (priority >= core::Priority::Message) observe(text);
  if (!traced_) return;
  if (priority >= core::Priority::Message) messages_.emplace_back(text);
  if (priority >= core::Priority::Warning)
    note(fmt::format("{}: {}", to_string(priority), printable(text)));
}

/// What the manager tells of, for the statistics.
void Simulation::observe(std::string_view message) {
  struct Sign {
    std::string_view part;
    Sight sight{};
  };
  static constexpr std::array kSigns{
      Sign{"process: trying again in ", Sight::TriedAgain},
      Sign{" ended, respawning", Sight::Respawned},
      Sign{" gave up: respawned ", Sight::RespawnLimit},
      Sign{", sending KILL", Sight::KillTimeout},
      Sign{"deadlock avoided: ", Sight::DeadlockAvoided},
      Sign{"jobs trigger each other without end: ", Sight::CycleTold},
      Sign{" outlives the session", Sight::SessionEndedBusy},
  };
  for (const auto& sign : kSigns) {
    if (message.find(sign.part) != std::string_view::npos) saw(sign.sight);
  }
  if (sights_[static_cast<std::size_t>(Sight::CycleTold)] != 0) cycle_told_ = true;
  for (const auto type : conf::kAllProcessTypes) {
    const auto sign = fmt::format(" {} process could not be started", conf::to_string(type));
    if (message.find(sign) == std::string_view::npos) continue;
    saw(static_cast<Sight>(type));
    if (temporary_) saw(Sight::GaveUpTrying);
  }
}

/// A definition changes or goes while its instances are on the way.
void Simulation::observe_change(const std::string& job, Sight in_start, Sight in_stop) {
  using enum core::State;
  const auto* found = manager_.find_job(job);
  if (found == nullptr) return;
  for (const auto& [name, instance] : found->instances()) {
    if (instance->state() < Running) saw(in_start);
    if (instance->state() > Running) saw(in_stop);
  }
}

void Simulation::session_ended() {
  if (session_ended_) report("the session ended twice");
  saw(Sight::SessionEnded);
  session_ended_ = true;
  note("the session has ended");
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
