// Defects that a review of readiness, survivors and killing found. A test that is disabled shows
// one that is still there: run it with --gtest_also_run_disabled_tests, and take the prefix away
// with the cure.
#include <algorithm>
#include <chrono>
#include <csignal>

#include "sim/bare_manager.h"
#include "sim/scenario.h"

namespace upkeep::sim {
namespace {

using core::Exited;
using core::Forked;
using core::Orphaned;
using core::Ready;
using core::Settled;
using core::Signalled;
using core::SpawnFailure;
using core::SpawnResult;
using core::StatusText;
using core::Stopped;
using core::WatchdogInterval;
using core::WatchdogTrigger;

// KILL has been sent, or the timer has been let go, and then somebody else takes the place of main:
// TERM alone goes to that one, and if it does not act on it the stop never ends.
TEST(SupervisionDefects, SurvivorOfKillIsKilledToo) {
  BareManager bare;
  bare.define("web", "expect daemon\nexec web\n");
  const auto id = bare.run_main("web");
  bare.tell(id, Forked{8});
  bare.tell(id, Forked{9});
  bare.stop("web");
  bare.wait(std::chrono::seconds(5));
  EXPECT_EQ(bare.signals, (std::vector<int>{SIGTERM, SIGKILL}));
  bare.tell(id, Orphaned{.end = Signalled{SIGKILL}, .survivor = 10, .was_helper = true});
  bare.wait(std::chrono::seconds(60));
  EXPECT_EQ(bare.signals, (std::vector<int>{SIGTERM, SIGKILL, SIGTERM, SIGKILL}));
}

TEST(SupervisionDefects, SurvivorIsKilledWithKillTimeout0) {
  BareManager bare;
  bare.define("web", "expect auto\nkill timeout 0\nexec web\n");
  const auto id = bare.run_main("web");
  bare.stop("web");
  bare.wait(std::chrono::seconds(0));
  ASSERT_EQ(bare.signals, (std::vector<int>{SIGTERM, SIGKILL}));
  // It had ended before, as a daemon's first process does; the report was on its way.
  bare.tell(id, Orphaned{.end = Exited{0}, .survivor = 10});
  bare.wait(std::chrono::seconds(60));
  EXPECT_EQ(bare.signals.back(), SIGKILL);
}

TEST(SupervisionDefects, ReplacementOfTheKilledIsKilledToo) {
  BareManager bare;
  bare.define("web", "expect notify\nexec web\n");
  const auto id = bare.run_main("web");
  bare.tell(id, Ready{});
  bare.stop("web");
  bare.wait(std::chrono::seconds(5));
  ASSERT_EQ(bare.signals, (std::vector<int>{SIGTERM, SIGKILL}));
  bare.tell(id, core::Replaced{10});  // its last word was on its way
  bare.wait(std::chrono::seconds(60));
  EXPECT_GT(bare.signals.size(), 2U) << "nobody has told the new one to end, and nobody will";
}

// In a restart the goal is start while main is told to end. That it leaves something behind then is
// no failure (2.3: "killed: expected, never a failure"): think of sshd, which exits with 0 after
// TERM and leaves the sessions of its users.
TEST(SupervisionDefects, RestartIsNoFailureThoughSomethingSurvives) {
  BareManager bare;
  bare.define("web", "expect fork\nexec web\npost-stop exec cleanup\n");
  const auto id = bare.run_main("web");
  bare.tell(id, Forked{8});
  bare.restart("web");
  ASSERT_EQ(bare.status("web"), "start/killed");
  const auto& instance = *bare.manager.find_job("web")->find_instance("");
  bare.tell(id, Orphaned{.end = Exited{0}, .survivor = 10});
  EXPECT_FALSE(instance.failure());
}

// With `respawn` the survivor is even taken for main, and gets TERM. What is in the group and
// survives main is left alone (4.6).
TEST(SupervisionDefects, RestartLeavesSurvivorsAlone) {
  BareManager bare;
  bare.define("web", "respawn\nexpect fork\nexec web\n");
  const auto id = bare.run_main("web");
  bare.tell(id, Forked{8});
  bare.restart("web");
  bare.tell(id, Orphaned{.end = Exited{0}, .survivor = 10});
  EXPECT_EQ(bare.signals, (std::vector<int>{SIGTERM}));
  EXPECT_EQ(bare.status("web"), "start/spawned");
}

// The program that rests before it raises SIGSTOP: it is taken as started, and then nobody lets it
// go on. `expect auto` takes that for granted after one second of rest.
TEST(SupervisionDefects, StopsItselfLateAndIsContinued) {
  for (const auto* expect : {"expect stop\n", "expect auto\n"}) {
    BareManager bare;
    bare.define("web", fmt::format("{}exec web\n", expect));
    const auto id = bare.run_main("web");
    bare.tell(id, Settled{});
    EXPECT_EQ(bare.status("web"), "start/running");
    bare.tell(id, Stopped{SIGSTOP});
    EXPECT_EQ(bare.resumed.size(), 2U) << expect << "is left stopped for ever";
  }
}

// Sixteen changes are kept until the result of the spawn; of what comes then the end is dropped.
TEST(SupervisionDefects, AnEndIsHeardHoweverMuchWasSaidBefore) {
  BareManager bare;
  bare.define("web", "expect notify\nexec web\n");
  const auto id = bare.start_main("web");
  for (int i = 0; i < 20; ++i) bare.tell(id, StatusText{"starting"});
  bare.tell(id, Exited{1});
  bare.handle(SpawnResult{id, 7});
  bare.settle();
  EXPECT_EQ(bare.status("web"), "stop/waiting");
}

// The watchdog's KILL was meant for the one that hung.
TEST(SupervisionDefects, SurvivorIsNotKilledForWhatTheOneBeforeItDid) {
  BareManager bare;
  bare.define("web", "expect auto\nexpect watchdog 10\nexec web\n");
  const auto id = bare.run_main("web");
  bare.tell(id, Ready{});
  bare.tell(id, WatchdogTrigger{});
  EXPECT_EQ(bare.signals, (std::vector<int>{SIGABRT}));
  bare.tell(id, Orphaned{.end = Signalled{SIGABRT}, .survivor = 10, .was_helper = true});
  bare.wait(std::chrono::seconds(9));
  EXPECT_EQ(bare.signals, (std::vector<int>{SIGABRT}));
  // And it is watched in turn.
  bare.wait(std::chrono::seconds(2));
  EXPECT_EQ(bare.signals, (std::vector<int>{SIGABRT, SIGABRT}));
}

// Each word of trouble begins the kill timeout anew, and so KILL never comes.
TEST(SupervisionDefects, TroubleToldOftenDoesNotPutOffKill) {
  BareManager bare;
  bare.define("web", "expect notify\nkill timeout 5\nexec web\n");
  const auto id = bare.run_main("web");
  bare.tell(id, Ready{});
  for (int i = 0; i < 10; ++i) {
    bare.tell(id, WatchdogTrigger{});
    bare.wait(std::chrono::seconds(2));
  }
  EXPECT_EQ(std::ranges::count(bare.signals, SIGKILL), 1);
  EXPECT_EQ(std::ranges::count(bare.signals, SIGABRT), 1);
}

TEST(SupervisionDefects, NewIntervalsDoNotPutOffKill) {
  BareManager bare;
  bare.define("web", "expect notify\nkill timeout 5\nexec web\n");
  const auto id = bare.run_main("web");
  bare.tell(id, Ready{});
  bare.tell(id, WatchdogTrigger{});
  for (int i = 0; i < 10; ++i) {
    bare.tell(id, WatchdogInterval{std::chrono::seconds(1)});
    bare.wait(std::chrono::seconds(2));
  }
  EXPECT_EQ(std::ranges::count(bare.signals, SIGKILL), 1);
}

// The session is over as soon as no process that is known by name is left: what a tree still holds
// is neither killed nor told of, and post-stop does not run.
TEST(SupervisionDefects, EndOfSessionWaitsForTrees) {
  BareManager bare;
  bare.define("web", "kill mode tree\nkill timeout 3\nexec web\npost-stop exec cleanup\n");
  const auto id = bare.run_main("web");
  bare.handle(core::EndSession{});
  bare.tell(id, Signalled{SIGTERM});
  bare.wait(std::chrono::seconds(2));
  EXPECT_FALSE(bare.session_ended_seen);
  bare.wait(std::chrono::seconds(2));
  EXPECT_EQ(bare.signals, (std::vector<int>{SIGTERM, SIGKILL}));
}

// With `kill timeout 0` nobody has waited for the answer that the tree is empty already.
class Trees : public Scenario {};

TEST_F(Trees, NobodyIsBlamedForAnEmptyTree) {
  sim.define("web", "kill mode tree\nkill timeout 0\nexec web\n");
  sim.program = [](const core::SpawnRequest&) { return Program{.runs = 1s}; };
  sim.start("web");
  sim.run_until_quiet();
  EXPECT_EQ(sim.messages(), Lines{});
}

// How long a program is followed into the background counts from the moment when it was asked for.
// Where the machine was out of processes for a while it is lost.
TEST(SupervisionDefects, FollowedAfterALateStart) {
  BareManager bare;
  bare.define("web", "expect auto\nexec web\n");
  bare.start("web");
  SpawnFailure none_left;
  none_left.temporary = true;
  const auto since = bare.now;
  while (bare.now < since + std::chrono::seconds(100)) {
    bare.handle(SpawnResult{bare.spawned.back().id, std::unexpected(none_left)});
    bare.wait(std::chrono::seconds(30));
  }
  const auto id = bare.spawned.back().id;
  bare.handle(SpawnResult{id, 7});
  bare.tell(id, Orphaned{.end = Exited{0}, .survivor = 8});
  EXPECT_EQ(bare.status("web"), "start/running");
}

// The platform has no socket for `expect none`. If it spoke all the same, a timer would be armed
// for something that is not watched.
TEST(SupervisionDefects, TroubleOfOneThatIsNotWatched) {
  BareManager bare;
  bare.define("web", "exec web\n");
  const auto id = bare.run_main("web");
  bare.tell(id, WatchdogTrigger{});
  const auto sound = bare.manager.check_invariants();
  EXPECT_TRUE(sound) << sound.error().message;
}

// A pid that cannot be one: the manager takes the process for one that is being set up, and keeps
// its end for later.
TEST(SupervisionDefects, APidThatIsNone) {
  BareManager bare;
  bare.define("web", "expect notify\nexec web\n");
  const auto id = bare.run_main("web");
  bare.tell(id, Ready{});
  bare.tell(id, core::Replaced{0});
  bare.tell(id, Exited{1});
  EXPECT_EQ(bare.status("web"), "stop/waiting");
}

}  // namespace
}  // namespace upkeep::sim
