#include "core/wait_cycles.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <random>
#include <set>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "conf/parser.h"

namespace upkeep::core {
namespace {

WaitingJob job(std::string name, const std::string& text) {
  const auto parsed = conf::parse_job(text + "\n");
  EXPECT_TRUE(parsed) << text;
  const auto& definition = parsed->definition;
  return {std::move(name), leaves_of(definition.start_on), leaves_of(definition.stop_on),
          !definition.instance.value().empty()};
}

std::string short_form(const WaitCycle& cycle) {
  std::string out = cycle.kind == WaitCycle::Kind::Hang ? "hang:" : "order:";
  for (const auto& step : cycle.steps) {
    out += fmt::format(" {} {} on {}", step.job,
                       step.reaction == WaitPhase::Starting ? "start" : "stop", step.leaf.event);
    for (const auto& argument : step.leaf.arguments) out += fmt::format(" {}", argument);
    out += ";";
  }
  return out;
}

using Lines = std::vector<std::string>;

Lines find(const std::vector<WaitingJob>& jobs, std::string_view only = {}) {
  Lines lines;
  for (const auto& cycle : find_wait_cycles(jobs, only).cycles) lines.push_back(short_form(cycle));
  return lines;
}

TEST(WaitCycles, EachBeforeTheOther) {
  EXPECT_EQ(find({job("a", "start on starting b"), job("b", "start on starting a")}),
            Lines{"order: a start on starting b; b start on starting a;"});
  // Bound together, or taking turns: what is on the way down keeps nobody from coming up.
  EXPECT_EQ(find({job("b", "stop on stopping JOB=a"), job("a", "stop on stopping b RESULT=ok")}),
            Lines{});
  EXPECT_EQ(find({job("a", "start on stopping b"), job("b", "stop on starting a")}), Lines{});
  // A half condition keeps the event, too (spec/runtime.md 3.3).
  EXPECT_EQ(find({job("a", "start on x and starting b"), job("b", "start on y or starting a")}),
            Lines{"order: a start on starting b; b start on starting a;"});
}

TEST(WaitCycles, RingsAreFoundOnceAndInAFixedOrder) {
  std::vector<WaitingJob> ring{job("c", "start on starting b"), job("a", "start on starting c"),
                               job("b", "start on starting a")};
  const Lines expected{
      "order: a start on starting c; b start on starting a; c start on starting b;"};
  EXPECT_EQ(find(ring), expected);
  std::ranges::reverse(ring);
  EXPECT_EQ(find(ring), expected);
  // Of those that share jobs, a shortest one.
  ring[0] = job("b", "start on starting a or starting d");
  ring.push_back(job("d", "start on starting c or starting e"));
  ring.push_back(job("e", "start on starting d"));
  EXPECT_EQ(find(ring), Lines{"order: d start on starting e; e start on starting d;"});
}

TEST(WaitCycles, AJobThatIsTurnedRoundByWhatItWaitsFor) {
  EXPECT_EQ(find({job("web", "stop on starting db"), job("db", "start on starting web")}),
            Lines{"hang: db start on starting web; web stop on starting db;"});
  EXPECT_EQ(find({job("web", "start on stopping db"), job("db", "stop on stopping web")}),
            Lines{"hang: db stop on stopping web; web start on stopping db;"});
  EXPECT_EQ(find({job("a", "start on starting j"), job("b", "stop on starting a"),
                  job("j", "stop on stopping b")}),
            Lines{"hang: a start on starting j; b stop on starting a; j stop on stopping b;"});
}

TEST(WaitCycles, AJobAlone) {  // spec/runtime.md Q16
  EXPECT_EQ(find({job("a", "stop on starting a")}), Lines{"hang: a stop on starting a;"});
  EXPECT_EQ(find({job("a", "start on stopping a")}), Lines{"hang: a start on stopping a;"});
  EXPECT_EQ(find({job("a", "start on stopping")}), Lines{"hang: a start on stopping;"});
  EXPECT_EQ(find({job("a", "stop on starting JOB!=b")}), Lines{"hang: a stop on starting JOB!=b;"});
  EXPECT_EQ(find({job("a", "stop on starting JOB!=a")}), Lines{});
  EXPECT_EQ(find({job("a", "start on starting a\nstop on stopping a")}), Lines{});
}

TEST(WaitCycles, AHangByTheWayIsToldOnce) {
  // j waits for k, which waits for itself.
  EXPECT_EQ(
      find({job("j", "stop on stopping k"), job("k", "start on starting j\nstop on starting k")}),
      Lines{"hang: k stop on starting k;"});
}

TEST(WaitCycles, WhatIsCommonAndHarmless) {
  const auto none = [](std::vector<WaitingJob> jobs) { EXPECT_EQ(find(jobs), Lines{}); };
  // Runs as long as the other does, around it or inside.
  none({job("a", "start on starting b"), job("b", "stop on stopping a")});
  none({job("a", "start on starting b\nstop on stopped b"), job("b", "stop on stopping a")});
  none({job("a", "start on starting b\nstop on stopping b"), job("b", "start on x")});
  none({job("a", "start on started b\nstop on stopping b"), job("b", "start on starting c")});
  // Stands in for the other.
  none({job("a", "start on stopped b\nstop on starting b"), job("b", "start on x")});
  none({job("a", "start on stopping b\nstop on starting b"), job("b", "start on x")});
  // Each excludes the other.
  none({job("a", "stop on starting b"), job("b", "stop on starting a")});
  // Hooks for whatever comes.
  none({job("hook", "start on starting"), job("other", "start on starting JOB!=other"),
        job("third", "start on starting *\nstop on stopping"), job("a", "start on starting hook")});
  none({job("hook", "start on starting\nstop on stopped"), job("b", "stop on stopping hook")});
  // One instance for each that waits.
  none({job("wait", "start on starting JOB!=wait\ninstance $JOB"),
        job("a", "start on starting wait")});
  none({job("wait", "start on starting a or starting b\ninstance $JOB"),
        job("a", "start on starting wait")});
  none({job("wait", "start on stopping wait\ninstance $JOB")});
}

TEST(WaitCycles, AnEventStopsEveryInstance) {
  EXPECT_EQ(find({job("a", "stop on starting a\ninstance $N")}),
            Lines{"hang: a stop on starting a;"});
  EXPECT_EQ(find({job("a", "stop on starting b\ninstance $N"), job("b", "stop on stopping a")}),
            Lines{"hang: a stop on starting b; b stop on stopping a;"});
}

/// Whether b, with this in its `start on`, may be started by `EVENT a`.
bool may_match(const std::string& leaf) {
  return !find({job("a", "start on starting b"), job("b", "start on " + leaf)}).empty();
}

TEST(WaitCycles, ArgumentsAsFarAsTheyAreKnown) {
  EXPECT_TRUE(may_match("starting a"));
  EXPECT_TRUE(may_match("starting JOB=a"));
  EXPECT_TRUE(may_match("starting [ab]"));
  EXPECT_TRUE(may_match("starting JOB=a*"));
  EXPECT_TRUE(may_match("starting a JOB!=c"));
  EXPECT_FALSE(may_match("starting a JOB!=a"));
  EXPECT_FALSE(may_match("starting A"));
  EXPECT_FALSE(may_match("starting aa"));
  EXPECT_FALSE(may_match("started a"));
  EXPECT_FALSE(may_match("starting $JOB"));
  EXPECT_FALSE(may_match("starting a X=$Y"));
  // Without the stanza `instance` its name is empty.
  EXPECT_TRUE(may_match("starting a INSTANCE="));
  EXPECT_FALSE(may_match("starting a INSTANCE=1"));
  EXPECT_FALSE(may_match("starting a 1"));
  EXPECT_TRUE(may_match("starting a INSTANCE!=1"));
  EXPECT_TRUE(may_match("starting a EXPORTED=1"));
  EXPECT_FALSE(may_match("starting a RESULT=ok"));
  EXPECT_TRUE(may_match("stopping a RESULT=ok"));
  EXPECT_TRUE(may_match("stopping a RESULT!=ok"));
  EXPECT_TRUE(may_match("stopping a * failed"));
  EXPECT_FALSE(may_match("stopping a RESULT=nonsense"));
  EXPECT_FALSE(may_match("stopping a * nonsense"));
  // Of a job with instances, their names are not known; only an event that stops it comes back.
  EXPECT_EQ(find({job("a", "instance $N\nstop on starting b"),
                  job("b", "stop on stopping a INSTANCE=1")}),
            Lines{"hang: a stop on starting b; b stop on stopping a INSTANCE=1;"});
}

TEST(WaitCycles, OfOneJob) {
  const std::vector<WaitingJob> jobs{
      job("a", "start on starting b"), job("b", "start on starting a or starting c"),
      job("c", "start on starting b"), job("d", "stop on starting d"),
      job("e", "start on starting a")};
  EXPECT_EQ(find(jobs).size(), 2U);  // the jobs a, b and c are one set
  EXPECT_EQ(find(jobs, "a"), Lines{"order: a start on starting b; b start on starting a;"});
  EXPECT_EQ(find(jobs, "c"), Lines{"order: c start on starting b; b start on starting c;"});
  EXPECT_EQ(find(jobs, "d"), Lines{"hang: d stop on starting d;"});
  EXPECT_EQ(find(jobs, "e"), Lines{});
  EXPECT_EQ(find(jobs, "nosuch"), Lines{});
}

TEST(WaitCycles, WhatIsSaid) {
  const auto say = [](std::vector<WaitingJob> jobs) {
    return describe(find_wait_cycles(jobs).cycles.at(0));
  };
  EXPECT_EQ(
      say({job("a", "start on starting b"), job("b", "start on starting a")}),
      "a and b wait for each other: a has `start on starting b`, b has `start on starting a`. "
      "Whichever comes first does not wait for the other, so the order is left to chance. "
      "Write `started` instead of `starting` in one of these.");
  EXPECT_EQ(
      say({job("a", "start on starting b"), job("b", "start on starting c"),
           job("c", "start on starting a")}),
      "a, c and b wait for each other: a has `start on starting b`, c has `start on starting "
      "a`, b has `start on starting c`. Whichever comes first does not wait for the others, so "
      "the order is left to chance. Write `started` instead of `starting` in one of these.");
  EXPECT_EQ(say({job("web", "stop on starting db"), job("db", "start on starting web")}),
            "web and db block each other when web starts: db has `start on starting web`, web has "
            "`stop on starting db`. Write `started` instead of `starting` in one of these.");
  EXPECT_EQ(
      say({job("a", "start on starting j"), job("b", "stop on starting a"),
           job("j", "stop on stopping b")}),
      "j, a and b block each other when j starts: a has `start on starting j`, b has `stop on "
      "starting a`, j has `stop on stopping b`. Write `started` instead of `starting`, or "
      "`stopped` instead of `stopping`, in one of these.");
  EXPECT_EQ(
      say({job("a", "stop on starting a")}),
      "a waits for itself when it starts: it has `stop on starting a`, which its own starting "
      "matches. Remove that, or name another job.");
  EXPECT_EQ(say({job("a", "start on stopping")}),
            "a waits for itself when it stops: it has `start on stopping`, which its own stopping "
            "matches. Leave the job itself out: add `JOB!=a`.");
}

TEST(WaitCycles, NothingThatATerminalObeysAndNothingLong) {
  const std::string name = "a\x1b[2J\n" + std::string(5000, 'x');
  WaitingJob one{name, {}, {{"starting", {name, "JOB=*", "X=\x1b"}}}};
  EXPECT_EQ(find_wait_cycles(std::span(&one, 1)).cycles.size(), 0U);  // too long to be a pattern
  one.stop_on[0].arguments.erase(one.stop_on[0].arguments.begin());
  const auto found = find_wait_cycles(std::span(&one, 1));
  ASSERT_EQ(found.cycles.size(), 1U);
  const auto text = describe(found.cycles[0]);
  EXPECT_EQ(text.find('\x1b'), text.npos);
  EXPECT_EQ(text.find('\n'), text.npos);
  EXPECT_LT(text.size(), 2000U);
}

std::string name_of(std::size_t number) {
  return fmt::format("job-{:05}", number);
}

std::vector<WaitingJob> ring_of(std::size_t count) {
  std::vector<WaitingJob> jobs;
  for (std::size_t i = 0; i < count; ++i) {
    jobs.push_back({name_of(i), {{"starting", {name_of((i + 1) % count)}}}, {}});
  }
  return jobs;
}

TEST(WaitCycles, LongRingsAreToldInShort) {
  const auto found = find_wait_cycles(ring_of(10000));
  ASSERT_EQ(found.cycles.size(), 1U);
  EXPECT_EQ(found.cycles[0].steps.size(), 10000U);
  const auto text = describe(found.cycles[0]);
  EXPECT_LT(text.size(), 2000U);
  EXPECT_NE(text.find(", 9990 more and job-00001 wait for each other: job-00000 has"), text.npos)
      << text;
  EXPECT_NE(text.find("and so on until job-00001 has"), text.npos) << text;
}

TEST(WaitCycles, NoMoreThanTheLimitIsListed) {
  std::vector<WaitingJob> jobs;
  for (std::size_t i = 0; i < 50; i += 2) {
    jobs.push_back({name_of(i), {{"starting", {name_of(i + 1)}}}, {}});
    jobs.push_back({name_of(i + 1), {{"starting", {name_of(i)}}}, {}});
  }
  const auto found = find_wait_cycles(jobs);
  EXPECT_EQ(found.cycles.size(), 20U);
  EXPECT_EQ(found.unlisted, 5U);
  EXPECT_TRUE(found.is_complete);
  EXPECT_EQ(describe_rest(found), "5 more such waits are not listed.");
  EXPECT_EQ(describe_rest({}), "");
}

// The cost must not grow with the square of the jobs; the bounds are far above what it takes and
// far below what 10,000 times 10,000 steps would.
class WaitCyclesCost : public ::testing::Test {
 protected:
  static void expect_quick(const std::vector<WaitingJob>& jobs) {
    const auto begin = std::chrono::steady_clock::now();
    const auto found = find_wait_cycles(jobs);
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begin;
    EXPECT_LE(found.cycles.size(), 20U);
    EXPECT_LT(taken.count(), 10.0);
  }
};

TEST_F(WaitCyclesCost, Strangers) {
  std::vector<WaitingJob> jobs;
  for (std::size_t i = 0; i < 10000; ++i) {
    jobs.push_back({name_of(i), {{"started", {name_of(i + 1)}}}, {{"runlevel", {"[06]"}}}});
  }
  expect_quick(jobs);
}

TEST_F(WaitCyclesCost, AChainAndARing) {
  auto jobs = ring_of(10000);
  for (auto& one : jobs) one.stop_on = {{"stopping", one.start_on[0].arguments}};
  jobs[0].start_on[0].arguments[0] = "none";
  expect_quick(jobs);
  jobs[5].stop_on = {{"starting", {name_of(6)}}};  // and now most of it hangs
  expect_quick(jobs);
}

TEST_F(WaitCyclesCost, EveryPatternFitsEveryJob) {
  std::vector<WaitingJob> jobs;
  for (std::size_t i = 0; i < 10000; ++i) {
    jobs.push_back({name_of(i), {{"starting", {"job*"}}}, {{"stopping", {"*b*"}}}});
  }
  expect_quick(jobs);
}

// Random small sets of jobs, against a simulation of who waits for whom.

struct Reaction {
  WaitPhase reaction{};
  std::size_t to = 0;  ///< whose event it listens to
  WaitPhase event{};
};
using Reactions = std::vector<std::vector<Reaction>>;  // for each job

/// What happens from one start or stop on, as in Upstart: events one after the other, and nobody
/// gets done meanwhile.
class Simulation {
 public:
  Simulation(const Reactions& jobs, unsigned running, std::size_t first)
      : jobs_(jobs), states_(jobs.size()) {
    for (std::size_t i = 0; i < jobs.size(); ++i)
      states_[i].wants_to_run = (running >> i & 1U) != 0;
    tell(first, !states_[first].wants_to_run, {});
    for (std::size_t i = 0; i < events_.size(); ++i) dispatch(events_[i]);
  }

