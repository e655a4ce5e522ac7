// Events start and stop jobs, and wait for them (spec/runtime.md 3).
#include "sim/scenario.h"

namespace upkeep::sim {
namespace {

using Events = Scenario;

TEST_F(Events, TheGuidesJobFollowsTheRunlevel) {
  sim.define("animeta",
             "start on runlevel [2345]\nstop on runlevel [016]\nrespawn\nexec gunicorn\n");
  const auto up = sim.emit("runlevel", {"RUNLEVEL=2", "PREVLEVEL=N"});
  sim.run_until_quiet();
  EXPECT_EQ(sim.outcome(up), "ok");
  EXPECT_EQ(sim.status("animeta"), "start/running");
  EXPECT_EQ(find_variable(sim.spawns()[0].environment, "UPSTART_EVENTS"), "runlevel");
  const auto down = sim.emit("runlevel", {"RUNLEVEL=0", "PREVLEVEL=2"});
  EXPECT_EQ(sim.outcome(down), "waiting");
  sim.run_until_quiet();
  EXPECT_EQ(sim.outcome(down), "ok");
  EXPECT_EQ(sim.status("animeta"), "stop/waiting");
}

TEST_F(Events, AJobChainedToTwoOthersWaitsForBoth) {
  sim.define("mysql", "start on boot\nexec mysqld\n");
  sim.define("nginx", "start on boot\nexec nginx\n");
  sim.define("app", "start on started mysql and started nginx\nstop on stopping mysql\nexec app\n");
  programs({{"mysql/main", {.set_up = 2s}}});
  sim.emit("boot");
  sim.run_for(1s);
  EXPECT_EQ(sim.status("nginx"), "start/running");
  EXPECT_EQ(sim.status("app"), "stop/waiting");
  sim.run_until_quiet();
  EXPECT_EQ(sim.status("app"), "start/running");

  // mysql does not get its signal before the application has stopped.
  sim.stop("mysql");
  sim.run_until_quiet();
  const auto& events = sim.events();
  const auto app = std::ranges::find(events, "stopped JOB=app INSTANCE= RESULT=ok");
  const auto mysql = std::ranges::find(events, "stopped JOB=mysql INSTANCE= RESULT=ok");
  ASSERT_NE(app, events.end());
  ASSERT_NE(mysql, events.end());
  EXPECT_LT(app, mysql);
}

TEST_F(Events, StartingBlocksUntilTheHookRuns) {
  sim.define("db", "exec db\n");
  sim.define("hook", "start on starting db\npre-start exec wait\nexec hook\n");
  programs({{"hook/pre-start", {.runs = 30s}}});
  sim.start("db");
  sim.run_for(29s);
  EXPECT_EQ(sim.status("db"), "start/starting");
  sim.run_until_quiet();
  EXPECT_EQ(sim.status("db"), "start/running");
}

TEST_F(Events, AFailingHookDoesNotStopTheJobButIsTold) {  // 3.7
  sim.define("db", "exec db\n");
  sim.define("hook", "start on starting db\ntask\nexec fail\n");
  programs({{"hook/main", {.runs = 1s, .status = 3}}});
  const auto started = sim.start("db");
  sim.run_until_quiet();
  EXPECT_EQ(sim.outcome(started), "ok");
  EXPECT_NE(std::ranges::find(sim.events(), "starting/failed JOB=db INSTANCE="),
            sim.events().end());
}

TEST_F(Events, AFailedEventFailsItsEmitter) {
  sim.define("job", "start on go\ntask\nexec fail\n");
  programs({{"job/main", {.runs = 1s, .status = 1}}});
  const auto emitted = sim.emit("go", {"A=1"});
  sim.run_until_quiet();
  EXPECT_EQ(sim.outcome(emitted), "Event failed");
  EXPECT_NE(std::ranges::find(sim.events(), "go/failed A=1"), sim.events().end());
}

TEST_F(Events, EachWalkBeginsWithTheOldestEvent) {  // 3.1
  sim.define("web", "start on go\nexec web\n");
  sim.emit("go");
  sim.run_until_quiet();
  EXPECT_EQ(sim.events(), (Lines{"starting JOB=web INSTANCE=", "go", "started JOB=web INSTANCE="}));
}

TEST_F(Events, AFailedEventIsNotFollowedByAnother) {  // 3.7: no go/failed/failed
  sim.define("job", "start on go/failed\ntask\nexec fail\n");
  programs({{"job/main", {.runs = 1s, .status = 1}}});
  const auto emitted = sim.emit("go/failed");
  sim.run_until_quiet();
  EXPECT_EQ(sim.outcome(emitted), "Event failed");
  EXPECT_EQ(std::ranges::find(sim.events(), "go/failed/failed"), sim.events().end());
}

TEST_F(Events, AStopByEventReleasesWhoWaitedForTheStart) {  // 2.8
  sim.define("web", "stop on down\npre-start exec slow\nexec web\n");
  programs({{"web/pre-start", {.runs = 10s}}});
  const auto started = sim.start("web");
  sim.run_for(1s);
  const auto down = sim.emit("down");
  EXPECT_EQ(sim.outcome(started), "ok");
  EXPECT_EQ(sim.outcome(down), "waiting");
  sim.run_until_quiet();
  EXPECT_EQ(sim.outcome(down), "ok");
}

TEST_F(Events, HalfAConditionHoldsItsEvent) {  // 3.3, keep
  sim.define("job", "start on a and (b or c)\ntask\nexec work\n");
  programs({{"job/main", {.runs = 1s}}});
  for (const auto* second : {"b", "c"}) {
    const auto first = sim.emit("a");
    sim.run_until_quiet();
    EXPECT_EQ(sim.outcome(first), "waiting");
    sim.emit(second);
    sim.run_until_quiet();
    EXPECT_EQ(sim.outcome(first), "ok");
    EXPECT_EQ(find_variable(sim.spawns().back().environment, "UPSTART_EVENTS"),
              std::string("a ") + second);
  }
  EXPECT_EQ(sim.spawn_count("job", ProcessType::Main), 2);
}

TEST_F(Events, StartOnWhileRunningDoesNothing) {  // 3.2
  sim.define("web", "start on go\nexec web\n");
  sim.emit("go");
  sim.run_until_quiet();
  const auto again = sim.emit("go", {"N=2"});
  EXPECT_EQ(sim.outcome(again), "ok");
  EXPECT_EQ(sim.spawn_count("web", ProcessType::Main), 1);
}

TEST_F(Events, OneEventInBothConditionsRestartsWithTheNewEnvironment) {
  sim.define("web", "start on go\nstop on go\nexec web\npost-stop exec after\n");
  sim.emit("go", {"N=1"});
  sim.run_until_quiet();
  sim.emit("go", {"N=2"});
  sim.run_until_quiet();
  EXPECT_EQ(sim.status("web"), "start/running");
  ASSERT_EQ(sim.spawns().size(), 3U);
  EXPECT_EQ(find_variable(sim.spawns()[1].environment, "N"), "2");  // post-stop: the stop's
  EXPECT_EQ(find_variable(sim.spawns()[1].environment, "UPSTART_STOP_EVENTS"), "go");
  EXPECT_EQ(find_variable(sim.spawns()[2].environment, "N"), "2");
  EXPECT_EQ(find_variable(sim.spawns()[2].environment, "UPSTART_STOP_EVENTS"), std::nullopt);
}

TEST_F(Events, Q6_OneEventInBothConditionsRestartsAJobWithPreStop) {
  sim.define("web", "start on go\nstop on go\nexec web\npre-stop exec bye\n");
  sim.emit("go");
  sim.run_until_quiet();
  sim.emit("go");
  sim.run_until_quiet();
  EXPECT_EQ(sim.status("web"), "start/running");
  EXPECT_EQ(sim.spawn_count("web", ProcessType::Main), 2);
}

TEST_F(Events, Q9_AnInstanceNameThatCannotBeExpandedHarmsNoOtherJob) {
  sim.define("a", "start on go\ninstance $NOSUCH\nexec a\n");
  sim.define("b", "start on go\nexec b\n");
  sim.emit("go");
  sim.run_until_quiet();
  EXPECT_EQ(sim.status("b"), "start/running");
  EXPECT_EQ(sim.messages().front(),
            "a not started by event go: instance name: Unknown parameter: NOSUCH");
}

TEST_F(Events, Q16_AJobCannotWaitForItsOwnStopping) {
  sim.define("a", "start on stopping a\nexec a\n");
  sim.define("b", "respawn\nstop on stopping b\nexec b\n");
  sim.start("a");
  sim.start("b");
  sim.run_until_quiet();
  sim.stop("a");
  sim.kill_main("b", SIGKILL);
  sim.run_until_quiet();
  EXPECT_EQ(sim.status("a"), "start/running");
  EXPECT_EQ(sim.status("b"), "stop/waiting");
}

TEST_F(Events, Q16_HalfAConditionDoesNotHoldTheJobsOwnStopping) {
  sim.define("a", "stop on stopping a and foo\nrespawn\nexec a\n");
  sim.define("b", "start on stopping b and foo\nexec b\n");
  sim.start("a");
  sim.start("b");
  sim.run_until_quiet();
  sim.kill_main("a", SIGKILL);
  const auto stopped = sim.stop("b");
  sim.run_until_quiet();
  EXPECT_EQ(sim.status("a"), "start/running");
  EXPECT_EQ(sim.outcome(stopped), "ok");
  sim.emit("foo");  // what has matched is not forgotten
  sim.run_until_quiet();
  EXPECT_EQ(sim.status("a"), "stop/waiting");
  EXPECT_EQ(sim.status("b"), "start/running");
}

TEST_F(Events, ExportedVariablesFollowTheBuiltIn) {  // 3.10
  sim.define("web", "env A=1\nenv JOB=forged\nexport B A JOB\nexec web\n");
  sim.start("web");
  sim.run_until_quiet();
  EXPECT_EQ(sim.events().front(), "starting JOB=web INSTANCE= A=1");
}

TEST_F(Events, JobsThatTriggerEachOtherForEverStarveNobody) {
  sim.define("ping", "start on stopped pong\ntask\n");
  sim.define("a", "start on tick\ntask\nexec x\n");
  sim.define("loop", "start on loop or started loop\ninstance $UPSTART_EVENTS$JOB\n");
  sim.emit("loop");
  const auto request = sim.start("a");
  sim.run_for(10ms);
  EXPECT_NE(sim.outcome(request), "");
  EXPECT_EQ(sim.status("a"), "start/running");
}

TEST_F(Events, AReplacedDefinitionTakesOverHalfACondition) {  // spec/job-language.md 1.5
  sim.define("web", "start on a and b\nexec old\n");
  const auto first = sim.emit("a");
  sim.define("web", "start on b and a\nexec new\n");
  EXPECT_EQ(sim.outcome(first), "waiting");
  sim.emit("b");
  sim.run_until_quiet();
  EXPECT_EQ(sim.status("web"), "start/running");
  EXPECT_EQ(sim.outcome(first), "ok");
}

TEST_F(Events, ADefinitionThatWaitedMayStartAtOnce) {
  sim.define("web", "start on a and b\nexec old\n");
  sim.start("web");
  sim.run_until_quiet();
  const auto half = sim.emit("a");
  sim.define("web", "start on a\nexec new\n");
  const auto stop = sim.stop("web");
  sim.run_until_quiet();
  EXPECT_EQ(sim.outcome(stop), "ok");
  EXPECT_EQ(sim.outcome(half), "ok");
  EXPECT_EQ(sim.status("web"), "start/running");
  EXPECT_EQ(sim.spawns().back().definition->process(ProcessType::Main)->text, "new");
}

TEST_F(Events, ARemovedJobLetsGoOfItsEvents) {
  sim.define("web", "start on a and b\nexec old\n");
  const auto first = sim.emit("a");
  sim.undefine("web");
  EXPECT_EQ(sim.outcome(first), "ok");
}

TEST_F(Events, EmittingNeedsANameAndAssignments) {
  EXPECT_EQ(sim.outcome(sim.emit("")), "Name may not be empty string");
  EXPECT_EQ(sim.outcome(sim.emit("x", {"BAR"})), "Env must be KEY=VALUE pairs");
  EXPECT_EQ(sim.outcome(sim.emit("x", {"=x"})), "ok");
}

}  // namespace
}  // namespace upkeep::sim
