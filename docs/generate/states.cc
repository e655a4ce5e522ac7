#include "states.h"

#include <algorithm>

namespace upkeep::docs {
namespace {

using Main = Facts::Main;

/// Goal respawn is set when main has died and a post-start or pre-stop process still runs; nothing
/// else sets it, and the next step takes it away.
bool can_occur(State state, Goal goal, Facts facts) {
  if (goal != Goal::Respawn) return true;
  return facts.main == Main::Dead && (state == State::PostStart || state == State::PreStop);
}

bool is_usual(Goal goal, Facts facts) {
  return facts == Facts{.main = goal == Goal::Respawn ? Main::Dead : Main::Alive};
}

}  // namespace

std::vector<State> all_states() {
  std::vector<State> states;
  states.reserve(core::kStates);
  for (std::size_t i = 0; i < core::kStates; ++i) states.push_back(static_cast<State>(i));
  return states;
}

std::vector<Facts> all_facts() {
  std::vector<Facts> all;
  for (const bool restarting : {false, true}) {
    for (const auto main : {Main::Alive, Main::Dead, Main::Undefined}) {
      all.push_back({main, restarting});
    }
  }
  return all;
}

StateText text_of(State state) {
  switch (state) {  // no default: a new state does not compile without its text
    case State::Waiting:
      return {"queues `stopped`; answers who waits; the instance is freed",
              "never: a new instance begins here and leaves at once", "no instance", "stopped"};
    case State::Starting:
      return {
          "takes over the variables of this start, forgets those of the last stop and the last "
          "failure; queues `starting` and is blocked by it",
          "the event `starting` has finished", "until its event is finished", "starting"};
    case State::SecuritySpawning:
      return {"starts the security and tmpfiles processes, where there are any", "at once", "", ""};
    case State::Security:
      return {"nothing", "neither of these runs", "until its processes have ended", ""};
    case State::PreStarting:
      return {"starts the pre-start process, if the job has one", "at once", "", ""};
    case State::PreStart:
      return {"nothing", "no pre-start process runs", "until pre-start has ended", ""};
    case State::Spawning: return {"starts the main process, if the job has one", "at once", "", ""};
    case State::Spawned:
      return {"nothing",
              "there is no main process, or it is ready: executed, or stopped, or forked, as "
              "`expect` has it; or it has died, or the goal becomes stop",
              "until main is ready", ""};
    case State::PostStarting:
      return {"starts the post-start process, if the job has one", "at once", "", ""};
    case State::PostStart:
      return {"nothing", "no post-start process runs, even if main has died meanwhile",
              "until post-start has ended", ""};
    case State::Running:
      return {
          "from post-start: queues `started`, and a service answers who waits; from pre-stop "
          "(the stop was cancelled): forgets the variables of the stop, answers who waits, no "
          "event",
          "the goal becomes stop, or main dies", "until told to stop, or main dies", "started"};
    case State::PreStopping:
      return {"starts the pre-stop process, if the job has one", "at once", "", ""};
    case State::PreStop:
      return {"nothing", "no pre-stop process runs, even if main has died meanwhile",
              "until pre-stop has ended", ""};
    case State::Stopping:
      return {"a remembered restart is now under way; queues `stopping` and is blocked by it",
              "the event `stopping` has finished", "until its event is finished", "stopping"};
    case State::Killed:
      return {"if main is alive: sends it the kill signal and arms the kill timer",
              "main is dead; when the timer fires it gets KILL", "until main is dead", ""};
    case State::PostStopping:
      return {"starts the post-stop process, if the job has one", "at once", "", ""};
    case State::PostStop:
      return {"nothing", "no post-stop process runs", "until post-stop has ended", ""};
  }
  return {};
}

std::vector<Edge> all_edges() {
  std::vector<Edge> edges;
  for (const auto from : all_states()) {
    for (const auto goal : kGoals) {
      for (const auto facts : all_facts()) {
        const auto to = next_state(from, goal, facts);
        if (to == from || !can_occur(from, goal, facts)) continue;
        const auto known = std::ranges::find_if(edges, [&](const Edge& edge) {
          return edge.from == from && edge.to == to && edge.goal == goal;
        });
        if (known == edges.end()) {
          edges.push_back({from, to, goal, is_usual(goal, facts)});
        } else {
          known->usual = known->usual || is_usual(goal, facts);
        }
      }
    }
  }
  return edges;
}

}  // namespace upkeep::docs
