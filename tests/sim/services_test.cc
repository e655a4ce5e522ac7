// Services, tasks and jobs without a process: their life from start to stop.
#include "sim/scenario.h"

namespace upkeep::sim {
namespace {

using Services = Scenario;

TEST_F(Services, AServiceStartsRunsAndStops) {
  sim.define("web", "exec server\n");
  const auto started = sim.start("web");
  sim.run_until_quiet();
  EXPECT_EQ(sim.outcome(started), "ok");
  EXPECT_EQ(sim.status("web"), "start/running");
  const auto stopped = sim.stop("web");
  sim.run_until_quiet();
  EXPECT_EQ(sim.outcome(stopped), "ok");
  EXPECT_EQ(sim.states("web"), kUp + kDown);
  EXPECT_EQ(sim.events(),
            (Lines{"starting JOB=web INSTANCE=", "started JOB=web INSTANCE=",
                   "stopping JOB=web INSTANCE= RESULT=ok", "stopped JOB=web INSTANCE= RESULT=ok"}));
  EXPECT_EQ(sim.live_processes(), 0U);
}

TEST_F(Services, ATaskAnswersWhenItIsDone) {
  sim.define("job", "task\nexec work\n");
  programs({{"job/main", {.runs = 10s}}});
  const auto started = sim.start("job");
  sim.run_for(5s);
  EXPECT_EQ(sim.status("job"), "start/running");
  EXPECT_EQ(sim.outcome(started), "waiting");
  sim.run_until_quiet();
  EXPECT_EQ(sim.outcome(started), "ok");
  EXPECT_EQ(sim.states("job"), kUp + kDownWithoutMain);
}

TEST_F(Services, AJobWithoutMainRestsInRunningAndSkipsPreStop) {
  sim.define("state", "pre-stop exec never\npost-stop exec after\n");
  sim.start("state");
  sim.run_until_quiet();
  EXPECT_EQ(sim.status("state"), "start/running");
  sim.stop("state");
  sim.run_until_quiet();
  EXPECT_EQ(sim.spawn_count("state", ProcessType::PreStop), 0);
  EXPECT_EQ(sim.spawn_count("state", ProcessType::PostStop), 1);
}

TEST_F(Services, ProcessesRunInTheirOrder) {
  sim.define("web", R"(
pre-start exec a
post-start exec b
exec server
pre-stop exec c
post-stop exec d
)");
  sim.start("web");
  sim.run_until_quiet();
  sim.stop("web");
  sim.run_until_quiet();
  std::vector<ProcessType> order;
  for (const auto& request : sim.spawns()) order.push_back(request.type);
  EXPECT_EQ(order, (std::vector{ProcessType::PreStart, ProcessType::Main, ProcessType::PostStart,
                                ProcessType::PreStop, ProcessType::PostStop}));
}

TEST_F(Services, KillFollowsTheSignalAfterTheKillTimeout) {
  sim.define("web", "exec server\nkill timeout 7\n");
  programs({{"web/main", {.ignores_term = true}}});
  sim.start("web");
  sim.run_until_quiet();
  sim.stop("web");
  sim.run_for(6990ms);
  EXPECT_EQ(sim.status("web"), "stop/killed");
  sim.run_for(20ms);
  EXPECT_EQ(sim.status("web"), "stop/waiting");
}

TEST_F(Services, Q14_KillTimeoutZeroKillsAtOnce) {
  sim.define("web", "exec server\nkill timeout 0\n");
  programs({{"web/main", {.ignores_term = true}}});
  sim.start("web");
  sim.run_until_quiet();
  sim.stop("web");
  sim.run_for(2ms);
  EXPECT_EQ(sim.status("web"), "stop/waiting");
}

TEST_F(Services, ARespawnRunsTheWholeCycle) {
  sim.define("web", "respawn\nexec server\n");
  sim.start("web");
  sim.run_until_quiet();
  sim.kill_main("web", SIGKILL);
  sim.run_until_quiet();
  EXPECT_EQ(sim.status("web"), "start/running");
  EXPECT_EQ(sim.states("web"),
            (kUp + Lines{"stopping", "killed", "post-stopping", "post-stop"} + kUpAgain));
  EXPECT_EQ(sim.events()[2], "stopping JOB=web INSTANCE= RESULT=ok");
}

TEST_F(Services, TheEleventhStartIsTheLast) {
  sim.define("web", "respawn\nexec server\n");
  programs({{"web/main", {.runs = 50ms, .status = 1}}});
  sim.start("web", {}, Wait::No);
  sim.run_until_quiet();
  EXPECT_EQ(sim.spawn_count("web", ProcessType::Main), 11);
  EXPECT_EQ(sim.events().back(), "stopped JOB=web INSTANCE= RESULT=failed PROCESS=respawn");
  EXPECT_EQ(sim.messages().back(), "web gave up: respawned 10 times within 5 seconds, job stopped");
}

TEST_F(Services, InstancesLiveSideBySide) {
  sim.define("vm", "instance $NAME\nexec run\n");
  sim.start("vm", {"NAME=a"});
  sim.start("vm", {"NAME=b/c"});
  const auto unnamed = sim.start("vm");
  sim.run_until_quiet();
  EXPECT_EQ(sim.status("vm", "a"), "start/running");
  EXPECT_EQ(sim.status("vm", "b/c"), "start/running");
  EXPECT_EQ(sim.outcome(unnamed), "Unknown parameter: NAME");
}

TEST_F(Services, ExpectStopWaitsForTheStopAndContinuesTheProcess) {
  sim.define("web", "expect stop\nexec server\n");
  programs({{"web/main", {.stops_itself = true, .ready_after = 3s}}});
  const auto started = sim.start("web");
  sim.run_for(2s);
  EXPECT_EQ(sim.status("web"), "start/spawned");
  sim.run_until_quiet();
  EXPECT_EQ(sim.outcome(started), "ok");
}

TEST_F(Services, AProgramThatStopsItselfOnTheWayDownIsContinued) {
  // A stopped process does not act on TERM: it would be left to the kill timeout.
  sim.define("web", "expect stop\nexec server\nkill timeout 60\n");
  sim.define("hook", "start on stopping web\ntask\nexec wait\n");
  programs({{"web/main", {.stops_itself = true, .ready_after = 2s}}, {"hook/main", {.runs = 3s}}});
  sim.start("web");
  sim.run_for(1s);
  sim.stop("web");
  sim.run_for(2s);
  EXPECT_EQ(sim.status("web"), "stop/stopping");
  sim.run_for(3s);
  EXPECT_EQ(sim.status("web"), "stop/waiting");
}

TEST_F(Services, ExpectDaemonFollowsTheSecondFork) {
  sim.define("web", "expect daemon\nexec server\n");
  programs({{"web/main", {.forks = 2}}});
  const auto started = sim.start("web");
  sim.run_until_quiet();
  EXPECT_EQ(sim.outcome(started), "ok");
  EXPECT_EQ(sim.status("web"), "start/running");
  // Three pids were used; the last is main's.
  EXPECT_EQ(sim.manager().find_job("web")->find_instance("")->pid(ProcessType::Main), 103);
}

TEST_F(Services, AScriptThatExecutesTheDaemonIsNotReadyByThat) {  // 4.5
  sim.define("web", "expect fork\nexec script\n");
  programs({{"web/main", {.forks = 1, .ready_after = 3s, .executes_after = 0}}});
  sim.start("web");
  sim.run_for(5s);
  EXPECT_EQ(sim.status("web"), "start/spawned");
  sim.run_until_quiet();
  EXPECT_EQ(sim.status("web"), "start/running");
}

TEST_F(Services, ADaemonThatForksOnceAndExecutesIsReady) {  // 4.5
  sim.define("web", "expect daemon\nexec server\n");
  programs({{"web/main", {.forks = 1, .ready_after = 3s, .executes_after = 1}}});
  sim.start("web");
  sim.run_for(5s);
  EXPECT_EQ(sim.status("web"), "start/spawned");
  sim.run_until_quiet();
  EXPECT_EQ(sim.status("web"), "start/running");
}

TEST_F(Services, Q13_StopEndsAProgramThatNeverBecomesReady) {
  sim.define("web", "expect daemon\nexec server\n");
  programs({{"web/main", {.never_rests = true}}});  // nor does it fork
  const auto started = sim.start("web");
  sim.run_for(60s);
  EXPECT_EQ(sim.status("web"), "start/spawned");
  const auto stopped = sim.stop("web");
  sim.run_until_quiet();
  EXPECT_EQ(sim.outcome(stopped), "ok");
  EXPECT_EQ(sim.outcome(started), "ok");  // released, as every redirected request
  EXPECT_EQ(sim.status("web"), "stop/waiting");
  EXPECT_EQ(sim.live_processes(), 0U);
}

TEST_F(Services, Q13_AVanishedMainDoesNotKeepTheJobInKilled) {
  sim.define("web", "exec server\n");
  programs({{"web/main", {.vanishes = true}}});
  sim.start("web");
  sim.run_until_quiet();
  const auto stopped = sim.stop("web");
  sim.run_until_quiet();
  EXPECT_EQ(sim.outcome(stopped), "ok");
}

TEST_F(Services, TheEnvironmentOfAProcess) {  // spec/job-language.md 5.4
  Simulation world({.job_environment = {"PATH=/bin", "TERM=linux"},
                    .daemon_environment = {"LANG=C", "PATH=/sbin"},
                    .session_address = "unix:abstract=x"});
  world.define("web", R"(
env A=file
env B=file
env LANG
env TERM
env UPSTART_JOB=forged
exec server
pre-stop exec x
)");
  world.start("web", {"B=command"});
  world.run_until_quiet();
  EXPECT_EQ(world.spawns()[0].environment,
            (Environment{"PATH=/bin", "A=file", "B=command", "LANG=C", "UPSTART_JOB=web",
                         "UPSTART_INSTANCE=", "UPSTART_SESSION=unix:abstract=x"}));
  world.stop("web", {"WHY=100%s"});  // Q19
  world.run_until_quiet();
  EXPECT_EQ(find_variable(world.spawns()[1].environment, "WHY"), "100%s");
  EXPECT_EQ(find_variable(world.spawns()[1].environment, "B"), "command");
  EXPECT_EQ(world.violations(), Lines{});
}

TEST_F(Services, TheLastEntryOfANameDecides) {  // spec/job-language.md 5.1
  Simulation world({.job_environment = {"PATH=/bin"}, .daemon_environment = {"LANG=C"}});
  world.define("web", "env A=1\nenv A\nenv B\nenv B=2\nenv PATH\nenv LANG=x\nenv LANG\nexec web\n");
  world.start("web");
  world.run_until_quiet();
  EXPECT_EQ(world.spawns()[0].environment,
            (Environment{"B=2", "LANG=C", "UPSTART_JOB=web", "UPSTART_INSTANCE="}));
}

TEST_F(Services, ADefinitionWaitsUntilTheLastInstanceHasGone) {  // spec/job-language.md 1.5
  sim.define("vm", "instance $N\nexec old\n");
  sim.start("vm", {"N=1"});
  sim.run_until_quiet();
  sim.define("vm", "instance $N\nexec new\n");
  sim.start("vm", {"N=2"});
  sim.run_until_quiet();
  EXPECT_EQ(sim.spawns().back().definition->process(ProcessType::Main)->text, "old");
  sim.stop("vm", {"N=1"});
  sim.stop("vm", {"N=2"});
  sim.run_until_quiet();
  sim.start("vm", {"N=3"});
  sim.run_until_quiet();
  EXPECT_EQ(sim.spawns().back().definition->process(ProcessType::Main)->text, "new");
}

TEST_F(Services, ADeletedFileDoesNotStopItsJob) {
  sim.define("web", "respawn\nexec server\n");
  sim.start("web");
  sim.run_until_quiet();
  sim.undefine("web");
  sim.kill_main("web", SIGSEGV);
  sim.run_until_quiet();
  EXPECT_EQ(sim.status("web"), "start/running");
  sim.stop("web");
  sim.run_until_quiet();
  EXPECT_EQ(sim.manager().find_job("web"), nullptr);
}

}  // namespace
}  // namespace upkeep::sim
