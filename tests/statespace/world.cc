#include "statespace/world.h"

#include <algorithm>
#include <array>
#include <csignal>

#include <fmt/format.h>

#include "base/strings.h"
#include "core/event.h"
#include "core/job_class.h"

namespace upkeep::statespace {

using core::Goal;
using core::JobInstance;
using core::ProcessChange;
using core::ProcessType;
using core::RequestId;
using core::ServiceManager;
using core::SpawnId;
using core::State;
using core::TimePoint;
using core::Verb;
using core::Wait;
using Kind = Move::Kind;
using std::chrono::seconds;

namespace {

constexpr seconds kRespawnWindow{2};  // as Shape::job_text() has it
constexpr int kMostForks = 3;         // one more than anybody counts

bool is_about_process(Kind kind) {
  return kind >= Kind::SpawnSucceeds && kind <= Kind::Executes;
}

}  // namespace

std::string to_string(Move move) {
  constexpr std::array<std::string_view, 28> kNames{
      "start job, waiting",
      "stop job, waiting",
      "restart job, waiting",
      "start instance",
      "stop instance",
      "restart instance",
      "reload",
      "emit up",
      "emit down",
      "emit both",
      "emit also",
      "redefine the same",
      "define another",
      "undefine",
      "end the session",
      "is executing",
      "could not be started",
      "exits with 0",
      "exits with 1",
      "dies by a signal",
      "vanishes",
      "is stopped by SIGSTOP",
      "is continued by hand",
      "forks",
      "executes",
      "the guard ends",
      "the next deadline comes",
      "the respawn window closes",
  };
  const std::string name(kNames[static_cast<std::size_t>(move.kind)]);
  if (!is_about_process(move.kind)) return name;
  return std::string(conf::to_string(move.process)) + " " + name;
}

World::World(const Shape& shape)
    : shape_(shape),
      definition_(parse("job", shape.job_text(false))),
      other_definition_(parse("job", shape.job_text(true))),
      now_(TimePoint{} + seconds(1000)),
      manager_(*this, *this, {}) {
  handle(core::ConfChange{core::JobDefined{definition_}});
  if (shape.has_guard()) {
    guard_definition_ = parse("guard", shape.guard_text());
    handle(core::ConfChange{core::JobDefined{guard_definition_}});
  }
}

// ---------------------------------------------------------------- what can happen

const JobInstance* World::instance() const {
  const auto* job = manager_.find_job("job");
  return job == nullptr ? nullptr : job->find_instance("");
}

bool World::is_job(const JobInstance& one) {
  return one.job().name() == "job";
}

const World::Process* World::process(ProcessType type) const {
  const auto found = processes_.find(id_of(type));
  return found == processes_.end() ? nullptr : &found->second;
}

SpawnId World::id_of(ProcessType type) const {
  for (const auto& [id, one] : processes_) {
    if (one.type == type) return id;
  }
  return {};
}

bool World::window_is_open() const {
  const auto* one = instance();
  if (one == nullptr || shape_.respawn != Shape::Respawn::Once) return false;
  return now_ - one->respawn_limiter().window_start() < kRespawnWindow;
}

std::vector<Move> World::moves() const {
  std::vector<Move> out;
  if (over_) return out;
  const auto* one = instance();

  out.push_back({Kind::StartJob, {}});
  if (one != nullptr) {
    for (auto kind = Kind::StopJob; kind <= Kind::Reload;
         kind = static_cast<Kind>(static_cast<int>(kind) + 1)) {
      out.push_back({kind, {}});
    }
  }
  for (const auto kind : {Kind::EmitUp, Kind::EmitDown, Kind::EmitBoth}) out.push_back({kind, {}});
  if (shape_.conditions == Shape::Conditions::StopAnd ||
      shape_.conditions == Shape::Conditions::StartAnd) {
    out.push_back({Kind::EmitAlso, {}});
  }
  if (shape_.changes == Shape::Changes::Definition) {
    for (const auto kind : {Kind::Redefine, Kind::DefineOther, Kind::Undefine}) {
      out.push_back({kind, {}});
    }
  }
  if (shape_.changes > Shape::Changes::Definition &&
      manager_.session_phase() == ServiceManager::SessionPhase::Up) {
    out.push_back({Kind::EndSession, {}});
  }
  for (const auto type : conf::kAllProcessTypes) {
    if (const auto* running = process(type)) add_process_moves(out, *running);
  }
  const auto* guard = manager_.find_job("guard");
  if (guard != nullptr && guard->find_instance("") != nullptr) out.push_back({Kind::GuardEnds, {}});
  if (manager_.next_deadline()) {
    out.push_back({Kind::DeadlineComes, {}});
  } else if (window_is_open()) {
    out.push_back({Kind::TimePasses, {}});
  }
  return out;
}

void World::add_process_moves(std::vector<Move>& out, const Process& one) const {
  const auto add = [&](Kind kind) { out.push_back({kind, one.type}); };
  if (!one.confirmed) {
    add(Kind::SpawnSucceeds);
    add(Kind::SpawnFails);
    return;
  }
  const bool main = one.type == ProcessType::Main;
  if (!one.stopped) {  // a stopped process runs into nothing but KILL
    add(Kind::ExitsWith0);
    add(Kind::ExitsWith1);
  }
  if (!main) return;
  add(Kind::DiesBySignal);
  if (!one.stopped) add(Kind::Vanishes);
  if (shape_.expect == Shape::Expect::Stop)
    add(one.stopped ? Kind::IsContinued : Kind::StopsItself);
  if (one.traced) {
    if (instance()->process(one.type).forks < kMostForks) add(Kind::Forks);
    add(Kind::Executes);
  }
}

Force World::force(Move move) const {
  switch (move.kind) {
    case Kind::SpawnSucceeds:
    case Kind::SpawnFails:
    case Kind::GuardEnds:
    case Kind::DeadlineComes: return Force::Certain;
    case Kind::ExitsWith0:
    case Kind::ExitsWith1:
    case Kind::DiesBySignal:
    case Kind::Vanishes: {
      // Hooks are mortal. A main process may ignore TERM and live for ever; nobody ignores KILL.
      const bool certain = move.process != ProcessType::Main || process(move.process)->killed;
      return certain ? Force::Certain : Force::Possible;
    }
    case Kind::Reload:
    case Kind::Redefine:
    case Kind::DefineOther:
    case Kind::Undefine:
    case Kind::StopsItself:
    case Kind::IsContinued:
    case Kind::Forks:
    case Kind::Executes:
    case Kind::TimePasses: return Force::Noise;
    default: return Force::Wish;
  }
}

// ---------------------------------------------------------------- letting it happen

RequestId World::ask() {
  return *open_.insert(RequestId{++last_request_}).first;
}

void World::request(Verb verb, bool whole_job) {
  const auto id = ask();
  const auto* before = instance();
  const auto goal = before == nullptr ? Goal::Stop : before->goal();
  const auto state = before == nullptr ? State::Waiting : before->state();
  if (whole_job) {
    handle(core::JobRequest{id, verb, "job", {}, Wait::Yes});
  } else {
    handle(core::InstanceRequest{id, verb, "job", "", Wait::No});
  }
  if (verb == Verb::Restart && goal != Goal::Stop && state < State::Stopping) check_restart();
}

void World::emit(const char* name) {
  handle(core::EmitEvent{name, {}, ask(), Wait::Yes});
}

void World::end(ProcessType type, ProcessChange change) {
  processes_.erase(id_of(type));
  handle(std::move(change));
}

std::string World::apply(Move move) {
  output_.clear();
  transitions_.clear();
  instance_ended_ = false;
  const auto id = is_about_process(move.kind) ? id_of(move.process) : SpawnId{};
  switch (move.kind) {
    case Kind::StartJob: request(Verb::Start, true); break;
    case Kind::StopJob: request(Verb::Stop, true); break;
    case Kind::RestartJob: request(Verb::Restart, true); break;
    case Kind::StartInstance: request(Verb::Start, false); break;
    case Kind::StopInstance: request(Verb::Stop, false); break;
    case Kind::RestartInstance: request(Verb::Restart, false); break;
    case Kind::Reload: handle(core::ReloadRequest{ask(), "job", ""}); break;
    case Kind::EmitUp: emit("up"); break;
    case Kind::EmitDown: emit("down"); break;
    case Kind::EmitBoth: emit("both"); break;
    case Kind::EmitAlso: emit("also"); break;
    case Kind::Redefine: handle(core::ConfChange{core::JobDefined{definition_}}); break;
    case Kind::DefineOther: handle(core::ConfChange{core::JobDefined{other_definition_}}); break;
    case Kind::Undefine: handle(core::ConfChange{core::JobUndefined{"job"}}); break;
    case Kind::EndSession:
      handle(core::EndSession{shape_.changes == Shape::Changes::Logout
                                  ? core::EndSession::Type::Logout
                                  : core::EndSession::Type::Shutdown});
      break;
    case Kind::SpawnSucceeds:
      processes_.at(id).confirmed = true;
      handle(core::SpawnResult{id, ++last_pid_});
      break;
    case Kind::SpawnFails:
      processes_.erase(id);
      handle(core::SpawnResult{id, std::unexpected(core::SpawnFailure{ENOENT, "no such file"})});
      break;
    case Kind::ExitsWith0: end(move.process, {id, core::Exited{0}}); break;
    case Kind::ExitsWith1: end(move.process, {id, core::Exited{1}}); break;
    case Kind::DiesBySignal:
      end(move.process, {id, core::Signalled{processes_.at(id).killed ? SIGKILL : SIGTERM}});
      break;
    case Kind::Vanishes: end(move.process, {id, core::Vanished{}}); break;
    case Kind::StopsItself:
      processes_.at(id).stopped = true;
      handle(ProcessChange{id, core::Stopped{SIGSTOP}});
      break;
    case Kind::IsContinued: processes_.at(id).stopped = false; break;
    case Kind::Forks:
      processes_.at(id).must_resume = true;
      handle(ProcessChange{id, core::Forked{++last_pid_}});
      break;
    case Kind::Executes:
      processes_.at(id).must_resume = true;
      handle(ProcessChange{id, core::Executed{}});
      break;
    case Kind::GuardEnds:
      handle(core::InstanceRequest{ask(), Verb::Stop, "guard", "", Wait::No});
      break;
    case Kind::DeadlineComes:
      now_ = std::max(now_, deadline());
      handle(core::Tick{});
      break;
    case Kind::TimePasses:
      now_ += kRespawnWindow;
      handle(core::Tick{});
      break;
  }
  return output_;
}

/// When the next deadline comes that changes anything: while a process is alive, the checks of a
/// session that ends wait until it is too late.
TimePoint World::deadline() const {
  const auto next = *manager_.next_deadline();
  if (processes_.empty() || manager_.session_phase() == ServiceManager::SessionPhase::Up) {
    return next;
  }
  auto out = manager_.session_deadline();
  for (const auto& one : manager_.deadlines()) {
    if (one.instance != nullptr) out = std::min(out, one.due);
  }
  return out;
}

void World::handle(core::Input input) {
  manager_.handle(now_, std::move(input));
  check();
}

// ---------------------------------------------------------------- what must hold

void World::check() {
  if (const auto sound = manager_.check_invariants(); !sound) report(sound.error().message);
  check_processes();
  check_requests();
  check_deadlines();
}

/// The world knows which processes live; the manager must know the same, and need each of them.
void World::check_processes() {
  const auto* one = instance();
  for (const auto& [id, running] : processes_) {
    const auto type = conf::to_string(running.type);
    if (one == nullptr || one->process(running.type).spawn != id) {
      report(fmt::format("a {} process is alive that nobody supervises", type));
    }
    if (running.must_resume) {
      report(fmt::format("the {} process reported and is left stopped for ever", type));
    }
  }
  if (one == nullptr) return;
  const auto state = one->state();
  const auto& definition = one->job().definition();
  if (state == State::Running && definition.process(ProcessType::Main) &&
      process(ProcessType::Main) == nullptr) {
    report("running without its main process");
  }
  if (one->goal() == Goal::Respawn && (process(ProcessType::Main) != nullptr ||
                                       (state != State::PostStart && state != State::PreStop))) {
    report("goal respawn, but not: main has died while post-start or pre-stop runs");
  }
  if (state == State::Killed) {
    const auto* main = process(ProcessType::Main);
    if (main != nullptr && !main->signalled) report("killed, but main was sent no signal");
  }
}

/// Every request without an answer waits somewhere, where somebody will find it.
void World::check_requests() {
  std::set<RequestId> waiting;
  const auto add = [&](RequestId id) {
    if (!waiting.insert(id).second) report("a request waits in two places");
    if (!open_.contains(id)) report("a request waits that has been answered");
  };
  for (const auto& [name, job] : manager_.jobs()) {
    for (const auto& [key, one] : job->instances()) {
      for (const auto& holder : one->held()) {
        if (const auto* request = std::get_if<core::WaitingRequest>(&holder)) add(request->id);
      }
    }
  }
  for (const auto& [sequence, event] : manager_.events()) {
    for (const auto& waiter : event->waiters()) {
      if (const auto* request = std::get_if<RequestId>(&waiter)) add(*request);
    }
  }
  if (!failing_.empty()) report("a failure did not tell who waits");
  if (waiting.size() < open_.size()) report("a request was dropped without an answer");
}

/// A restart is begun at once or remembered, never forgotten (Q6).
void World::check_restart() {
  const auto* one = instance();
  const bool begun =
      std::ranges::find(transitions_, State::Stopping, &Transition::to) != transitions_.end();
  if (!begun && (one == nullptr || !one->restarting())) report("a restart was forgotten");
}

void World::check_deadlines() {
  if (manager_.next_deadline() == TimePoint{}) {
    report("a turn ended with work left: jobs that trigger each other for ever");
  }
  int kills = 0;
  int checks = 0;
  for (const auto& deadline : manager_.deadlines()) {
    if (deadline.instance == nullptr) {
      ++checks;
      continue;
    }
    ++kills;
    const auto* main = process(ProcessType::Main);
    if (deadline.instance != instance() || instance()->state() != State::Killed ||
        main == nullptr || main->killed) {
      report("the kill timer of nobody who is to be killed");
    }
  }
  const auto phase = manager_.session_phase();
  const bool ending = phase == ServiceManager::SessionPhase::Waiting ||
                      phase == ServiceManager::SessionPhase::Killing;
  if (kills > 1 || checks > 1) report("a deadline is armed twice");
  if (ending && checks == 0) report("the session ends, and nobody looks at it");
}

// ---------------------------------------------------------------- telling worlds apart

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
//   whether set up, and forks. SpawnIds are used for no order.
// - Deadlines in their order, relative to now. Now is always a whole second, as far as the respawn
//   window counts; a window that has closed or never opened is as good as none.
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
  const auto relative = [&](TimePoint time) { return (time - now_) / seconds(1); };
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
        add("forks", std::min(slot.forks, kMostForks));
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
  }
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
  if (!open_.empty()) text += fmt::format(", {} waiting", open_.size());
  return text;
}