  /// How many jobs were turned round within the ring of waits, for each such ring.
  [[nodiscard]] std::set<int> rings() const {
    std::set<int> found;
    for (std::size_t first = 0; first < states_.size(); ++first) {
      int turned = 0;
      auto one = first;
      for (std::size_t step = 0; step < states_.size(); ++step) {
        if (!states_[one].holds) break;
        turned += states_[one].was_turned ? 1 : 0;
        one = *states_[one].holds;
        if (one == first) {
          found.insert(turned);
          break;
        }
      }
    }
    return found;
  }

 private:
  struct State {
    bool wants_to_run = false;
    std::optional<WaitPhase> blocked;  ///< by its own event
    std::optional<std::size_t> holds;  ///< the job whose event it keeps
    bool was_turned = false;           ///< it is blocked, and is to go the other way
  };
  struct Event {
    std::size_t job;
    WaitPhase phase;
  };

  void dispatch(Event event) {  // a copy: what it causes is queued behind it
    for (std::size_t i = 0; i < jobs_.size(); ++i) {
      for (const auto phase : {WaitPhase::Stopping, WaitPhase::Starting}) {
        for (const auto& one : jobs_[i]) {
          if (one.reaction == phase && one.to == event.job && one.event == event.phase) {
            tell(i, phase == WaitPhase::Starting, event.job);
          }
        }
      }
    }
  }

