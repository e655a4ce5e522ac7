#include "sim/schedule.h"

#include <cerrno>
#include <csignal>

#include "sim/simulation.h"
#include <fmt/format.h>

namespace upkeep::sim {
namespace {

using core::ProcessType;
using core::Verb;
using core::Wait;

/// SplitMix64: the same numbers with every compiler and library.
class Dice {
 public:
  explicit Dice(std::uint64_t seed) : state_(seed) {}

  std::uint64_t next() {
    state_ += 0x9E3779B97F4A7C15U;
    auto z = state_;
    z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9U;
    z = (z ^ (z >> 27U)) * 0x94D049BB133111EBU;
    return z ^ (z >> 31U);
  }
  /// A number in [low, high].
  int number(int low, int high) {
    return low + static_cast<int>(next() % static_cast<std::uint64_t>(high - low + 1));
  }
  bool chance(int percent) { return number(1, 100) <= percent; }
  Duration time(int low_ms, int high_ms) {
    return std::chrono::milliseconds(number(low_ms, high_ms));
  }
  template <typename T>
  const T& pick(const std::vector<T>& from) {
    return from[next() % from.size()];
  }

 private:
  std::uint64_t state_;
};

class World {
 public:
  explicit World(std::uint64_t seed) : dice_(seed) {
    sim_.program = [this](const core::SpawnRequest& request) { return program(request); };
  }

  ScheduleResult run() {
    job_count_ = dice_.number(1, 6);
    for (int i = 0; i < job_count_; ++i) sim_.define(name(i), job_text(i));
    const int actions = dice_.number(5, 30);
    for (int i = 0; i < actions; ++i) {
      act();
      sim_.run_for(dice_.chance(50) ? dice_.time(0, 5) : dice_.time(0, 4000));
    }
    come_to_rest();
    return {sim_.violations(), sim_.trace()};
  }

 private:
  static std::string name(int index) { return fmt::format("j{}", index); }

  // ---- jobs

  std::string job_text(int index) {
    std::string text;
    const bool task = dice_.chance(30);
    const bool main = task || dice_.chance(85);  // a task without main never ends, and may not
    if (task) text += "task\n";
    if (main) text += "exec main\n";
    if (dice_.chance(40)) {
      text +=
          fmt::format("respawn\nrespawn limit {} {}\n", dice_.number(1, 5), dice_.number(1, 10));
    }
    for (const auto* hook : {"pre-start", "post-start", "pre-stop", "post-stop"}) {
      if (dice_.chance(30)) text += fmt::format("{} exec hook\n", hook);
    }
    if (dice_.chance(25)) text += "tmpfiles job.conf\n";
    if (dice_.chance(20)) text += "instance ${I:-x}\n";
    if (dice_.chance(5)) text += "instance $I\n";  // often there is no I
    if (dice_.chance(10)) text += dice_.pick<std::string>({"env I=a\n", "env I\n", "env I=\n"});
    if (dice_.chance(20)) {
      text += fmt::format("expect {}\n", dice_.pick<std::string>({"stop", "fork", "daemon"}));
    }
    text += fmt::format("kill timeout {}\n", dice_.number(0, 4));
    if (dice_.chance(20)) text += "normal exit 0 1 TERM\n";
    if (dice_.chance(20)) text += "export I\n";
    if (dice_.chance(75)) text += "start on " + condition(index) + "\n";
    if (dice_.chance(60)) text += "stop on " + condition(index) + "\n";
    return text;
  }

  /// Jobs listen to jobs of lower number only, so that every chain of consequences ends. Within
  /// `and` they listen to events that hold nobody up: half a condition holds its event for ever.
  std::string condition(int index) {
    const int leaves = dice_.number(1, 3);
    const bool with_and = leaves > 1 && dice_.chance(50);
    std::string text;
    for (int i = 0; i < leaves; ++i) {
      if (i > 0) text += with_and && (i == 1 || dice_.chance(50)) ? " and " : " or ";
      text += leaf(index, with_and);
    }
    return text;
  }

  std::string leaf(int index, bool harmless) {
    if (index == 0 || dice_.chance(50)) {
      return fmt::format(
          "e{}{}", dice_.number(0, 2),
          dice_.chance(30) ? dice_.pick<std::string>({" I=[ab]", " I!=a", " I=$I", " a"}) : "");
    }
    const std::vector<std::string> blocking{"starting", "stopping"};
    const std::vector<std::string> telling{"started", "stopped"};
    const auto& event = dice_.pick(harmless || dice_.chance(50) ? telling : blocking);
    return fmt::format("{} j{}{}", event, dice_.number(0, index - 1),
                       event == "stopped" && dice_.chance(20) ? " RESULT=failed" : "");
  }

  // ---- programs: mortal, but in every other way unpleasant