// ---------------------------------------------------------------- what the manager does

void World::spawn(core::SpawnRequest request) {
  note(fmt::format("spawn {}", conf::to_string(request.type)));
  for (const auto& [id, other] : processes_) {
    const bool both_prepare =
        conf::serves_the_manager(other.type) && conf::serves_the_manager(request.type);
    const bool beside_main =
        other.type == ProcessType::Main &&
        (request.type == ProcessType::PostStart || request.type == ProcessType::PreStop);
    if (other.type == request.type || !(both_prepare || beside_main)) {
      report(fmt::format("{} is started while {} is alive", conf::to_string(request.type),
                         conf::to_string(other.type)));
    }
  }
  processes_[request.id] = {.type = request.type, .traced = request.trace};
}

void World::signal(SpawnId id, int signal, core::SignalTarget target) {
  note(fmt::format("signal {} {}", signal, target == core::SignalTarget::Group ? "group" : "one"));
  const auto found = processes_.find(id);
  if (found == processes_.end()) {
    report("a signal to a process that has ended");
    return;
  }
  auto& process = found->second;
  if (!process.confirmed) report("a signal to a process that is still being set up");
  if (signal == SIGKILL) {
    const seconds timeout(instance()->job().definition().kill_timeout_seconds);
    if (!process.signalled || now_ - process.signalled_at < timeout) {
      report("KILL before the kill timeout was over");
    }
    process.killed = true;
  } else if (target == core::SignalTarget::Group) {
    if (process.signalled) report("the signal to stop is sent twice");
    process.signalled = true;
    process.signalled_at = now_;
  }
}

