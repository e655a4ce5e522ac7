#include "sim/run_scenario.h"

#include <algorithm>
#include <map>
#include <utility>

#include "sim/scenario_grammar.h"
#include "sim/simulation.h"
#include "sim/words.h"
#include <fmt/format.h>

namespace upkeep::sim {
namespace {

/// How long to wait for rest after the last action.
constexpr Duration kLongestRest = 3600s;
/// So many turns of the manager are enough for any scenario that somebody is to read.
constexpr std::uint64_t kMaxTurns = 20'000;
/// More of them where the end is waited for: jobs that start each other slowly, in step with the
/// ends of their processes, are no cycle that the manager tells of. They may go on through all
/// rounds in which everything is stopped, some 20 minutes, with about 100 turns a second each. And
/// in cycles that the manager has told of, how far to look on from there.
constexpr std::uint64_t kMaxTurnsToRest = 500'000;
constexpr std::uint64_t kPatience = 2000;
/// What may be waited for in one round of stopping everything; shorter where it may not end.
constexpr Duration kRound = 300s;
constexpr Duration kRoundInCycles = 60s;

class Run {
 public:
  Run(const ScenarioFile& scenario, Trace trace)
      : scenario_(&scenario),
        sim_({.job_environment = scenario.job_environment,
              .daemon_environment = scenario.daemon_environment,
              .apparmor_usable = scenario.apparmor}) {
    const bool cycles = scenario.finale == Finale::StopAllCycles;
    sim_.set_max_turns(scenario.finale == Finale::None ? kMaxTurns : kMaxTurnsToRest);
    if (cycles) sim_.allow_cycles(kPatience);
    sim_.set_traced(trace == Trace::Written);
    sim_.set_reuses_pids(scenario.reuses_pids);
    sim_.set_lots(scenario.lots);
    sim_.program = [this](const core::SpawnRequest& request) { return program(request); };
  }

  ScenarioResult run() {
    for (const auto& job : scenario_->jobs) define(job);
    for (const auto& [at, action] : scenario_->timeline) {
      go_to(at);
      std::visit([this](const auto& one) { act(one); }, action);
    }
    if (scenario_->finale != Finale::None) {
      stop_all();
    } else if (scenario_->until) {
      go_to(*scenario_->until);
    } else if (!sim_.run_until_quiet(kLongestRest)) {
      sim_.report(fmt::format("no rest within {}; write `until`", print_time(kLongestRest)));
    }
    note_the_end();
    return {sim_.trace(), sim_.violations(), sim_.sights()};
  }

 private:
  void go_to(Duration at) {
    const auto elapsed = sim_.now() - beginning_;
    if (at >= elapsed) sim_.run_for(at - elapsed);
  }

  Program program(const core::SpawnRequest& request) {
    const auto& job = request.definition->name;
    int left = ++runs_[{job, request.type}];
    const ProgramRun* chosen = nullptr;
    for (const auto& run : scenario_->programs) {
      if (run.job != job || run.process != request.type) continue;
      chosen = &run;
      if (--left == 0) break;
    }
    return chosen == nullptr ? Simulation::default_program(request) : chosen->program;
  }

  void define(const JobText& job) {
    std::string text;
    for (const auto& line : job.lines) text += fmt::format("{}\n", line);
    sim_.define(job.name, text);
  }

  void remember(const std::string& label, core::RequestId id) {
    if (!label.empty()) requests_[label] = id;
  }

  void expect(const std::string& what, const std::string& expected, const std::string& found) {
    if (expected == found) return;
    sim_.report(fmt::format("{} is {}, not {}", what, quote(found), quote(expected)));
  }

  // ---- actions

  void act(const Define& action) { define(action.job); }

  void act(const Undefine& action) { sim_.undefine(action.job); }

  void act(const Emit& action) {
    remember(action.label, sim_.emit(action.event, action.variables, action.wait, action.label));
  }

  void act(const Command& action) {
    const auto id = action.instance
                        ? sim_.instance_request(action.verb, action.job, *action.instance,
                                                action.wait, action.label)
                        : sim_.job_request(action.verb, action.job, action.variables, action.wait,
                                           action.label);
    remember(action.label, id);
  }

  void act(const Reload& action) {
    remember(action.label, sim_.reload(action.job, action.instance, action.label));
  }

  void act(const Harm& action) {
    const auto harm =
        action.effect == Harm::Effect::Kill ? &Simulation::kill : &Simulation::suspend;
    (sim_.*harm)(action.job, action.process, action.signal, action.instance);
  }

  void act(const ChangeEnvironment& action) {
    core::EnvironmentRequest request{.id = {}, .instance = {}, .change = {}};
    if (action.job) request.instance = core::InstanceKey{*action.job, action.instance};
    switch (action.change) {
      case ChangeEnvironment::Change::Set:
        request.change = core::SetVariables{action.variables, action.replace};
        break;
      case ChangeEnvironment::Change::Unset:
        request.change = core::UnsetVariables{action.variables};
        break;
      case ChangeEnvironment::Change::Reset: request.change = core::ResetVariables{}; break;
    }
    sim_.note(print_change(action));
    const auto id = sim_.request(
        [&](core::RequestId one) {
          request.id = one;
          return request;
        },
        action.label);
    remember(action.label, id);
    sim_.saw(sim_.outcome(id) == "ok" ? Sight::EnvironmentChanged : Sight::EnvironmentRefused);
  }

