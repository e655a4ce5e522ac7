// start, stop, restart and reload in every state (spec/runtime.md 2.9, 2.10).
#include "sim/scenario.h"

namespace upkeep::sim {
namespace {

using Commands = Scenario;

TEST_F(Commands, RefusalsNameTheirReason) {
  sim.define("web", "exec web\n");
  EXPECT_EQ(sim.outcome(sim.start("nosuch")), "Unknown job: nosuch");
  EXPECT_EQ(sim.outcome(sim.stop("web")), "Unknown instance: ");
  EXPECT_EQ(sim.outcome(sim.restart("web")), "Unknown instance: ");
  EXPECT_EQ(sim.outcome(sim.start("web", {"BAR"})), "Env must be KEY=VALUE pairs");
  sim.start("web");
  sim.run_until_quiet();
  EXPECT_EQ(sim.outcome(sim.start("web")), "Job is already running: web");
  sim.stop("web", {}, Wait::No);
  EXPECT_EQ(sim.outcome(sim.stop("web")), "Job has already been stopped: web");
  EXPECT_EQ(sim.outcome(sim.restart("web")), "Job has already been stopped: web");
  sim.run_until_quiet();
}

TEST_F(Commands, UsageHelpsWhoForgotAVariable) {
  sim.define("vm", "instance $N\nusage \"N=name of the machine\"\nexec vm\n");
  EXPECT_EQ(sim.outcome(sim.start("vm")), "Unknown parameter: N\nUsage: N=name of the machine");
  EXPECT_EQ(sim.outcome(sim.stop("vm")), "Unknown parameter: N");
}

TEST_F(Commands, AHugeEnvironmentCostsNoMoreThanItsSize) {  // any user may ask for a name
  sim.define("vm", "start on go\ninstance $N\nexec vm\n");
  Environment environment{"N=a"};
  for (int i = 0; i < 100000; ++i) environment.push_back(fmt::format("{:x}=", i));
  sim.start("vm", environment);
  sim.stop("vm", environment);
  environment[0] = "N=b";
  sim.emit("go", environment);
  sim.run_until_quiet();
  EXPECT_EQ(sim.status("vm", "a"), "stop/waiting");
  EXPECT_EQ(sim.status("vm", "b"), "start/running");
}

TEST_F(Commands, InstanceNamesAreBounded) {
  sim.define("vm", "start on up\ninstance $N\nexec vm\n");
  const auto name = [](std::size_t length) { return "N=" + std::string(length, 'x'); };
  EXPECT_EQ(sim.outcome(sim.start("vm", {name(8193)})), "Instance name longer than 8192 bytes");
  sim.emit("up", {name(8193)});
  sim.run_until_quiet();
  EXPECT_EQ(sim.messages().back(),
            "vm not started by event up: instance name: Instance name longer than 8192 bytes");
  const auto longest = sim.start("vm", {name(8192)});
  sim.run_until_quiet();
  EXPECT_EQ(sim.outcome(longest), "ok");
}

TEST_F(Commands, WithoutWaitTheReplyComesAtOnce) {
  sim.define("web", "exec web\n");
  EXPECT_EQ(sim.outcome(sim.start("web", {}, Wait::No)), "ok");
  EXPECT_EQ(sim.status("web"), "start/spawned");
  sim.run_until_quiet();
  EXPECT_EQ(sim.outcome(sim.stop("web", {}, Wait::No)), "ok");
  EXPECT_EQ(sim.status("web"), "stop/killed");
  sim.run_until_quiet();
}

TEST_F(Commands, StartUndoesAStopWithoutTrace) {
  sim.define("web", "pre-start exec slow\nexec web\n");
  programs({{"web/pre-start", {.runs = 10s}}});
  const auto first = sim.start("web");
  sim.run_for(1s);
  const auto stop = sim.stop("web");
  const auto second = sim.start("web");
  EXPECT_EQ(sim.outcome(first), "ok");  // 2.8: superseded requesters succeed
  EXPECT_EQ(sim.outcome(stop), "ok");
  sim.run_until_quiet();
  EXPECT_EQ(sim.outcome(second), "ok");
  EXPECT_EQ(sim.spawn_count("web", ProcessType::PreStart), 1);
}

TEST_F(Commands, StopWhileStartingTakesTheWayDown) {  // 2.2: also for a job that never ran
  sim.define("web", "pre-start exec a\nexec web\npost-stop exec z\n");
  sim.start("web");
  sim.stop("web");
  sim.run_until_quiet();
  EXPECT_EQ(sim.spawn_count("web", ProcessType::Main), 0);
  EXPECT_EQ(sim.spawn_count("web", ProcessType::PostStop), 1);
  EXPECT_EQ(sim.events().back(), "stopped JOB=web INSTANCE= RESULT=ok");
}

TEST_F(Commands, StartWhileBeingKilledRunsTheFullCycle) {
  sim.define("web", "exec web\n");
  programs({{"web/main", {.takes_to_die = 2s}}});
  sim.start("web");
  sim.run_until_quiet();
  const auto stop = sim.stop("web");
  sim.run_for(1s);
  EXPECT_EQ(sim.status("web"), "stop/killed");
  const auto start = sim.start("web");
  EXPECT_EQ(sim.outcome(stop), "ok");
  EXPECT_EQ(sim.status("web"), "start/killed");
  sim.run_until_quiet();
  EXPECT_EQ(sim.outcome(start), "ok");
  EXPECT_EQ(sim.spawn_count("web", ProcessType::Main), 2);
}

TEST_F(Commands, RestartRunsTheFullCycleAndForgetsVariables) {  // Q8, keep
  sim.define("web", "env X=file\nexec web\n");
  sim.start("web", {"X=1", "Y=2"});
  sim.run_until_quiet();
  const auto restarted = sim.restart("web");
  sim.run_until_quiet();
  EXPECT_EQ(sim.outcome(restarted), "ok");
  ASSERT_EQ(sim.spawns().size(), 2U);
  EXPECT_EQ(find_variable(sim.spawns()[1].environment, "X"), "file");
  EXPECT_EQ(find_variable(sim.spawns()[1].environment, "Y"), std::nullopt);
  EXPECT_EQ(sim.states("web"), (kUp +
                                Lines{">stop", "pre-stopping", "pre-stop", "stopping", ">start",
                                      "killed", "post-stopping", "post-stop"} +
                                kUpAgain));
}

TEST_F(Commands, RestartOfAnInstanceKeepsItsEnvironment) {
  sim.define("web", "exec web\n");
  sim.start("web", {"X=1"});
  sim.run_until_quiet();
  sim.instance_request(Verb::Restart, "web", "", Wait::No);
  sim.run_until_quiet();
  EXPECT_EQ(find_variable(sim.spawns()[1].environment, "X"), "1");
}

TEST_F(Commands, Q6_RestartOfAJobWithPreStopRestarts) {
  sim.define("web", "exec web\npre-stop exec bye\n");
  sim.start("web");
  sim.run_until_quiet();
  const auto restarted = sim.restart("web");
  sim.run_until_quiet();
  EXPECT_EQ(sim.outcome(restarted), "ok");
  EXPECT_EQ(sim.spawn_count("web", ProcessType::PreStop), 1);
  EXPECT_EQ(sim.spawn_count("web", ProcessType::Main), 2);
}

TEST_F(Commands, RestartBeforeTheJobRunsIsNotLost) {  // 2.9: the original loses it
  sim.define("web", "pre-start exec slow\nexec web\n");
  programs({{"web/pre-start", {.runs = 10s}}});
  sim.start("web", {"X=1"});
  sim.run_for(1s);
  const auto restarted = sim.restart("web", {"X=2"});
  sim.run_until_quiet();
  EXPECT_EQ(sim.outcome(restarted), "ok");
  EXPECT_EQ(sim.status("web"), "start/running");
  EXPECT_EQ(find_variable(sim.spawns().back().environment, "X"), "2");
  EXPECT_EQ(sim.spawn_count("web", ProcessType::Main), 1);
}

TEST_F(Commands, StartInPreStopCancelsTheStop) {  // 2.10
  sim.define("web", "exec web\npre-stop exec ask\n");
  programs({{"web/pre-stop", {.runs = 5s}}});
  sim.start("web");
  sim.run_until_quiet();
  const auto stop = sim.stop("web");
  sim.run_for(1s);
  sim.instance_request(Verb::Start, "web", "", Wait::No);
  sim.run_until_quiet();
  EXPECT_EQ(sim.outcome(stop), "ok");
  EXPECT_EQ(sim.status("web"), "start/running");
  EXPECT_EQ(sim.spawn_count("web", ProcessType::Main), 1);
  EXPECT_EQ(sim.events().size(), 2U);  // starting, started: a cancelled stop is silent
}

TEST_F(Commands, Q7_ACancelledStopRestartsAMainThatDiedMeanwhile) {
  sim.define("web", "exec web\npre-stop exec ask\n");
  programs({{"web/pre-stop", {.runs = 5s}}});
  sim.start("web");
  sim.run_until_quiet();
  sim.stop("web");
  sim.run_for(1s);
  sim.kill_main("web", SIGKILL);
  sim.run_for(1s);
  sim.start("web");
  sim.run_until_quiet();
  EXPECT_EQ(sim.status("web"), "start/running");
  EXPECT_EQ(sim.spawn_count("web", ProcessType::Main), 2);
}

TEST_F(Commands, Q7_StartWhileARespawnWaitsForPostStart) {
  sim.define("web", "respawn\nexec web\npost-start exec slow\n");
  programs({{"web/post-start", {.runs = 5s}}});
  sim.start("web");
  sim.run_for(1s);
  sim.kill_main("web", SIGKILL);
  sim.run_for(1s);
  EXPECT_EQ(sim.status("web"), "respawn/post-start");
  sim.start("web", {}, Wait::No);
  sim.run_for(5s);
  EXPECT_EQ(sim.spawn_count("web", ProcessType::Main), 2);
  sim.run_until_quiet();
  EXPECT_EQ(sim.status("web"), "start/running");
}

TEST_F(Commands, StopDuringARestartEndsInWaiting) {
  sim.define("web", "exec web\n");
  programs({{"web/main", {.takes_to_die = 2s}}});
  sim.start("web");
  sim.run_until_quiet();
  const auto restart = sim.restart("web");
  sim.run_for(1s);
  const auto stop = sim.stop("web");
  sim.run_until_quiet();
  EXPECT_EQ(sim.outcome(restart), "ok");
  EXPECT_EQ(sim.outcome(stop), "ok");
  EXPECT_EQ(sim.status("web"), "stop/waiting");
}

TEST_F(Commands, ReloadSignalsTheMainProcessAlone) {
  sim.define("web", "exec web\nreload signal USR1\n");
  EXPECT_EQ(sim.outcome(sim.reload("web")), "Unknown instance: ");
  sim.start("web");
  sim.run_until_quiet();
  EXPECT_EQ(sim.outcome(sim.reload("web")), "ok");
  EXPECT_NE(sim.trace().back().find("reply"), std::string::npos);
  EXPECT_NE(sim.trace()[sim.trace().size() - 2].find("signal USR1 web main, it alone"),
            std::string::npos);
  sim.define("state", "");
  sim.start("state");
  sim.run_until_quiet();
  EXPECT_EQ(sim.outcome(sim.reload("state")), "Job is not running: state");
}

TEST_F(Commands, AStartWhileStoppingBeginsWithACleanRecord) {  // 2.2: starting
  sim.define("web", "exec web\npost-stop exec slow\n");
  int runs = 0;
  sim.program = [&runs](const core::SpawnRequest& request) {
    if (request.type == ProcessType::PostStop) return Program{.runs = 5s};
    return ++runs == 1 ? Program{.runs = 1s, .status = 1} : Program{.takes_to_die = 2s};
  };
  sim.start("web");
  sim.run_for(3s);
  EXPECT_EQ(sim.status("web"), "stop/post-stop");  // it has failed
  sim.start("web");
  sim.run_until_quiet();
  sim.stop("web", {"Y=3"});
  sim.run_for(1s);
  EXPECT_EQ(sim.events().back(), "stopping JOB=web INSTANCE= RESULT=ok");
  sim.start("web");
  sim.run_until_quiet();
  sim.kill_main("web", SIGKILL);
  sim.run_until_quiet();
  EXPECT_EQ(find_variable(sim.spawns().back().environment, "Y"), std::nullopt);
}

TEST_F(Commands, ARestartForgetsTheVariablesOfAStop) {
  sim.define("web", "pre-start exec slow\nexec web\npre-stop exec bye\n");
  programs({{"web/pre-start", {.runs = 5s}}});
  sim.start("web");
  sim.run_for(1s);
  sim.stop("web", {"Y=3"});
  sim.start("web");
  sim.run_until_quiet();
  sim.restart("web");
  sim.run_for(100ms);
  const auto bye = std::ranges::find(sim.spawns(), ProcessType::PreStop, &core::SpawnRequest::type);
  ASSERT_NE(bye, sim.spawns().end());
  EXPECT_EQ(find_variable(bye->environment, "Y"), std::nullopt);
}

TEST_F(Commands, MainMayEndInThePreStopOfARestart) {  // asked for: neither failure nor respawn
  sim.define("web", "exec web\npre-stop exec ask\n");
  programs({{"web/pre-stop", {.runs = 5s}}});
  sim.start("web");
  sim.run_until_quiet();
  const auto restarted = sim.restart("web");
  sim.run_for(1s);
  sim.kill_main("web", SIGKILL);
  sim.run_until_quiet();
  EXPECT_EQ(sim.outcome(restarted), "ok");
  EXPECT_EQ(sim.events()[2], "stopping JOB=web INSTANCE= RESULT=ok");
  EXPECT_EQ(sim.status("web"), "start/running");
}

TEST_F(Commands, StopVariablesReachPreStopAndPostStopOnly) {
  sim.define("web", "exec web\npre-stop exec a\npost-stop exec b\n");
  sim.start("web");
  sim.run_until_quiet();
  sim.stop("web", {"Y=3"});
  sim.run_until_quiet();
  sim.start("web");
  sim.run_until_quiet();
  sim.stop("web");
  sim.run_until_quiet();
  std::vector<bool> seen;
  for (const auto& spawn : sim.spawns()) {
    seen.push_back(find_variable(spawn.environment, "Y").has_value());
  }
  EXPECT_EQ(seen, (std::vector<bool>{false, true, true, false, false, false}));
}

}  // namespace
}  // namespace upkeep::sim
