// Dice draw one after the other, each in a statement of its own or in an order that C++ fixes:
// the order in which the arguments of a function are computed differs from compiler to compiler.
#include "sim/schedule.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>

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
  template <typename T, std::size_t N>
  const T& pick(const std::array<T, N>& from) {
    return from[next() % N];
  }

 private:
  std::uint64_t state_;
};

template <typename... Texts>
constexpr auto texts(Texts... all) {
  return std::array{std::string_view(all)...};
}

class Generator {
 public:
  explicit Generator(std::uint64_t seed) : dice_(seed) {}

  ScenarioFile generate() {
    job_count_ = dice_.number(1, 6);
    cycles_ = dice_.chance(30);
    file_.finale = cycles_ ? Finale::StopAllCycles : Finale::StopAll;
    file_.apparmor = dice_.chance(20);
    file_.reuses_pids = dice_.chance(50);
    if (dice_.chance(25)) {
      const auto every = dice_.time(1, 50);
      file_.lots = Lots{.every = every, .latest_first = dice_.chance(50)};
    }
    if (dice_.chance(20)) file_.job_environment = {"PATH=/bin", "I=t"};
    if (dice_.chance(20)) file_.daemon_environment = {"I=d"};
    for (int i = 0; i < job_count_; ++i) {
      auto lines = job_lines(i);
      file_.jobs.push_back({name(i), std::move(lines)});
    }
    for (int i = 0; i < job_count_; ++i) add_programs(name(i));
    const int actions = dice_.number(5, 30);
    for (int i = 0; i < actions; ++i) {
      act();
      now_ += dice_.chance(50) ? dice_.time(0, 5) : dice_.time(0, 4000);
    }
    return std::move(file_);
  }

 private:
  static std::string name(int index) { return fmt::format("j{}", index); }

  // ---- jobs

  std::vector<std::string> job_lines(int index) {
    std::vector<std::string> lines;
    const auto add = [&](std::string_view line) { lines.emplace_back(line); };
    const bool task = dice_.chance(30);
    if (task) add("task");
    if (dice_.chance(task ? 95 : 85)) add("exec main");
    if (dice_.chance(40)) {
      add("respawn");
      const int count = dice_.number(1, 5);
      const int interval = dice_.number(1, 10);
      add(fmt::format("respawn limit {} {}", count, interval));
    }
    for (const auto* hook : {"pre-start", "post-start", "pre-stop", "post-stop"}) {
      if (dice_.chance(30)) add(fmt::format("{} exec hook", hook));
    }
    if (dice_.chance(25)) add("tmpfiles job.conf");
    if (file_.apparmor && dice_.chance(30)) add("apparmor load /profile");
    if (dice_.chance(20)) {
      add("instance ${I:-x}");
    } else if (dice_.chance(5)) {
      add("instance $I");  // often there is no I
    }
    if (dice_.chance(10)) add(dice_.pick(texts("env I=a", "env I", "env I=")));
    if (dice_.chance(20)) {
      const auto kinds = texts("stop", "fork", "daemon", "auto", "notify", "fd 3");
      add(fmt::format("expect {}", dice_.pick(kinds)));
      if (dice_.chance(20)) add(fmt::format("expect timeout {}", dice_.number(0, 4)));
      if (dice_.chance(20)) add(fmt::format("expect watchdog {}", dice_.number(0, 3)));
    }
    add(fmt::format("kill timeout {}", dice_.number(0, 4)));
    if (dice_.chance(30)) add(fmt::format("kill mode {}", dice_.pick(texts("main", "tree"))));
    if (dice_.chance(20)) add("normal exit 0 1 TERM");
    if (dice_.chance(20)) add("export I");
    if (dice_.chance(75)) add("start on " + condition(index));
    if (dice_.chance(60)) add("stop on " + condition(index));
    return lines;
  }

