// What the manager does to the world.
#include <csignal>

#include "statespace/world.h"
#include <fmt/format.h>

#include "base/strings.h"
#include "core/event.h"
#include "core/job_class.h"

namespace upkeep::statespace {

using core::Goal;
using core::JobInstance;
using core::ProcessType;
using core::RequestId;
using core::SpawnId;
using core::State;
using std::chrono::seconds;

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
  if (ending_) report("a process is started in a tree that is being ended");
  const bool main = request.type == ProcessType::Main;
  processes_[request.id] = {.type = request.type,
                            .traced = request.trace,
                            .may_settle = request.settles_after > seconds(0),
                            .may_say_ready = main && shape_.says_ready()};
}

void World::signal(SpawnId id, int signal, core::SignalTarget target) {
  note(fmt::format("signal {} {}", signal, target == core::SignalTarget::Group ? "group" : "one"));
  const auto found = processes_.find(id);
  if (found == processes_.end()) {
    report("a signal to a process that has ended");
    return;
  }
  send(found->second, signal, target == core::SignalTarget::Group);
}

void World::send(Process& process, int signal, bool asks_to_end) {
  if (!process.confirmed) {  // nothing but KILL ends a set-up, so that is what the platform sends
    process.dying = true;
    process.killed = signal == SIGKILL;
    process.signalled = true;
    if (!process.asked_at) process.asked_at = now_;
    return;
  }
  if (signal == SIGKILL) {
    const seconds timeout(instance()->job().definition().kill_timeout_seconds);
    if (!process.asked_at || now_ - *process.asked_at < timeout) {
      report("KILL before the kill timeout was over");
    }
    process.killed = true;
  } else if (asks_to_end) {
    if (process.signalled) report("the signal to stop is sent twice");
    process.signalled = true;
    if (!process.asked_at) process.asked_at = now_;
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
  if (!process.stopped && !process.must_resume && !process.settled) {
    report("a process is resumed that was not stopped");
  }
  process.stopped = false;
  process.settled = false;
  process.must_resume = false;
  if (process.handed_over) {
    if (detach) {
      processes_.erase(found);
      return;
    }
    // The survivor has got only what its whole tree was sent.
    process.handed_over = false;
    process.traced = false;
    process.dying = false;
    process.killed = ending_ && ending_->killed;
    process.signalled = ending_.has_value();
  }
  if (detach) {
    process.traced = false;
    process.may_settle = false;
  }
}

void World::end_tree(core::TreeId tree, int signal) {
  note(fmt::format("signal {} tree", signal));
  if (instance() == nullptr || instance()->tree() != tree) report("the tree of nobody is ended");
  if (!ending_) ending_ = {.tree = tree, .since = now_};
  if (signal == SIGKILL) {
    const seconds timeout(instance()->job().definition().kill_timeout_seconds);
    if (now_ - ending_->since < timeout) report("KILL before the kill timeout was over");
    ending_->killed = true;
  }
  for (auto& [id, process] : processes_) send(process, signal, true);
}

void World::forget_tree(core::TreeId) {}

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
