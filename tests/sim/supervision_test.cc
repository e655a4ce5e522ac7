// What main says and does while it lives, in every order that the platform can bring about:
// readiness, survivors, the watchdog, and the end of whole trees.
#include <algorithm>
#include <chrono>
#include <csignal>

#include "sim/bare_manager.h"
#include "sim/scenario.h"

namespace upkeep::sim {
namespace {

using core::Announced;
using core::Executed;
using core::Exited;
using core::Forked;
using core::KeepAlive;
using core::MoreTime;
using core::Orphaned;
using core::ProcessType;
using core::Ready;
using core::Replaced;
using core::Settled;
using core::Signalled;
using core::SpawnFailure;
using core::SpawnResult;
using core::StatusText;
using core::Stopped;
using core::TreeEmptied;
using core::Vanished;
using core::WatchdogInterval;
using core::WatchdogTrigger;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;
using Signals = std::vector<int>;

class Supervision : public ::testing::Test {
 protected:
  ~Supervision() override {
    const auto sound = bare.manager.check_invariants();
    EXPECT_TRUE(sound) << sound.error().message;
  }

  [[nodiscard]] const core::JobInstance& web() const {
    return *bare.manager.find_job("web")->find_instance("");
  }
  /// Defines the job, and has its main process executing.
  core::SpawnId run(const std::string& text) {
    bare.define("web", text + "exec web\n");
    return bare.run_main("web");
  }
  core::SpawnId run_ready(const std::string& text) {
    const auto id = run(text);
    bare.tell(id, Ready{});
    EXPECT_EQ(bare.status("web"), "start/running");
    return id;
  }
  /// The answer to the newest of all spawns.
  void fail_spawn(bool temporary) {
    SpawnFailure failure;
    failure.temporary = temporary;
    bare.handle(SpawnResult{bare.spawned.back().id, std::unexpected(failure)});
  }
  void tree_is_empty() { bare.handle(TreeEmptied{bare.ending.back()}); }