  /// Without cycles jobs listen to jobs of lower number only, so that every chain of consequences
  /// ends. With them nothing blocking stands within `and`: two jobs could hold each other by halves
  /// of their conditions, for ever, as they are meant to.
  std::string condition(int index) {
    const int leaves = dice_.number(1, 3);
    const bool with_and = leaves > 1 && dice_.chance(50);
    std::string text;
    for (int i = 0; i < leaves; ++i) {
      if (i > 0) text += with_and && (i == 1 || dice_.chance(50)) ? " and " : " or ";
      text += leaf(index, with_and && cycles_);
    }
    return text;
  }

  std::string leaf(int index, bool harmless) {
    if ((index == 0 && !cycles_) || dice_.chance(cycles_ ? 30 : 50)) {
      if (dice_.chance(5)) return "session-end";
      auto text = fmt::format("e{}", dice_.number(0, 2));
      if (dice_.chance(30)) text += dice_.pick(texts(" I=[ab]", " I!=a", " I=$I", " a"));
      return text;
    }
    const bool telling = harmless || dice_.chance(50);
    const auto event = telling ? dice_.pick(texts("started", "stopped"))
                               : dice_.pick(texts("starting", "stopping"));
    const int other = cycles_ ? dice_.number(0, job_count_ - 1) : dice_.number(0, index - 1);
    auto text = fmt::format("{} j{}", event, other);
    if (event == "stopped" && dice_.chance(20)) text += " RESULT=failed";
    return text;
  }

  // ---- programs: unpleasant in every way

  void add_programs(const std::string& job) {
    for (const auto type : conf::kAllProcessTypes) {
      if (type != ProcessType::Main && dice_.chance(30)) continue;  // the default ones will do
      const int runs = dice_.number(1, 4);
      for (int i = 0; i < runs; ++i) {
        auto run = program(type);
        file_.programs.push_back({job, type, std::move(run)});
      }
    }
  }

  Program program(ProcessType type) {
    Program program;
    program.set_up = dice_.time(0, dice_.chance(10) ? 1000 : 3);
    program.takes_to_die = dice_.time(0, dice_.chance(20) ? 6000 : 3);
    program.ignores_term = dice_.chance(15);
    program.vanishes = dice_.chance(3);
    if (dice_.chance(6)) {
      program.temporary = dice_.chance(60);
      program.spawn_error = program.temporary ? EAGAIN : ENOENT;
      return program;
    }
    if (dice_.chance(30)) program.status = dice_.number(1, 3);
    if (dice_.chance(10)) program.dies_by = SIGSEGV;
    program.runs = dice_.time(0, dice_.chance(30) ? 3000 : 3);
    program.ends_before_result = dice_.chance(6);
    if (dice_.chance(15)) program.leaves = dice_.number(1, 3);
    if (type != ProcessType::Main || program.ends_before_result) return program;

    program.ready_after = dice_.time(0, 100);
    program.stops_itself = dice_.chance(20);
    program.forks = dice_.number(0, 3);
    if (dice_.chance(30)) program.executes_after = dice_.number(0, 2);
    program.never_rests = dice_.chance(20);
    program.says_ready = dice_.chance(50);
    program.signs_of_life = dice_.number(0, 5);
    if (dice_.chance(20)) {
      program.hands_over = dice_.number(1, 2);
      program.is_helper = dice_.chance(20);
      if (dice_.chance(50)) program.status = 0;
    }
    if (dice_.chance(60)) program.runs.reset();
    return program;
  }

  // ---- the timeline

  void add(Action action) { file_.timeline.push_back({now_, std::move(action)}); }

  Environment variables() {
    if (!dice_.chance(30)) return {};
    return {dice_.chance(50) ? "I=a" : "I=b"};
  }

  /// Mostly the unnamed one, for most jobs have no other.
  std::string instance() {
    if (dice_.chance(60)) return {};
    return std::string(dice_.pick(texts("x", "a", "b")));
  }