  void tell(std::size_t job, bool run, std::optional<std::size_t> held) {
    auto& state = states_[job];
    if (state.wants_to_run == run && (held || state.blocked)) return;
    state.wants_to_run = run;
    state.holds = held;
    // Turned twice, it goes its way again: that takes an event that both stops and starts it.
    const auto way = run ? WaitPhase::Starting : WaitPhase::Stopping;
    state.was_turned = state.blocked.has_value() && state.blocked != way;
    if (state.blocked) return;
    state.blocked = run ? WaitPhase::Starting : WaitPhase::Stopping;
    events_.push_back({job, *state.blocked});
  }

  const Reactions& jobs_;
  std::vector<State> states_;
  std::vector<Event> events_;
};

/// The rings of waits of every simulation, from each state of rest.
std::set<int> all_rings(const Reactions& jobs) {
  std::set<int> found;
  for (unsigned running = 0; running < 1U << jobs.size(); ++running) {
    for (std::size_t first = 0; first < jobs.size(); ++first) {
      found.merge(Simulation(jobs, running, first).rings());
    }
  }
  return found;
}

Reactions random_reactions(std::mt19937& random) {
  const auto phase = [&] { return static_cast<WaitPhase>(random() % 2); };
  Reactions jobs(1 + random() % 5);
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    for (auto count = random() % 4; count > 0; --count) {
      const Reaction one{phase(), random() % jobs.size(), phase()};
      // To be stopped by its own stopping tells a job nothing new, unless something else has just
      // turned it round.
      if (one.to != i || one.reaction != one.event) jobs[i].push_back(one);
    }
  }
  return jobs;
}

std::string letter(std::size_t number) {
  return std::string(1, static_cast<char>('a' + number));
}

std::vector<WaitingJob> written(const Reactions& reactions) {
  std::vector<WaitingJob> jobs;
  for (std::size_t i = 0; i < reactions.size(); ++i) {
    WaitingJob one{letter(i), {}, {}};
    for (const auto& reaction : reactions[i]) {
      auto& leaves = reaction.reaction == WaitPhase::Starting ? one.start_on : one.stop_on;
      leaves.push_back({std::string(to_string(reaction.event)), {letter(reaction.to)}});
    }
    jobs.push_back(std::move(one));
  }
  return jobs;
}

std::string text_of(const std::vector<WaitingJob>& jobs) {
  std::string text;
  for (const auto& one : jobs) {
    text += one.name + ":";
    for (const auto& leaf : one.start_on) {
      text += fmt::format(" start on {} {}", leaf.event, leaf.arguments[0]);
    }
    for (const auto& leaf : one.stop_on) {
      text += fmt::format(" stop on {} {}", leaf.event, leaf.arguments[0]);
    }
    text += "; ";
  }
  return text;
}

/// Each step reacts to the one before: what is told is in the files, and is a cycle.
void expect_consistent(const WaitCycle& cycle) {
  const auto* before = &cycle.steps.back();
  for (const auto& step : cycle.steps) {
    const bool turns = cycle.kind == WaitCycle::Kind::Hang && before == &cycle.steps.back();
    EXPECT_EQ(step.leaf.arguments.at(0), before->job);
    EXPECT_EQ(step.leaf.event, to_string(turns ? other(before->reaction) : before->reaction));
    before = &step;
  }
}

/// The jobs of a cycle, as if there were no others.
Reactions only_those_of(const WaitCycle& cycle, const Reactions& jobs) {
  Reactions left(jobs.size());
  for (const auto& step : cycle.steps) {
    const auto index = static_cast<std::size_t>(step.job[0] - 'a');
    left[index] = jobs[index];
  }
  return left;
}

/// For each node whether a way leads to each on which all are started, by brute force: job 2i
/// starting, 2i+1 stopping.
std::vector<std::vector<bool>> reachability(const Reactions& jobs) {
  const auto size = 2 * jobs.size();
  const auto node = [](std::size_t one, WaitPhase phase) {
    return 2 * one + static_cast<std::size_t>(phase);
  };
  std::vector reaches(size, std::vector<bool>(size));
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    for (const auto& one : jobs[i]) {
      const auto from = node(one.to, one.event);
      const auto to = node(i, one.reaction);
      const bool up = one.event == WaitPhase::Starting && one.reaction == WaitPhase::Starting;
      if (up && from != to) reaches[from][to] = true;
    }
  }
  for (std::size_t k = 0; k < size; ++k) {
    for (std::size_t i = 0; i < size; ++i) {
      for (std::size_t j = 0; j < size; ++j) {
        if (reaches[i][k] && reaches[k][j]) reaches[i][j] = true;
      }
    }
  }
  return reaches;
}