  Program program(const core::SpawnRequest& request) {
    Program program;
    program.set_up = dice_.time(0, dice_.chance(10) ? 1000 : 3);
    program.takes_to_die = dice_.time(0, dice_.chance(20) ? 6000 : 3);
    program.ignores_term = dice_.chance(15);
    program.vanishes = dice_.chance(3);
    if (dice_.chance(4)) program.spawn_error = ENOENT;
    if (dice_.chance(30)) program.status = dice_.number(1, 3);
    if (dice_.chance(10)) program.dies_by = SIGSEGV;
    program.runs = dice_.time(0, dice_.chance(30) ? 3000 : 3);
    if (request.type != ProcessType::Main) return program;

    program.ready_after = dice_.time(0, 100);
    program.stops_itself = request.definition->expect == conf::Expect::Stop && dice_.chance(70);
    program.forks = dice_.number(0, 3);
    if (dice_.chance(30)) program.executes_after = dice_.number(0, 2);
    // Only a program that will be ready may run for ever.
    const bool ready = request.definition->expect == conf::Expect::None || program.stops_itself;
    if (!request.definition->task && ready && dice_.chance(70)) program.runs.reset();
    return program;
  }

  // ---- the timeline

  void act() {
    const auto job = name(dice_.number(0, job_count_ - 1));
    const auto wait = dice_.chance(70) ? Wait::Yes : Wait::No;
    Environment environment;
    if (dice_.chance(30)) environment = {fmt::format("I={}", dice_.chance(50) ? "a" : "b")};
    // Mostly the unnamed one, for most jobs have no other.
    const auto instance = dice_.chance(60) ? "" : dice_.pick<std::string>({"x", "a", "b"});
    switch (dice_.number(0, 11)) {
      case 0:
      case 1:
      case 2: sim_.emit(fmt::format("e{}", dice_.number(0, 2)), environment, wait); break;
      case 3:
      case 4: sim_.start(job, environment, wait); break;
      case 5: sim_.stop(job, environment, wait); break;
      case 6: sim_.restart(job, environment, wait); break;
      case 7: {
        const auto verb = dice_.pick<Verb>({Verb::Start, Verb::Stop, Verb::Restart});
        sim_.instance_request(verb, job, instance, wait);
        break;
      }
      case 8: sim_.kill_main(job, dice_.chance(50) ? SIGKILL : SIGTERM, instance); break;
      case 9: sim_.reload(job, instance); break;
      case 10: {
        if (!dice_.chance(15)) {
          sim_.stop_main(job, dice_.chance(70) ? SIGSTOP : SIGTSTP, instance);
          break;
        }
        session_ending_ = true;  // the world goes on meanwhile, and even after it
        const bool logout = dice_.chance(50);
        sim_.end_session(logout ? core::EndSession::Type::Logout
                                : core::EndSession::Type::Shutdown);
        break;
      }
      default: {
        const int index = dice_.number(0, job_count_ - 1);
        if (dice_.chance(25)) {
          sim_.undefine(name(index));
        } else {
          sim_.define(name(index), job_text(index));
        }
      }
    }
  }

  /// Stops all that runs until nothing starts any more: each round silences at least the lowest
  /// job that still reacts. What is left then is stuck.
  void come_to_rest() {
    for (int round = 0; round < 2 * job_count_ + 2; ++round) {
      std::vector<std::pair<std::string, std::string>> up;
      for (const auto& [job_key, job] : sim_.manager().jobs()) {
        for (const auto& [key, instance] : job->instances()) {
          if (instance->goal() != core::Goal::Stop) up.emplace_back(job_key.name, key);
        }
      }
      for (const auto& [job, instance] : up) {
        sim_.instance_request(Verb::Stop, job, instance, Wait::Yes);
      }
      sim_.run_for(300s);
    }
    for (const auto& [job_key, job] : sim_.manager().jobs()) {
      for (const auto& [key, instance] : job->instances()) {
        stuck(fmt::format("{} is stuck in {}", instance->title(), sim_.status(job_key.name, key)));
      }
    }
    if (session_ending_ && !sim_.has_ended()) stuck("the session does not end");
    // Half conditions let go of their events when their job goes.
    for (int i = 0; i < job_count_; ++i) sim_.undefine(name(i));
    sim_.run_for(1s);
    if (!sim_.manager().jobs().empty()) stuck("a job without instances does not go away");
    if (!sim_.manager().events().empty()) stuck("events are left that nobody holds");
    if (sim_.live_processes() != 0) stuck("processes are left that no job knows");
    if (sim_.unanswered() != 0) stuck(fmt::format("{} requests without reply", sim_.unanswered()));
  }

  void stuck(const std::string& what) { sim_.report(what); }

  Dice dice_;
  Simulation sim_;
  int job_count_ = 0;
  bool session_ending_ = false;
};

}  // namespace

ScheduleResult run_schedule(std::uint64_t seed) {
  return World(seed).run();
}

}  // namespace upkeep::sim