  BareManager bare;
};

// ---------------------------------------------------------------- what it says

TEST_F(Supervision, MoreTimeToBecomeReady) {
  const auto id = run("expect notify\nexpect timeout 10\n");
  bare.wait(9s);
  bare.tell(id, MoreTime{20s});
  bare.wait(19s);
  EXPECT_EQ(bare.status("web"), "start/spawned");
  bare.wait(1s);
  EXPECT_EQ(bare.status("web"), "stop/killed");
}

TEST_F(Supervision, MoreTimeIsNeverLess) {
  const auto id = run("expect notify\nexpect timeout 10\n");
  bare.tell(id, MoreTime{1s});
  bare.tell(id, MoreTime{-5s});
  bare.wait(9s);
  EXPECT_EQ(bare.status("web"), "start/spawned");
  bare.wait(1s);
  EXPECT_EQ(bare.status("web"), "stop/killed");
}

TEST_F(Supervision, MoreTimeIsADayAtMost) {
  const auto id = run("expect notify\n");
  bare.tell(id, MoreTime{hours(1000)});
  bare.wait(hours(24) - 1s);
  EXPECT_EQ(bare.status("web"), "start/spawned");
  bare.wait(1s);
  EXPECT_EQ(bare.status("web"), "stop/killed");
}

TEST_F(Supervision, MoreTimeToEnd) {
  const auto id = run_ready("expect notify\nkill timeout 5\n");
  bare.tell(id, MoreTime{60s});  // nothing to put off
  bare.stop("web");
  bare.wait(4s);
  bare.tell(id, MoreTime{30s});
  bare.wait(29s);
  EXPECT_EQ(bare.signals, Signals{SIGTERM});
  bare.wait(1s);
  EXPECT_EQ(bare.signals, (Signals{SIGTERM, SIGKILL}));
  bare.tell(id, MoreTime{60s});  // too late
  EXPECT_FALSE(bare.manager.next_deadline());
}

TEST_F(Supervision, MoreTimeForOneOfWhomNothingIsExpected) {
  const auto id = run("");
  bare.tell(id, MoreTime{60s});
  EXPECT_FALSE(bare.manager.next_deadline());
}

TEST_F(Supervision, AProgramSetsItsOwnWatchdog) {
  const auto id = run("expect notify\n");
  bare.tell(id, WatchdogInterval{3s});
  bare.wait(10s);  // it need not be alive before it is ready
  bare.tell(id, KeepAlive{});
  bare.tell(id, Ready{});
  bare.wait(2s);
  bare.tell(id, KeepAlive{});
  bare.wait(2s);
  EXPECT_EQ(bare.signals, Signals{});
  bare.wait(1s);
  EXPECT_EQ(bare.signals, Signals{SIGABRT});
}

TEST_F(Supervision, AProgramChangesItsWatchdog) {
  const auto id = run_ready("expect notify\nexpect watchdog 3\n");
  bare.tell(id, WatchdogInterval{60s});
  bare.wait(59s);
  EXPECT_EQ(bare.signals, Signals{});
  bare.tell(id, WatchdogInterval{2s});
  bare.wait(2s);
  EXPECT_EQ(bare.signals, Signals{SIGABRT});
}

TEST_F(Supervision, AProgramEndsItsWatchdog) {
  const auto id = run_ready("expect notify\nexpect watchdog 3\n");
  bare.tell(id, WatchdogInterval{0s});
  bare.tell(id, KeepAlive{});
  EXPECT_FALSE(bare.manager.next_deadline());
}

TEST_F(Supervision, AWatchdogIsNotQuickerThanTenMilliseconds) {
  const auto id = run_ready("expect notify\n");
  bare.tell(id, WatchdogInterval{std::chrono::microseconds(1)});
  EXPECT_EQ(bare.manager.next_deadline(), bare.now + milliseconds(10));
}

TEST_F(Supervision, OneThatIsNotWatchedSetsNoWatchdog) {
  const auto id = run("");
  bare.tell(id, WatchdogInterval{1s});
  bare.tell(id, KeepAlive{});
  EXPECT_FALSE(bare.manager.next_deadline());
}

TEST_F(Supervision, TroubleIsAsIfTheWatchdogHadExpired) {
  const auto id = run_ready("expect notify\nrespawn\n");
  bare.tell(id, WatchdogTrigger{});
  EXPECT_EQ(bare.signals, Signals{SIGABRT});
  bare.tell(id, Signalled{SIGABRT});
  EXPECT_EQ(bare.status("web"), "start/spawned");
  EXPECT_EQ(bare.spawned.size(), 2U);
}

TEST_F(Supervision, TroubleBeforeItIsReady) {
  const auto id = run("expect notify\nkill timeout 5\n");
  bare.tell(id, WatchdogTrigger{});
  EXPECT_EQ(bare.signals, Signals{SIGABRT});
  bare.tell(id, Ready{});
  bare.wait(5s);
  EXPECT_EQ(bare.signals, (Signals{SIGABRT, SIGKILL}));
  bare.tell(id, Signalled{SIGKILL});
  EXPECT_EQ(bare.status("web"), "stop/waiting");
  EXPECT_FALSE(bare.manager.next_deadline());
}

TEST_F(Supervision, MainIsReplaced) {
  const auto id = run_ready("expect notify\n");
  bare.tell(id, Replaced{99});
  EXPECT_EQ(web().pid(ProcessType::Main), 99);
  bare.tell(id, Exited{0});
  EXPECT_EQ(bare.status("web"), "stop/waiting");
}

TEST_F(Supervision, WhatItSaysOfItselfIsKeptWhileItLives) {
  const auto id = run("expect notify\nrespawn\n");
  EXPECT_EQ(web().status_text(), "");
  bare.tell(id, StatusText{"loading"});
  EXPECT_EQ(web().status_text(), "loading");
  bare.tell(id, Ready{});
  bare.tell(id, StatusText{"serving"});
  bare.tell(id, Announced{Announced::What::Reloading});
  bare.tell(id, Announced{Announced::What::Stopping});
  EXPECT_EQ(web().status_text(), "serving");
  EXPECT_EQ(bare.status("web"), "start/running");
  bare.tell(id, Exited{1});
  EXPECT_EQ(web().status_text(), "");
}

TEST_F(Supervision, WhatOneSaysOfWhomNothingIsExpected) {
  const auto id = run("");
  bare.tell(id, StatusText{"serving"});
  EXPECT_EQ(web().status_text(), "");
  EXPECT_EQ(bare.status("web"), "start/running");
}

class Words : public Scenario {};

TEST_F(Words, AreToldAsTheyCome) {
  sim.define("web", "expect notify\nexec web\n");
  sim.start("web");
  sim.run_for(10ms);
  const auto id = sim.spawns().back().id;
  using What = Announced::What;
  sim.inject(core::ProcessChange{id, StatusText{"warming up"}});
  sim.inject(core::ProcessChange{id, Replaced{4711}});
  sim.inject(core::ProcessChange{id, Announced{What::Reloading}});
  sim.inject(core::ProcessChange{id, Announced{What::Stopping}});
  EXPECT_EQ(sim.manager().find_job("web")->find_instance("")->status_text(), "warming up");
}

// What a program has not done when its time is over, for each kind of `expect`.
TEST_F(Words, SayWhatIsLacking) {
  const std::vector<std::pair<std::string, std::string>> kinds{
      {"stop", "expected it to stop itself by SIGSTOP, which it has not"},
      {"fork", "expected 1 fork, saw none"},
      {"daemon", "expected 2 forks, saw none"},
      {"notify", "expected READY=1 on $NOTIFY_SOCKET, which has not come"},
      {"fd 3", "expected a newline on descriptor 3, which has not come"},
      {"auto", "it neither rests nor says that it is ready"},
  };
  for (const auto& [kind, lacking] : kinds) {
    sim.define(kind, fmt::format("expect {}\nexpect timeout 1\nexec web\n", kind));
    sim.program = [](const core::SpawnRequest& request) {
      return Program{.never_rests = request.definition->expect == conf::Expect::Auto};
    };
    const auto start = sim.start(kind);
    sim.run_for(5s);
    EXPECT_EQ(sim.outcome(start), "Job failed to start") << kind;
    ASSERT_FALSE(sim.messages().empty()) << kind;
    EXPECT_NE(sim.messages().back().find(lacking), std::string::npos) << sim.messages().back();
  }
}

// ---------------------------------------------------------------- what it does too late

TEST_F(Supervision, NothingMakesItReadyOnceItIsToEnd) {
  for (const auto* kind : {"stop", "fork", "daemon", "auto", "notify", "fd 3", "none"}) {
    const auto name = fmt::format("job {}", kind);
    const auto expect = kind == std::string_view("none") ? "" : fmt::format("expect {}\n", kind);
    bare.define(name, expect + "exec web\n");
    const auto id = bare.run_main(name);
    bare.stop(name);
    ASSERT_EQ(bare.status(name), "stop/killed") << kind;
    bare.tell(id, Ready{});
    bare.tell(id, Settled{});
    bare.tell(id, Executed{});
    bare.tell(id, Stopped{SIGSTOP});
    bare.tell(id, Forked{20});
    bare.tell(id, Executed{});
    bare.tell(id, Forked{21});
    EXPECT_EQ(bare.status(name), "stop/killed") << kind;
    bare.tell(id, Exited{0});
    EXPECT_EQ(bare.status(name), "stop/waiting") << kind;
  }
  EXPECT_FALSE(bare.manager.next_deadline());
}

TEST_F(Supervision, WhatIsToldTwiceCountsOnce) {
  const auto id = run("expect auto\n");
  bare.tell(id, Settled{});
  bare.tell(id, Settled{});
  bare.tell(id, Ready{});
  bare.tell(id, Ready{});
  EXPECT_EQ(bare.status("web"), "start/running");
  EXPECT_EQ(bare.resumed.size(), 1U);
}

TEST_F(Supervision, AnEndAfterTheLastOneChangesNothing) {
  const auto id = run("expect none\n");
  bare.tell(id, Orphaned{.end = Exited{0}, .survivor = 8});
  EXPECT_EQ(bare.status("web"), "stop/waiting");
  bare.tell(id, Vanished{});
  bare.tell(id, Orphaned{.end = Vanished{}, .survivor = 9});
  EXPECT_EQ(bare.status("web"), "stop/waiting");
}

TEST_F(Supervision, ASurvivorOfTermIsToldToo) {
  const auto id = run("expect auto\nkill timeout 5\n");
  bare.stop("web");
  bare.wait(1s);
  bare.tell(id, Orphaned{.end = Exited{0}, .survivor = 8});
  EXPECT_EQ(bare.signals, (Signals{SIGTERM, SIGTERM}));
  bare.wait(4s);
  EXPECT_EQ(bare.signals, (Signals{SIGTERM, SIGTERM, SIGKILL}));
  bare.tell(id, Signalled{SIGKILL});
  EXPECT_EQ(bare.status("web"), "stop/waiting");
}

TEST_F(Supervision, ASurvivorOfAFailureIsNotFollowed) {
  for (const auto* kind : {"fork", "daemon", "auto", "notify"}) {
    const auto name = fmt::format("job {}", kind);
    bare.define(name, fmt::format("expect {}\nexec web\n", kind));
    const auto id = bare.run_main(name);
    bare.tell(id, Orphaned{.end = Signalled{SIGSEGV}, .survivor = 8});
    EXPECT_EQ(bare.status(name), "stop/waiting") << kind;
  }
}

TEST_F(Supervision, AutoFollowsIntoTheBackgroundForNinetySeconds) {
  const auto id = run("expect auto\n");
  bare.tell(id, Settled{});
  bare.wait(90s);
  bare.tell(id, Orphaned{.end = Exited{0}, .survivor = 8});
  EXPECT_EQ(web().pid(ProcessType::Main), 8);
  bare.wait(milliseconds(1));
  bare.tell(id, Orphaned{.end = Exited{0}, .survivor = 9});
  EXPECT_EQ(bare.status("web"), "stop/waiting");
}

// ---------------------------------------------------------------- the time to become ready

TEST_F(Supervision, TimeRunsWhileTheProcessCannotBeMade) {
  bare.define("web", "expect timeout 3\nexec web\n");
  bare.start("web");
  const auto since = bare.now;
  while (bare.now - since < 3s) {
    fail_spawn(true);
    bare.wait(800ms);
  }
  EXPECT_EQ(bare.status("web"), "stop/waiting");
  EXPECT_FALSE(bare.manager.next_deadline());
}

TEST_F(Supervision, ARestartGetsTheWholeTimeAnew) {
  bare.define("web", "expect notify\nexpect timeout 3\nexec web\n");
  const auto id = bare.run_main("web");
  bare.wait(2s);
  bare.restart("web");
  EXPECT_EQ(bare.status("web"), "start/killed");
  bare.tell(id, Signalled{SIGTERM});
  ASSERT_EQ(bare.status("web"), "start/spawned");
  bare.handle(SpawnResult{bare.spawned.back().id, 8});
  bare.wait(2s);
  EXPECT_EQ(bare.status("web"), "start/spawned");
  bare.wait(1s);
  EXPECT_EQ(bare.status("web"), "stop/killed");
}

TEST_F(Supervision, ZeroIsForEver) {
  run("expect notify\nexpect timeout 0\n");
  EXPECT_FALSE(bare.manager.next_deadline());
  EXPECT_EQ(bare.spawned.back().settles_after, 0s);
}

TEST_F(Supervision, WhoIsReadyInTimeIsLeftAlone) {
  const auto id = run("expect fork\nexpect timeout 3\n");
  EXPECT_EQ(bare.spawned.back().settles_after, 0s);
  bare.tell(id, Forked{8});
  EXPECT_FALSE(bare.manager.next_deadline());
  bare.wait(10s);
  EXPECT_EQ(bare.status("web"), "start/running");
}

TEST_F(Supervision, RestIsWaitedForAsLongAsTheKillTimeoutButInBounds) {
  const std::vector<std::pair<int, std::chrono::seconds>> kinds{{0, 1s}, {3, 3s}, {60, 5s}};
  for (const auto& [timeout, rest] : kinds) {
    const auto name = fmt::format("job {}", timeout);
    bare.define(name, fmt::format("expect stop\nkill timeout {}\nexec web\n", timeout));
    bare.start(name);
    EXPECT_EQ(bare.spawned.back().settles_after, rest) << timeout;
  }
}

// ---------------------------------------------------------------- the watchdog and the stop

TEST_F(Supervision, TheWatchdogSleepsDuringAStop) {
  const auto id = run_ready("expect notify\nexpect watchdog 2\nkill timeout 10\n");
  bare.stop("web");
  bare.wait(5s);
  bare.tell(id, WatchdogTrigger{});
  bare.tell(id, WatchdogInterval{1s});
  bare.wait(2s);
  EXPECT_EQ(bare.signals, Signals{SIGTERM});
  bare.wait(3s);
  EXPECT_EQ(bare.signals, (Signals{SIGTERM, SIGKILL}));
}

TEST_F(Supervision, TheWatchdogGoesOnDuringPreStop) {
  const auto id =
      run_ready("expect notify\nexpect watchdog 2\nkill timeout 3\npre-stop exec asks\n");
  bare.stop("web");
  ASSERT_EQ(bare.status("web"), "stop/pre-stop");
  bare.wait(2s);
  EXPECT_EQ(bare.signals, Signals{SIGABRT});
  bare.wait(3s);
  EXPECT_EQ(bare.signals, (Signals{SIGABRT, SIGKILL}));
  bare.tell(id, Signalled{SIGKILL});
  EXPECT_EQ(bare.status("web"), "stop/pre-stop");
  EXPECT_FALSE(bare.manager.next_deadline());
}

TEST_F(Supervision, AStopAfterAbrtHasItsWholeTime) {
  const auto id = run_ready("expect notify\nexpect watchdog 2\nkill timeout 5\n");
  bare.wait(2s);
  ASSERT_EQ(bare.signals, Signals{SIGABRT});
  bare.wait(4s);
  bare.stop("web");
  EXPECT_EQ(bare.signals, (Signals{SIGABRT, SIGTERM}));
  bare.wait(4s);
  EXPECT_EQ(bare.signals, (Signals{SIGABRT, SIGTERM}));
  bare.wait(1s);
  EXPECT_EQ(bare.signals, (Signals{SIGABRT, SIGTERM, SIGKILL}));
  bare.tell(id, Signalled{SIGKILL});
  EXPECT_EQ(bare.status("web"), "stop/waiting");
}

TEST_F(Supervision, AnEndAfterAbrtCallsOffKill) {
  const auto id = run_ready("expect notify\nexpect watchdog 2\nrespawn\n");
  bare.wait(2s);
  bare.tell(id, Signalled{SIGABRT});
  ASSERT_EQ(bare.status("web"), "start/spawned");
  bare.handle(SpawnResult{bare.spawned.back().id, 8});
  bare.tell(bare.spawned.back().id, Ready{});
  bare.wait(1s);
  EXPECT_EQ(bare.signals, Signals{SIGABRT});
  bare.wait(1s);  // the next one is watched, too
  EXPECT_EQ(bare.signals, (Signals{SIGABRT, SIGABRT}));
}

// ---------------------------------------------------------------- whole trees

TEST_F(Supervision, ATreeIsEmptyAfterTheEndOfMain) {
  const auto id = run("kill mode tree\n");
  bare.stop("web");
  EXPECT_EQ(bare.signals, Signals{SIGTERM});
  EXPECT_TRUE(bare.signalled.empty()) << "main is a part of the tree";
  bare.tell(id, Signalled{SIGTERM});
  EXPECT_EQ(bare.status("web"), "stop/killed");
  tree_is_empty();
  EXPECT_EQ(bare.status("web"), "stop/waiting");
  tree_is_empty();
  EXPECT_FALSE(bare.manager.next_deadline());
}

TEST_F(Supervision, ATreeIsEmptyBeforeTheEndOfMainIsTold) {
  const auto id = run("kill mode tree\nkill timeout 5\n");
  bare.stop("web");
  tree_is_empty();
  tree_is_empty();
  EXPECT_EQ(bare.status("web"), "stop/killed");
  bare.wait(5s);  // the platform was wrong, or main has got out of the tree
  EXPECT_EQ(bare.signals, (Signals{SIGTERM, SIGKILL}));
  EXPECT_EQ(bare.signalled.size(), 1U);
  bare.tell(id, Signalled{SIGTERM});
  EXPECT_EQ(bare.status("web"), "stop/waiting");
}

TEST_F(Supervision, WhatIsLeftOfATreeIsKilled) {
  const auto id = run("kill mode tree\nkill timeout 5\n");
  bare.stop("web");
  bare.wait(1s);
  bare.tell(id, Signalled{SIGTERM});
  bare.wait(3s);
  EXPECT_EQ(bare.signals, Signals{SIGTERM});
  bare.wait(1s);
  EXPECT_EQ(bare.signals, (Signals{SIGTERM, SIGKILL}));
  tree_is_empty();
  EXPECT_EQ(bare.status("web"), "stop/waiting");
}

TEST_F(Supervision, ARespawnWaitsForTheTree) {
  const auto id = run("kill mode tree\nrespawn\n");
  bare.tell(id, Exited{1});
  EXPECT_EQ(bare.status("web"), "start/killed");
  EXPECT_EQ(bare.spawned.size(), 1U);
  tree_is_empty();
  EXPECT_EQ(bare.status("web"), "start/spawned");
  EXPECT_EQ(bare.spawned.size(), 2U);
  EXPECT_EQ(bare.spawned.front().tree, bare.spawned.back().tree);
}

TEST_F(Supervision, WhatPostStopLeavesIsEndedToo) {
  const auto id = run("kill mode tree\nkill timeout 3\npost-stop exec cleanup\n");
  bare.stop("web");
  bare.tell(id, Signalled{SIGTERM});
  tree_is_empty();
  ASSERT_EQ(bare.status("web"), "stop/post-stop");
  const auto post_stop = bare.spawned.back().id;
  bare.handle(SpawnResult{post_stop, 9});
  EXPECT_EQ(bare.ending.size(), 1U);
  bare.tell(post_stop, Exited{0});
  EXPECT_EQ(bare.ending.size(), 2U);
  EXPECT_EQ(bare.status("web"), "stop/post-stop");
  bare.wait(3s);
  EXPECT_EQ(bare.signals, (Signals{SIGTERM, SIGTERM, SIGKILL}));
  bare.start("web");
  EXPECT_EQ(bare.status("web"), "start/post-stop");
  tree_is_empty();
  EXPECT_EQ(bare.status("web"), "start/spawned");
}

TEST_F(Supervision, AStartWhileATreeEndsWaitsForIt) {
  const auto id = run("kill mode tree\n");
  bare.stop("web");
  bare.tell(id, Signalled{SIGTERM});
  bare.start("web");
  EXPECT_EQ(bare.status("web"), "start/killed");
  EXPECT_EQ(bare.spawned.size(), 1U);
  tree_is_empty();
  EXPECT_EQ(bare.status("web"), "start/spawned");
}

TEST_F(Supervision, ANewDefinitionWaitsForTheTree) {
  const auto id = run("kill mode tree\n");
  bare.stop("web");
  bare.define("web", "exec other\n");
  bare.tell(id, Signalled{SIGTERM});
  EXPECT_TRUE(bare.manager.find_job("web")->successor());
  tree_is_empty();
  EXPECT_FALSE(bare.manager.find_job("web")->successor());
  EXPECT_EQ(bare.manager.find_job("web")->definition().kill_mode, conf::KillMode::Group);
}

TEST_F(Supervision, ASetUpThatFailsInATreeThatEnds) {
  for (const bool temporary : {false, true}) {
    for (const bool tree_first : {false, true}) {
      const auto name = fmt::format("job {} {}", temporary, tree_first);
      bare.define(name, "kill mode tree\nexec web\n");
      bare.start_main(name);
      bare.stop(name);
      ASSERT_EQ(bare.status(name), "stop/killed");
      if (tree_first) tree_is_empty();
      fail_spawn(temporary);
      if (!tree_first) {
        EXPECT_EQ(bare.status(name), "stop/killed");
        tree_is_empty();
      }
      EXPECT_EQ(bare.status(name), "stop/waiting");
    }
  }
  EXPECT_FALSE(bare.manager.next_deadline());
}

TEST_F(Supervision, AJobWithoutMainEndsItsTree) {
  bare.define("web", "kill mode tree\npost-start exec sets-up\n");
  bare.start("web");
  const auto id = bare.spawned.back().id;
  bare.handle(SpawnResult{id, 7});
  bare.tell(id, Exited{0});
  ASSERT_EQ(bare.status("web"), "start/running");
  bare.stop("web");
  EXPECT_EQ(bare.status("web"), "stop/killed");
  tree_is_empty();
  EXPECT_EQ(bare.status("web"), "stop/waiting");
}

TEST_F(Supervision, ASurvivorInATreeHasGotWhatTheTreeGot) {
  const auto id = run("kill mode tree\nexpect auto\nkill timeout 5\n");
  bare.tell(id, Settled{});
  bare.stop("web");
  bare.tell(id, Orphaned{.end = Exited{0}, .survivor = 8});
  EXPECT_EQ(bare.signals, Signals{SIGTERM});
  bare.wait(5s);
  EXPECT_EQ(bare.signals, (Signals{SIGTERM, SIGKILL}));
  bare.tell(id, Signalled{SIGKILL});
  tree_is_empty();
  EXPECT_EQ(bare.status("web"), "stop/waiting");
}

class TreesOfInstances : public Scenario {};

TEST_F(TreesOfInstances, EndOneByOne) {
  sim.define("web", "kill mode tree\nkill timeout 3\ninstance $N\nexec web\n");
  sim.program = [](const core::SpawnRequest& request) {
    return Program{.ignores_term = request.instance == "a", .leaves = 2};
  };
  sim.start("web", {"N=a"});
  sim.start("web", {"N=b"});
  sim.run_for(1s);
  EXPECT_NE(sim.spawns()[0].tree, sim.spawns()[1].tree);
  const auto a = sim.stop("web", {"N=a"});
  const auto b = sim.stop("web", {"N=b"});
  sim.run_for(1s);
  EXPECT_EQ(sim.outcome(b), "ok");
  EXPECT_EQ(sim.status("web", "a"), "stop/killed");
  sim.run_for(3s);
  EXPECT_EQ(sim.outcome(a), "ok");
}

TEST_F(TreesOfInstances, EndWithTheSession) {
  sim.define("web", "kill mode tree\nexec web\npost-stop exec cleanup\n");
  sim.program = [](const core::SpawnRequest& request) {
    if (request.type != ProcessType::Main) return Simulation::default_program(request);
    return Program{.leaves = 2};
  };
  sim.start("web");
  sim.run_for(1s);
  sim.end_session(core::EndSession::Type::Shutdown);
  sim.run_for(1s);
  EXPECT_TRUE(sim.has_ended());
  EXPECT_EQ(sim.spawn_count("web", ProcessType::PostStop), 1);
}

}  // namespace
}  // namespace upkeep::sim