  void act() {
    const int index = dice_.number(0, job_count_ - 1);
    const auto job = name(index);
    const auto wait = dice_.chance(70) ? Wait::Yes : Wait::No;
    // Some clients do not wait to the end.
    std::string label;
    if (dice_.chance(15)) label = fmt::format("C{}", file_.timeline.size());
    switch (dice_.number(0, 13)) {
      case 0:
      case 1:
      case 2: {
        auto event = fmt::format("e{}", dice_.number(0, 2));
        add(Emit{std::move(event), variables(), wait, label});
        break;
      }
      case 3:
      case 4: command(Verb::Start, job, wait, label); break;
      case 5: command(Verb::Stop, job, wait, label); break;
      case 6: command(Verb::Restart, job, wait, label); break;
      case 7: {
        const auto verb = dice_.pick(std::array{Verb::Start, Verb::Stop, Verb::Restart});
        add(Command{
            .verb = verb, .job = job, .instance = instance(), .wait = wait, .label = label});
        break;
      }
      case 8: harm(Harm::Effect::Kill, job); break;
      case 9: add(Reload{job, instance(), label}); break;
      case 10: {
        if (!dice_.chance(15)) {
          harm(Harm::Effect::Suspend, job);
          break;
        }
        const bool logout = dice_.chance(50);  // the world goes on meanwhile, and even after it
        add(End{logout ? core::EndSession::Type::Logout : core::EndSession::Type::Shutdown});
        break;
      }
      case 11: change_environment(job, label); break;
      case 12: {  // in the middle of what this brings about
        command(dice_.chance(60) ? Verb::Start : Verb::Stop, job, wait, label);
        now_ += dice_.time(0, 4);
        change_definition(index);
        break;
      }
      default: change_definition(dice_.number(0, job_count_ - 1));
    }
    if (has_label(label)) {
      now_ += dice_.time(0, dice_.chance(50) ? 4 : 1000);
      add(ClientGone{label});
    }
  }

  /// Whether a request has been made under it.
  [[nodiscard]] bool has_label(const std::string& label) const {
    if (label.empty()) return false;
    return std::ranges::any_of(file_.timeline, [&](const TimedAction& timed) {
      const auto label_of = []<typename T>(const T& one) -> std::string {
        if constexpr (requires { one.wait; } || std::is_same_v<T, Reload> ||
                      std::is_same_v<T, ChangeEnvironment>) {
          return one.label;
        } else {
          return {};
        }
      };
      return std::visit(label_of, timed.action) == label;
    });
  }

  void command(Verb verb, const std::string& job, Wait wait, const std::string& label) {
    add(Command{.verb = verb, .job = job, .variables = variables(), .wait = wait, .label = label});
  }

  void harm(Harm::Effect effect, const std::string& job) {
    const auto process = dice_.chance(80) ? ProcessType::Main : dice_.pick(conf::kAllProcessTypes);
    int signal = dice_.chance(50) ? SIGKILL : SIGTERM;
    if (effect == Harm::Effect::Suspend) signal = dice_.chance(70) ? SIGSTOP : SIGTSTP;
    add(Harm{effect, job, process, signal, instance()});
  }

  void change_environment(const std::string& job, const std::string& label) {
    using Change = ChangeEnvironment::Change;
    ChangeEnvironment change{.label = label};
    change.change = dice_.pick(std::array{Change::Set, Change::Set, Change::Unset, Change::Reset});
    if (change.change == Change::Set) {
      change.variables = {std::string(dice_.pick(texts("I=a", "I=b", "I", "PATH=/x", "=")))};
      change.replace = dice_.chance(70);
    } else if (change.change == Change::Unset) {
      change.variables = {std::string(dice_.pick(texts("I", "PATH", "UPSTART_JOB")))};
    }
    if (dice_.chance(50)) {
      change.job = job;
      change.instance = instance();
    }
    add(std::move(change));
  }

  void change_definition(int index) {
    if (dice_.chance(25)) {
      add(Undefine{name(index)});
    } else {
      auto lines = job_lines(index);
      add(Define{{name(index), std::move(lines)}});
    }
  }

  Dice dice_;
  ScenarioFile file_{.comment = {}};
  int job_count_ = 0;
  bool cycles_ = false;
  Duration now_{};
};

}  // namespace

ScenarioFile generate_schedule(std::uint64_t seed) {
  auto file = Generator(seed).generate();
  file.comment = {fmt::format("upkeep-sim --seed={}", seed)};
  return file;
}

}  // namespace upkeep::sim
