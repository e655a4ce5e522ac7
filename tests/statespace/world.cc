#include "statespace/world.h"

#include <algorithm>
#include <array>
#include <csignal>

#include <fmt/format.h>

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

bool is_about_process(Kind kind) {
  return kind >= Kind::SpawnSucceeds && kind <= Kind::HandsOverAsHelper;
}

}  // namespace

std::string to_string(Move move) {
  constexpr std::array<std::string_view, 33> kNames{
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
      "rests",
      "says that it is ready",
      "ends and leaves a child",
      "ends as a helper",
      "nothing is left of the tree",
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
  if (ending_) out.push_back({Kind::TreeEmpties, {}});
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
  if (shape_.stops_itself()) add(one.stopped ? Kind::IsContinued : Kind::StopsItself);
  if (one.traced) {
    if (instance()->process(one.type).forks < kMostForks) add(Kind::Forks);
    add(Kind::Executes);
  }
  if (one.stopped) return;
  if (one.may_settle) add(Kind::Settles);
  if (one.may_say_ready) add(Kind::SaysReady);
  add(Kind::HandsOverAsHelper);
  add(Kind::HandsOver);
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
      const auto& one = *process(move.process);
      const bool certain = move.process != ProcessType::Main || is_killed(one);
      return certain ? Force::Certain : Force::Possible;
    }
    // What is left of it may ignore TERM, too.
    case Kind::TreeEmpties: return ending_->killed ? Force::Certain : Force::Possible;
    case Kind::Reload:
    case Kind::Redefine:
    case Kind::DefineOther:
    case Kind::Undefine:
    case Kind::StopsItself:
    case Kind::IsContinued:
    case Kind::Forks:
    case Kind::Executes:
    case Kind::Settles:
    case Kind::SaysReady:
    case Kind::HandsOver:  // one survivor after the other
    case Kind::HandsOverAsHelper:
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

/// Main ends, but something that it has left takes its place if the manager wants that.
void World::hand_over(SpawnId id, core::Death end, bool was_helper) {
  auto& process = processes_.at(id);
  process.must_resume = true;
  process.handed_over = true;
  handle(ProcessChange{
      id, core::Orphaned{.end = end, .survivor = ++last_pid_, .was_helper = was_helper}});
}

bool World::is_killed(const Process& one) {
  return one.killed || one.dying;
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
      end(move.process, {id, core::Signalled{is_killed(processes_.at(id)) ? SIGKILL : SIGTERM}});
      break;
    case Kind::Vanishes: end(move.process, {id, core::Vanished{}}); break;
    case Kind::StopsItself:
      processes_.at(id).stopped = true;
      processes_.at(id).may_settle = false;
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
    case Kind::Settles:
      processes_.at(id).may_settle = false;
      processes_.at(id).settled = true;
      handle(ProcessChange{id, core::Settled{}});
      break;
    case Kind::SaysReady:
      processes_.at(id).may_settle = false;
      processes_.at(id).may_say_ready = false;
      handle(ProcessChange{id, core::Ready{}});
      break;
    case Kind::HandsOver: hand_over(id, core::Exited{0}, false); break;
    case Kind::HandsOverAsHelper: hand_over(id, core::Exited{1}, true); break;
    case Kind::TreeEmpties: {
      // Main has ended with it, and that is told later.
      for (auto& [process_id, process] : processes_) process.dying = true;
      const auto tree = std::exchange(ending_, std::nullopt)->tree;
      handle(core::TreeEmptied{tree});
      break;
    }
    case Kind::GuardEnds:
      handle(core::InstanceRequest{ask(), Verb::Stop, "guard", "", Wait::No});
      break;
    case Kind::DeadlineComes:
      // Never within a second, where the respawn window would count another way.
      now_ = std::max<TimePoint>(now_, std::chrono::ceil<seconds>(deadline()));
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
  const bool all_ended = processes_.empty() && !ending_;
  if (all_ended || manager_.session_phase() == ServiceManager::SessionPhase::Up) {
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
    if (main != nullptr && !main->signalled && !main->killed) {
      report("killed, but main was sent no signal");
    }
  }
  if (ending_ && !one->waits_for_process()) report("the end of its tree is not waited for");
  const bool ends_tree = definition.kill_mode == conf::KillMode::Tree && state == State::Killed;
  if (ends_tree && !ending_ && process(ProcessType::Main) == nullptr) {
    report("killed, but its tree was not told to end");
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
    const auto state = deadline.instance->state();
    // In spawned it is the time that main has to become ready.
    const bool ends_main =
        (state == State::Spawned || state == State::Killed) && main != nullptr && !main->killed;
    const bool ends_tree = ending_ && !ending_->killed;
    if (deadline.instance != instance() || !(ends_main || ends_tree)) {
      report("the kill timer of nobody who is to be killed");
    }
  }
  const auto phase = manager_.session_phase();
  const bool ending = phase == ServiceManager::SessionPhase::Waiting ||
                      phase == ServiceManager::SessionPhase::Killing;
  if (kills > 1 || checks > 1) report("a deadline is armed twice");
  if (ending && checks == 0) report("the session ends, and nobody looks at it");
}

}  // namespace upkeep::statespace