  void act(const End& action) {
    session_ends_ = true;
    sim_.end_session(action.type);
  }

  void act(const ClientGone& action) {
    const auto found = requests_.find(action.label);
    if (found == requests_.end()) {
      sim_.report(fmt::format("client-gone {}: no such request", quote(action.label)));
    } else {
      sim_.abandon(found->second);
    }
  }

  void act(const ExpectStatus& action) {
    expect(fmt::format("the status of {}{}{}", quote(action.job),
                       action.instance.empty() ? "" : " instance ", action.instance),
           action.status, sim_.status(action.job, action.instance));
  }

  void act(const ExpectReply& action) {
    const auto found = requests_.find(action.label);
    expect(fmt::format("the reply to {}", quote(action.label)), action.outcome,
           found == requests_.end() ? "no request" : sim_.outcome(found->second));
  }

  void act(const ExpectRuns& action) {
    expect(fmt::format("the number of runs of {} {}", quote(action.job),
                       conf::to_string(action.process)),
           fmt::format("{}", action.count),
           fmt::format("{}", sim_.spawn_count(action.job, action.process)));
  }

  // ---- the end

  /// Stops all that runs, round by round, until nothing starts any more; then once more with all
  /// jobs undefined, since half conditions let go of their events when their job goes. What is left
  /// is stuck.
  void stop_all() {
    const auto rounds = 2 * sim_.manager().jobs().size() + 2;
    stop_in_rounds(rounds);
    std::vector<std::string> names;
    for (const auto& [key, job] : sim_.manager().jobs()) names.push_back(key.name);
    for (const auto& name : names) sim_.undefine(name);
    stop_in_rounds(rounds);
    if (sim_.broken_off()) return;
    const bool rests = sim_.run_until_quiet(kRound);
    if (sim_.broken_off()) return;
    if (scenario_->finale == Finale::StopAllCycles && (!rests || any_up())) {
      sim_.saw(Sight::StayedUp);
    } else if (!rests) {
      sim_.report("there is no rest although everything has been stopped");
    } else {
      check_rest();
    }
  }

  void stop_in_rounds(std::size_t rounds) {
    const auto longest = scenario_->finale == Finale::StopAllCycles ? kRoundInCycles : kRound;
    for (std::size_t round = 0; round < rounds && !sim_.broken_off(); ++round) {
      std::vector<std::pair<std::string, std::string>> up;
      for (const auto& [key, job] : sim_.manager().jobs()) {
        for (const auto& [name, instance] : job->instances()) {
          if (instance->goal() != core::Goal::Stop) up.emplace_back(key.name, name);
        }
      }
      for (const auto& [job, instance] : up) {
        sim_.instance_request(core::Verb::Stop, job, instance, core::Wait::Yes);
      }
      if (sim_.run_until_quiet(longest) && !any_up()) return;
    }
  }

  /// Whether anything is up, or to come up.
  bool any_up() const {
    return std::ranges::any_of(sim_.manager().jobs(), [](const auto& entry) {
      return std::ranges::any_of(entry.second->instances(), [](const auto& instance) {
        return instance.second->goal() != core::Goal::Stop;
      });
    });
  }

  void check_rest() {
    for (const auto& [key, job] : sim_.manager().jobs()) {
      for (const auto& [name, instance] : job->instances()) {
        sim_.report(
            fmt::format("{} is stuck in {}", instance->title(), sim_.status(key.name, name)));
      }
    }
    if (session_ends_ && !sim_.has_ended()) sim_.report("the session does not end");
    if (!sim_.manager().jobs().empty()) sim_.report("a job without instances does not go away");
    if (!sim_.manager().events().empty()) sim_.report("events are left that nobody holds");
    if (sim_.live_processes() != 0) sim_.report("processes are left that no job knows");
    if (sim_.unanswered() != 0) {
      sim_.report(fmt::format("{} requests without reply", sim_.unanswered()));
    }
  }

  void note_the_end() {
    sim_.note("in the end:");
    for (const auto& [job_key, job] : sim_.manager().jobs()) {
      for (const auto& [key, instance] : job->instances()) {
        std::string line =
            fmt::format("  {} {}", printable(instance->title()), sim_.status(job_key.name, key));
        for (const auto type : conf::kAllProcessTypes) {
          if (const auto pid = instance->pid(type); pid != 0) {
            line += fmt::format(", {} {}", conf::to_string(type), pid);
          }
        }
        sim_.note(line);
      }
    }
    for (const auto id : sim_.open_requests()) sim_.note(fmt::format("  {} waits", sim_.label(id)));
    if (const auto count = sim_.manager().events().size(); count != 0) {
      sim_.note(fmt::format("  unfinished events: {}", count));
    }
  }

  const ScenarioFile* scenario_;
  Simulation sim_;
  TimePoint beginning_ = sim_.now();
  std::map<std::pair<std::string, core::ProcessType>, int> runs_;
  std::map<std::string, core::RequestId> requests_;
  bool session_ends_ = false;
};

}  // namespace

ScenarioResult run_scenario(const ScenarioFile& scenario, Trace trace) {
  return Run(scenario, trace).run();
}

}  // namespace upkeep::sim
