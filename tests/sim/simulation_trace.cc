// What can be seen of a simulation: its trace, and the rules that it must not break.
#include <algorithm>

#include "sim/simulation.h"
#include "sim/words.h"
#include <fmt/format.h>

#include "base/signals.h"

namespace upkeep::sim {

using core::Input;
using core::ProcessChange;
using core::ProcessType;
using core::RequestId;
using core::SpawnId;

namespace {

std::string key(const core::JobInstance& instance) {
  return instance.job().session() + instance.job().name() + "/" + instance.name();
}

std::string title(const core::JobInstance& instance) {
  return sim::title(instance.job().name(), instance.name());
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
  } else if (const auto* orphaned = std::get_if<core::Orphaned>(&change->what)) {
    note(fmt::format("{} ends{} and leaves {}", name, orphaned->was_helper ? " as a helper" : "",
                     orphaned->survivor));
  } else if (std::holds_alternative<core::Ready>(change->what)) {
    note(fmt::format("{} says that it is ready", name));
  } else if (std::holds_alternative<core::Settled>(change->what)) {
    note(fmt::format("{} rests", name));
  } else if (std::holds_alternative<core::KeepAlive>(change->what)) {
    note(fmt::format("{} gives a sign of life", name));
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
  const bool whole = instance.job().definition().kill_mode == conf::KillMode::Tree;
  if (whole && instance.state() == core::State::Waiting) check_nothing_left(instance);
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

/// `stopped` is told of only when the tree is empty.
void Simulation::check_nothing_left(const core::JobInstance& instance) {
  const auto found = trees_.find(instance.tree());
  if (found != trees_.end() && found->second.left_behind > 0) {
    report(fmt::format("{} has stopped but left processes behind", title(instance)));
  }
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
      Sign{" is not ready after ", Sight::NotReadyInTime},
      Sign{" runs on and is followed", Sight::SurvivorFollowed},
      Sign{" was a helper and has ended", Sight::SurvivorFollowed},
      Sign{" runs on unsupervised", Sight::SurvivorLetGo},
      Sign{" gives no sign of life", Sight::WatchdogExpired},
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