TEST(WaitCycles, AgreesWithASimulation) {
  constexpr int kRounds = 3000;
  int hangs = 0;
  int orders = 0;
  for (int seed = 0; seed < kRounds; ++seed) {
    std::mt19937 random(static_cast<unsigned>(seed));
    const auto reactions = random_reactions(random);
    SCOPED_TRACE(fmt::format("seed {}: {}", seed, text_of(written(reactions))));
    const auto found = find_wait_cycles(written(reactions), {}, 1000);
    bool any_hang = false;
    std::set<std::size_t> ordered;
    for (const auto& cycle : found.cycles) {
      expect_consistent(cycle);
      const bool hang = cycle.kind == WaitCycle::Kind::Hang;
      // The jobs that are named do hang, by themselves.
      if (hang) {
        EXPECT_FALSE(all_rings(only_those_of(cycle, reactions)).empty());
      }
      any_hang = any_hang || hang;
      for (const auto& step : cycle.steps) {
        if (!hang)
          ordered.insert(2 * static_cast<std::size_t>(step.job[0] - 'a') +
                         static_cast<std::size_t>(step.reaction));
      }
      ++(hang ? hangs : orders);
    }
    // One that is turned round is a hang of ours; two at once need that both have just begun.
    if (all_rings(reactions).contains(1)) {
      EXPECT_TRUE(any_hang);
    }
    // Whatever reaches itself is in a set with a cycle that is told, or with a job that hangs.
    const auto reaches = reachability(reactions);
    for (std::size_t i = 0; i < reaches.size(); ++i) {
      if (!reaches[i][i] || any_hang) continue;
      EXPECT_TRUE(std::ranges::any_of(
          ordered, [&](auto one) { return reaches[i][one] && reaches[one][i]; }));
    }
    for (const auto one : ordered) EXPECT_TRUE(reaches[one][one]);
  }
  EXPECT_GT(hangs, kRounds / 20);
  EXPECT_GT(orders, kRounds / 50);
}

