// What fails, what it is called, and who is told (spec/runtime.md 2.3 to 2.8).
#include <cerrno>

#include "sim/scenario.h"

namespace upkeep::sim {
namespace {

struct Case {
  std::string name, job;
  std::map<std::string, Program> programs;
  std::string outcome, stopped;
  bool restarted = false;
};

class Failures : public Scenario, public ::testing::WithParamInterface<Case> {};

TEST_P(Failures, AreReported) {
  const auto& expected = GetParam();
  sim.define("foo", expected.job);
  programs(expected.programs);
  const auto started = sim.start("foo");
  sim.run_until_quiet();
  EXPECT_EQ(sim.outcome(started), expected.outcome);
  EXPECT_EQ(sim.events().back(), "stopped JOB=foo INSTANCE= " + expected.stopped);
  EXPECT_EQ(sim.status("foo"), "stop/waiting");
}

INSTANTIATE_TEST_SUITE_P(
    All, Failures,
    ::testing::Values(
        Case{"task_exit_0", "task\nexec x\n", {{"foo/main", {.runs = 1s}}}, "ok", "RESULT=ok"},
        Case{"task_exit_7",
             "task\nexec x\n",
             {{"foo/main", {.runs = 1s, .status = 7}}},
             "Job failed to start",
             "RESULT=failed PROCESS=main EXIT_STATUS=7"},
        Case{"service_exit_0", "exec x\n", {{"foo/main", {.runs = 1s}}}, "ok", "RESULT=ok"},
        Case{"service_killed",
             "exec x\n",
             {{"foo/main", {.runs = 1s, .dies_by = SIGSEGV}}},
             "ok",
             "RESULT=failed PROCESS=main EXIT_SIGNAL=SEGV"},
        Case{"signal_without_name",
             "exec x\n",
             {{"foo/main", {.runs = 1s, .dies_by = 40}}},
             "ok",
             "RESULT=failed PROCESS=main EXIT_SIGNAL=40"},
        Case{"normal_exit",
             "exec x\nnormal exit 3 TERM\n",
             {{"foo/main", {.runs = 1s, .status = 3}}},
             "ok",
             "RESULT=ok"},
        Case{"respawn_normal_exit",
             "exec x\nrespawn\nnormal exit 0\n",
             {{"foo/main", {.runs = 1s}}},
             "ok",
             "RESULT=ok"},
        Case{"pre_start_fails",
             "pre-start exec p\nexec x\n",
             {{"foo/pre-start", {.runs = 1s, .status = 2}}},
             "Job failed to start",
             "RESULT=failed PROCESS=pre-start EXIT_STATUS=2"},
        Case{"normal_exit_is_for_main_only",
             "normal exit 2\npre-start exec p\nexec x\n",
             {{"foo/pre-start", {.runs = 1s, .status = 2}}},
             "Job failed to start",
             "RESULT=failed PROCESS=pre-start EXIT_STATUS=2"},
        Case{"post_start_is_ignored",
             "task\npost-start exec p\nexec x\n",
             {{"foo/post-start", {.runs = 1s, .status = 2}}, {"foo/main", {.runs = 5s}}},
             "ok",
             "RESULT=ok"},
        Case{"post_stop_fails",
             "task\nexec x\npost-stop exec p\n",
             {{"foo/post-stop", {.runs = 1s, .dies_by = SIGTERM}}, {"foo/main", {.runs = 5s}}},
             "Job failed to start",
             "RESULT=failed PROCESS=post-stop EXIT_SIGNAL=TERM"},
        Case{
            "first_failure_wins",
            "task\nexec x\npost-stop exec p\n",
            {{"foo/post-stop", {.runs = 1s, .status = 9}}, {"foo/main", {.runs = 5s, .status = 7}}},
            "Job failed to start",
            "RESULT=failed PROCESS=main EXIT_STATUS=7"},
        Case{"spawn_failure_is_never_respawned",
             "respawn\nexec x\n",
             {{"foo/main", {.spawn_error = ENOENT}}},
             "Job failed to start",
             "RESULT=failed PROCESS=main"},
        Case{"spawn_failure_of_pre_start",
             "pre-start exec p\nexec x\n",
             {{"foo/pre-start", {.spawn_error = ENOENT}}},
             "Job failed to start",
             "RESULT=failed PROCESS=pre-start"},
        Case{"spawn_failure_of_post_start_is_logged_only",
             "task\npost-start exec p\nexec x\n",
             {{"foo/post-start", {.spawn_error = ENOENT}}, {"foo/main", {.runs = 5s}}},
             "ok",
             "RESULT=ok"},
        Case{"expect_stop_dies_before_ready",
             "expect stop\nexec x\n",
             {{"foo/main", {.runs = 1s, .status = 4}}},
             "Job failed to start",
             "RESULT=failed PROCESS=main EXIT_STATUS=4"},
        Case{"expect_stop_exits_0_before_ready",
             "expect stop\nexec x\n",
             {{"foo/main", {.runs = 1s}}},
             "ok",
             "RESULT=ok"},
        Case{"respawn_limit_before_ready",  // Q1: counted, never running without a process
             "respawn\nrespawn limit 3 60\nexpect daemon\nexec x\n",
             {{"foo/main", {.runs = 1s, .status = 4}}},
             "Job failed to start",
             "RESULT=failed PROCESS=respawn"}),
    [](const auto& one) { return one.param.name; });

using MoreFailures = Scenario;

TEST_F(MoreFailures, APostStopFailureAbandonsARestart) {  // 2.5, keep
  sim.define("web", "exec web\npost-stop exec p\n");
  programs({{"web/post-stop", {.runs = 1s, .status = 1}}});
  sim.start("web");
  sim.run_until_quiet();
  const auto restart = sim.restart("web");
  sim.run_until_quiet();
  EXPECT_EQ(sim.outcome(restart), "Job failed to restart");
  EXPECT_EQ(sim.status("web"), "stop/waiting");
}

TEST_F(MoreFailures, AStopThatFailsSaysSo) {
  sim.define("web", "exec web\npost-stop exec p\n");
  programs({{"web/post-stop", {.runs = 1s, .status = 1}}});
  sim.start("web");
  sim.run_until_quiet();
  const auto stop = sim.stop("web");
  sim.run_until_quiet();
  EXPECT_EQ(sim.outcome(stop), "Job failed while stopping");
}

TEST_F(MoreFailures, WhoWaitsForAStartDuringTheStopLearnsThatItFailed) {  // 2.9
  sim.define("web", "exec web\npost-stop exec p\n");
  programs({{"web/main", {.runs = 1s, .status = 7}}, {"web/post-stop", {.runs = 5s, .status = 1}}});
  sim.start("web");
  sim.run_for(2s);
  EXPECT_EQ(sim.status("web"), "stop/post-stop");
  const auto again = sim.start("web");
  sim.run_until_quiet();
  EXPECT_EQ(sim.status("web"), "stop/waiting");
  EXPECT_EQ(sim.outcome(again), "Job failed to start");
  EXPECT_EQ(sim.events().back(),  // still the first failure: 2.7
            "stopped JOB=web INSTANCE= RESULT=failed PROCESS=main EXIT_STATUS=7");
}

TEST_F(MoreFailures, ARespawningTaskAnswersAtItsEnd) {
  sim.define("job", "task\nrespawn\nexec x\n");
  int runs = 0;
  sim.program = [&runs](const core::SpawnRequest&) {
    return Program{.runs = 1s, .status = ++runs < 3 ? 1 : 0};
  };
  const auto started = sim.start("job");
  sim.run_until_quiet();
  EXPECT_EQ(runs, 3);
  EXPECT_EQ(sim.outcome(started), "ok");
}

TEST_F(MoreFailures, TheWindowOfTheLimiterSurvivesARestart) {  // 2.4
  sim.define("web", "respawn\nrespawn limit 2 30\nexec web\n");
  sim.start("web");
  sim.run_until_quiet();
  sim.kill_main("web", SIGKILL);
  sim.run_until_quiet();
  sim.restart("web");
  sim.run_until_quiet();
  sim.kill_main("web", SIGKILL);
  sim.run_until_quiet();
  EXPECT_EQ(sim.status("web"), "start/running");
  sim.kill_main("web", SIGKILL);
  sim.run_until_quiet();
  EXPECT_EQ(sim.status("web"), "stop/waiting");
}

TEST_F(MoreFailures, MainDiesWhilePostStartRuns) {
  sim.define("web", "exec web\npost-start exec p\n");
  programs({{"web/post-start", {.runs = 5s}}});
  const auto started = sim.start("web");
  sim.run_for(1s);
  sim.kill_main("web", SIGKILL);
  sim.run_for(1s);
  EXPECT_EQ(sim.outcome(started), "Job failed to start");
  EXPECT_EQ(sim.status("web"), "stop/post-start");
  sim.run_until_quiet();
  EXPECT_EQ(sim.status("web"), "stop/waiting");
}

TEST_F(MoreFailures, MainDiesWhileStoppingIsNoFailure) {
  sim.define("web", "exec web\n");
  sim.define("hook", "start on stopping web\ntask\nexec h\n");
  programs({{"hook/main", {.runs = 5s}}});
  sim.start("web");
  sim.run_until_quiet();
  sim.stop("web");
  sim.run_for(1s);
  sim.kill_main("web", SIGKILL);
  sim.run_for(1s);
  EXPECT_EQ(sim.status("web"), "stop/stopping");
  sim.run_until_quiet();
  EXPECT_EQ(sim.events().back(), "stopped JOB=web INSTANCE= RESULT=ok");
}

TEST_F(MoreFailures, TenThousandImmediateExitsAlwaysEmitStarted) {
  sim.define("job", "task\nexec true\n");
  programs({{"job/main", {.runs = 0s}}});
  for (int i = 0; i < 10000; ++i) {
    sim.start("job");
    sim.run_until_quiet();
  }
  EXPECT_EQ(std::ranges::count(sim.events(), "started JOB=job INSTANCE="), 10000);
}

}  // namespace
}  // namespace upkeep::sim
