// The stanza `tmpfiles`, ours: its process runs at each start before pre-start, in the state
// security, and its failure is a failed start.
#include <cerrno>

#include "sim/scenario.h"

namespace upkeep::sim {
namespace {

class Tmpfiles : public Scenario {
 protected:
  /// What was started for the job, in order.
  [[nodiscard]] std::vector<ProcessType> order() const {
    std::vector<ProcessType> types;
    for (const auto& request : sim.spawns()) types.push_back(request.type);
    return types;
  }
};

const std::string kWeb = "tmpfiles web.conf\npre-start exec p\nexec web\npost-stop exec q\n";

TEST_F(Tmpfiles, PreStartWaitsUntilTheFilesAreThere) {
  sim.define("web", kWeb);
  programs({{"web/tmpfiles", {.runs = 5s}}});
  const auto started = sim.start("web");
  sim.run_for(4s);
  EXPECT_EQ(sim.status("web"), "start/security");
  EXPECT_EQ(sim.outcome(started), "waiting");
  EXPECT_EQ(order(), (std::vector{ProcessType::Tmpfiles}));
  sim.run_until_quiet();
  EXPECT_EQ(sim.outcome(started), "ok");
  EXPECT_EQ(sim.states("web"), kUp);
  EXPECT_EQ(order(),
            (std::vector{ProcessType::Tmpfiles, ProcessType::PreStart, ProcessType::Main}));
}

TEST_F(Tmpfiles, RunsAfterAllThatWaitedForStarting) {
  sim.define("web", kWeb);
  sim.define("hook", "start on starting web\ntask\nexec h\n");
  programs({{"hook/main", {.runs = 5s}}});
  sim.start("web");
  sim.run_for(4s);
  EXPECT_EQ(sim.spawn_count("web", ProcessType::Tmpfiles), 0);
  sim.run_until_quiet();
  EXPECT_EQ(sim.status("web"), "start/running");
}

TEST_F(Tmpfiles, WithoutPreStartMainWaits) {
  sim.define("job", "tmpfiles job.conf\ntask\nexec work\n");
  programs({{"job/tmpfiles", {.runs = 5s}}, {"job/main", {.runs = 1s}}});
  const auto started = sim.start("job");
  sim.run_for(4s);
  EXPECT_EQ(order(), (std::vector{ProcessType::Tmpfiles}));
  sim.run_until_quiet();
  EXPECT_EQ(sim.outcome(started), "ok");
  EXPECT_EQ(sim.states("job"), kUp + kDownWithoutMain);
}

TEST_F(Tmpfiles, AJobWithoutOtherProcessesHasItsFiles) {
  sim.define("state", "tmpfiles state.conf\n");
  EXPECT_EQ(sim.outcome(sim.start("state")), "waiting");
  sim.run_until_quiet();
  EXPECT_EQ(sim.status("state"), "start/running");
  EXPECT_EQ(order(), (std::vector{ProcessType::Tmpfiles}));
}

TEST_F(Tmpfiles, SeesTheEnvironmentOfTheJob) {
  sim.define("web", "env PATH=/bin\n" + kWeb);
  sim.start("web", {"COLOUR=blue"});
  sim.run_until_quiet();
  const auto& environment = sim.spawns().front().environment;
  for (const auto* variable :
       {"PATH=/bin", "COLOUR=blue", "UPSTART_JOB=web", "UPSTART_INSTANCE="}) {
    EXPECT_EQ(std::ranges::count(environment, variable), 1) << variable;
  }
}

// ---- failures

struct FailureCase {
  std::string name;
  Program program;
  std::string signal, result;
};

class TmpfilesFailures : public Scenario, public ::testing::WithParamInterface<FailureCase> {};

TEST_P(TmpfilesFailures, FailTheStart) {
  const auto& expected = GetParam();
  sim.define("web", kWeb);
  programs({{"web/tmpfiles", expected.program}});
  const auto started = sim.start("web");
  sim.run_until_quiet();
  EXPECT_EQ(sim.outcome(started), "Job failed to start");
  EXPECT_EQ(sim.states("web"),
            (Lines{"+", ">start", "starting", "security-spawning", "security", expected.signal,
                   ">stop", "stopping", "killed", "post-stopping", "post-stop", "waiting", "-"}));
  const auto result = " JOB=web INSTANCE= RESULT=failed PROCESS=tmpfiles" + expected.result;
  EXPECT_EQ(sim.events(),
            (Lines{"starting JOB=web INSTANCE=", "stopping" + result, "stopped" + result}));
  EXPECT_EQ(sim.spawn_count("web", ProcessType::PreStart), 0);
  EXPECT_EQ(sim.spawn_count("web", ProcessType::Main), 0);
  EXPECT_EQ(sim.spawn_count("web", ProcessType::PostStop), 1) << "as after a failed pre-start";
}

INSTANTIATE_TEST_SUITE_P(
    All, TmpfilesFailures,
    ::testing::Values(
        FailureCase{"exit_73", {.runs = 1s, .status = 73}, "!73", " EXIT_STATUS=73"},
        FailureCase{"exit_1_at_once", {.runs = 0s, .status = 1}, "!1", " EXIT_STATUS=1"},
        FailureCase{"signal", {.runs = 1s, .dies_by = SIGSEGV}, "!2816", " EXIT_SIGNAL=SEGV"},
        FailureCase{"spawn_failure", {.spawn_error = ENOMEM}, "!-1", ""}),
    [](const auto& one) { return one.param.name; });

TEST_F(Tmpfiles, NormalExitIsForMainOnly) {
  sim.define("web", "normal exit 1 KILL\n" + kWeb);
  programs({{"web/tmpfiles", {.runs = 1s, .status = 1}}});
  const auto started = sim.start("web");
  sim.run_until_quiet();
  EXPECT_EQ(sim.outcome(started), "Job failed to start");
}

TEST_F(Tmpfiles, AFailureIsNeverRespawned) {
  sim.define("web", "respawn\n" + kWeb);
  programs({{"web/tmpfiles", {.runs = 1s, .status = 1}}});
  sim.start("web");
  sim.run_until_quiet();
  EXPECT_EQ(sim.status("web"), "stop/waiting");
  EXPECT_EQ(sim.spawn_count("web", ProcessType::Tmpfiles), 1);
}

TEST_F(Tmpfiles, AnEventThatStartedTheJobFailsWithIt) {
  sim.define("web", "start on boot\n" + kWeb);
  programs({{"web/tmpfiles", {.runs = 1s, .status = 1}}});
  const auto boot = sim.emit("boot");
  sim.run_until_quiet();
  EXPECT_EQ(sim.outcome(boot), "Event failed");
}

// ---- commands while it runs

TEST_F(Tmpfiles, AStopWaitsForItsEnd) {
  sim.define("web", kWeb);
  programs({{"web/tmpfiles", {.runs = 5s}}});
  const auto started = sim.start("web");
  sim.run_for(1s);
  const auto stopped = sim.stop("web");
  sim.run_for(3s);
  EXPECT_EQ(sim.status("web"), "stop/security") << "it is not signalled, like pre-start";
  EXPECT_EQ(sim.outcome(stopped), "waiting");
  sim.run_until_quiet();
  EXPECT_EQ(sim.outcome(stopped), "ok");
  EXPECT_EQ(sim.outcome(started), "ok") << "as for a stop in pre-start: released, not failed (2.8)";
  EXPECT_EQ(sim.spawn_count("web", ProcessType::PreStart), 0);
  EXPECT_EQ(sim.events().back(), "stopped JOB=web INSTANCE= RESULT=ok");
}

TEST_F(Tmpfiles, AStopDuringWhichItFailsSaysSo) {
  sim.define("web", kWeb);
  programs({{"web/tmpfiles", {.runs = 5s, .status = 1}}});
  sim.start("web");
  sim.run_for(1s);
  const auto stopped = sim.stop("web");
  sim.run_until_quiet();
  EXPECT_EQ(sim.outcome(stopped), "Job failed while stopping");
  EXPECT_EQ(sim.events().back(),
            "stopped JOB=web INSTANCE= RESULT=failed PROCESS=tmpfiles EXIT_STATUS=1");
}

TEST_F(Tmpfiles, AStopThatIsTakenBackLosesNothing) {
  sim.define("web", kWeb);
  programs({{"web/tmpfiles", {.runs = 5s}}});
  sim.start("web");
  sim.run_for(1s);
  sim.stop("web");
  const auto again = sim.start("web");
  sim.run_until_quiet();
  EXPECT_EQ(sim.outcome(again), "ok");
  EXPECT_EQ(sim.status("web"), "start/running");
  EXPECT_EQ(sim.spawn_count("web", ProcessType::Tmpfiles), 1);
}

TEST_F(Tmpfiles, ARestartWhileItRunsStartsOver) {
  sim.define("web", kWeb);
  programs({{"web/tmpfiles", {.runs = 5s}}});
  sim.start("web");
  sim.run_for(1s);
  const auto restarted = sim.restart("web");
  sim.run_until_quiet();
  EXPECT_EQ(sim.outcome(restarted), "ok");
  EXPECT_EQ(order(),
            (std::vector{ProcessType::Tmpfiles, ProcessType::PostStop, ProcessType::Tmpfiles,
                         ProcessType::PreStart, ProcessType::Main}));
}

// ---- each start

TEST_F(Tmpfiles, ARestartRunsItAgain) {
  sim.define("web", kWeb);
  sim.start("web");
  sim.run_until_quiet();
  sim.restart("web");
  sim.run_until_quiet();
  EXPECT_EQ(sim.spawn_count("web", ProcessType::Tmpfiles), 2);
}

TEST_F(Tmpfiles, ARestartWhoseFilesCannotBeMadeFails) {
  sim.define("web", kWeb);
  sim.start("web");
  sim.run_until_quiet();
  programs({{"web/tmpfiles", {.runs = 1s, .status = 1}}});
  const auto restarted = sim.restart("web");
  sim.run_until_quiet();
  EXPECT_EQ(sim.outcome(restarted), "Job failed to restart");
  EXPECT_EQ(sim.status("web"), "stop/waiting");
}

TEST_F(Tmpfiles, ARespawnGoesThroughStartingAndRunsItAgain) {  // runtime.md 2.2, 2.3: full cycle
  sim.define("web", "respawn\n" + kWeb);
  sim.start("web");
  sim.run_until_quiet();
  sim.kill_main("web", SIGKILL);
  sim.run_until_quiet();
  EXPECT_EQ(sim.states("web"),
            (kUp + Lines{"stopping", "killed", "post-stopping", "post-stop"} + kUpAgain));
  EXPECT_EQ(sim.spawn_count("web", ProcessType::Tmpfiles), 2);
}

TEST_F(Tmpfiles, EachInstanceRunsItsOwn) {
  sim.define("worker", "instance $N\ntmpfiles worker.conf\nexec work\n");
  programs({{"worker/tmpfiles", {.runs = 5s}}});
  sim.start("worker", {"N=1"});
  sim.start("worker", {"N=2"});
  sim.run_for(1s);
  EXPECT_EQ(sim.status("worker", "1"), "start/security");
  EXPECT_EQ(sim.status("worker", "2"), "start/security");
  sim.run_until_quiet();
  EXPECT_EQ(sim.status("worker", "2"), "start/running");
}

TEST_F(Tmpfiles, TheEndOfTheSessionWaitsForIt) {
  sim.define("web", kWeb);
  programs({{"web/tmpfiles", {.runs = 2s}}});
  sim.start("web");
  sim.run_for(1s);
  sim.end_session(core::EndSession::Type::Logout);
  sim.run_until_quiet();
  EXPECT_TRUE(sim.has_ended());
  EXPECT_EQ(sim.live_processes(), 0U);
}

}  // namespace
}  // namespace upkeep::sim
