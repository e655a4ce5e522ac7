#include "sim/run_scenario.h"

#include <map>
#include <utility>

#include "sim/simulation.h"
#include "sim/words.h"
#include <fmt/format.h>

namespace upkeep::sim {
namespace {

/// How long to wait for rest after the last action.
constexpr Duration kLongestRest = 3600s;
/// So many turns of the manager are enough for any scenario that somebody is to read.
constexpr std::uint64_t kMaxTurns = 20'000;

class Run {
 public:
  explicit Run(const ScenarioFile& scenario)
      : scenario_(&scenario),
        sim_({.job_environment = scenario.job_environment,
              .daemon_environment = scenario.daemon_environment}) {
    sim_.set_max_turns(kMaxTurns);
    sim_.program = [this](const core::SpawnRequest& request) { return program(request); };
  }

  ScenarioResult run() {
    for (const auto& job : scenario_->jobs) define(job);
    for (const auto& [at, action] : scenario_->timeline) {
      go_to(at);
      std::visit([this](const auto& one) { act(one); }, action);
    }
    if (scenario_->until) {
      go_to(*scenario_->until);
    } else if (!sim_.run_until_quiet(kLongestRest)) {
      sim_.report(fmt::format("no rest within {}; write `until`", print_time(kLongestRest)));
    }
    note_the_end();
    return {sim_.trace(), sim_.violations()};
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

  void act(const End& action) { sim_.end_session(action.type); }

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
};

}  // namespace

ScenarioResult run_scenario(const ScenarioFile& scenario) {
  return Run(scenario).run();
}

}  // namespace upkeep::sim