// Real job files.

std::filesystem::path corpus() {
  const char* const shared = std::getenv("UPKEEP_SHARED");
  const auto root = shared != nullptr ? std::filesystem::path(shared)
                                      : std::filesystem::path(UPKEEP_SOURCE_DIR) / "../shared";
  return root / "corpus";
}

/// `..._etc_init_mysql.conf` and `..._mysql.upstart.conf` are the job mysql.
std::string job_name(std::string file) {
  for (const auto* const end : {".conf", ".in", ".upstart"}) {
    if (file.ends_with(end)) file.resize(file.size() - std::string_view(end).size());
  }
  const auto cut = file.find_last_of("_.");
  return cut == file.npos ? file : file.substr(cut + 1);
}

TEST(WaitCycles, NoFalseAlarmsInRealFiles) {
  if (!std::filesystem::is_directory(corpus())) {
    GTEST_SKIP() << "no corpus at " << corpus() << " (set UPKEEP_SHARED)";
  }
  std::vector<WaitingJob> jobs;
  for (const auto& entry : std::filesystem::directory_iterator(corpus())) {
    if (entry.path().extension() != ".conf") continue;
    std::ifstream file(entry.path(), std::ios::binary);
    const auto parsed = conf::parse_job(std::string(std::istreambuf_iterator<char>(file), {}));
    if (!parsed) continue;
    const auto& definition = parsed->definition;
    jobs.push_back({job_name(entry.path().filename()), leaves_of(definition.start_on),
                    leaves_of(definition.stop_on), !definition.instance.value().empty()});
  }
  EXPECT_GT(jobs.size(), 200U);
  for (const auto& cycle : find_wait_cycles(jobs).cycles) ADD_FAILURE() << describe(cycle);
}

}  // namespace
}  // namespace upkeep::core