void World::resume(SpawnId id, core::Resume how) {
  const bool detach = how == core::Resume::Detach;
  note(detach ? "detach" : "continue");
  const auto found = processes_.find(id);
  if (found == processes_.end()) {
    report("a process is resumed that has ended");
    return;
  }
  auto& process = found->second;
  if (!process.stopped && !process.must_resume) report("a process is resumed that was not stopped");
  process.stopped = false;
  process.must_resume = false;
  if (detach) process.traced = false;
}

void World::collect_log(SpawnId) {
  note("collect log");
}

void World::job_added(const core::JobClass& job) {
  note("job added " + job.name());
}
void World::job_removed(const core::JobClass& job) {
  note("job removed " + job.name());
}
void World::instance_added(const JobInstance& one) {
  note("instance added " + one.job().name());
}
void World::instance_removed(const JobInstance& one) {
  note("instance removed " + one.job().name());
}

void World::goal_changed(const JobInstance& one) {
  note(fmt::format("{} goal {}", one.job().name(), to_string(one.goal())));
  if (!is_job(one)) return;
  // The marker becomes a goal right before the transition that it stands for.
  marker_cleared_ = goal_ == Goal::Respawn && one.goal() == Goal::Start;
  goal_ = one.goal();
}

void World::state_changed(const JobInstance& one, State from) {
  note(fmt::format("{} state {}", one.job().name(), to_string(one.state())));
  if (!is_job(one)) return;
  // Before it is started and after it was killed main is dead in every case.
  const bool needs_main = !one.restarting() && from >= State::Spawned && from <= State::PreStop &&
                          one.job().definition().process(ProcessType::Main).has_value();
  transitions_.push_back({.from = from,
                          .goal = marker_cleared_ ? Goal::Respawn : one.goal(),
                          .restarting = one.restarting(),
                          .main_is_dead = needs_main && !one.process(ProcessType::Main).spawn,
                          .to = one.state()});
  marker_cleared_ = false;
  if (one.state() == State::Waiting) {
    instance_ended_ = true;
    goal_ = Goal::Stop;
  }
}

void World::failed(const JobInstance& one, int status) {
  note(fmt::format("{} failed {}", one.job().name(), status));
  for (const auto& holder : one.held()) {
    if (const auto* request = std::get_if<core::WaitingRequest>(&holder)) {
      failing_.insert(request->id);
    }
  }
}

void World::event_emitted(const core::Event& event) {
  const auto result = find_variable(event.environment(), "RESULT");
  const bool from_client = event.environment().empty();
  note(fmt::format("event {} {}{}", from_client ? "" : event.name(), result.value_or(""),
                   event.failed() ? " failed" : ""));
}

void World::replied(RequestId id, const core::Reply& reply) {
  const auto found = open_.find(id);
  if (found == open_.end()) {
    report("a request is answered twice");
    return;
  }
  note(reply ? "reply ok" : fmt::format("reply error {}", static_cast<int>(reply.error().code)));
  open_.erase(found);
  if (failing_.erase(id) != 0 && reply) report("a request was told of success after a failure");
}

void World::session_ended() {
  if (over_) report("the session ends twice");
  over_ = true;
  note("session ended");
}

}  // namespace upkeep::statespace
