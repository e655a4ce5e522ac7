// The table of runtime.md 2.9, row by row: every command in every state that can be observed.
#include "sim/scenario.h"

namespace upkeep::sim {
namespace {

constexpr const char* kStarted = "Job is already running: web";
constexpr const char* kStopped = "Job has already been stopped: web";

struct Row {
  std::vector<Verb> before;  ///< commands given before, one right after the other
  std::string status;        ///< in which the command comes
  Verb verb;
  std::string outcome;  ///< in the end
  std::string settled;  ///< the status in the end
  int mains = 0;        ///< how often main was started
};

std::string title(const ::testing::TestParamInfo<Row>& row) {
  constexpr std::array<const char*, 3> kVerbs{"start", "stop", "restart"};
  auto name = row.param.status + "_" + kVerbs[static_cast<std::size_t>(row.param.verb)];
  std::ranges::replace_if(
      name, [](char byte) { return byte == '/' || byte == '-'; }, '_');
  return name;
}

class CommandTable : public Scenario, public ::testing::WithParamInterface<Row> {
 protected:
  core::RequestId give(Verb verb) {
    if (verb == Verb::Start) return sim.start("web");
    return verb == Verb::Stop ? sim.stop("web") : sim.restart("web");
  }
  [[nodiscard]] bool reach(const std::string& status) {
    for (int i = 0; i < 100 && sim.status("web") != status; ++i) sim.run_for(1s);
    return sim.status("web") == status;
  }
};

TEST_P(CommandTable, Holds) {
  const auto& row = GetParam();
  // Each state takes ten seconds.
  sim.define("web", R"(
expect stop
kill timeout 60
pre-start exec a
post-start exec b
exec server
pre-stop exec c
post-stop exec d
)");
  sim.define("hook", "start on starting web or stopping web\ntask\nexec wait\n");
  sim.program = [](const core::SpawnRequest& request) {
    Program program{.takes_to_die = 10s, .stops_itself = true, .ready_after = 10s};
    if (request.type != ProcessType::Main || request.definition->name == "hook") {
      program = {.runs = 10s};
    }
    return program;
  };

  const auto state = row.status.substr(row.status.find('/') + 1);
  const bool way_down =
      state == "pre-stop" || state == "stopping" || state == "killed" || state == "post-stop";
  sim.start("web");
  ASSERT_TRUE(reach(way_down ? "start/running" : "start/" + state));
  for (const auto verb : row.before) give(verb);
  ASSERT_TRUE(reach(row.status));
  const auto request = give(row.verb);
  sim.run_until_quiet();
  EXPECT_EQ(sim.outcome(request), row.outcome);
  EXPECT_EQ(sim.status("web"), row.settled);
  EXPECT_EQ(sim.spawn_count("web", ProcessType::Main), row.mains);
  EXPECT_EQ(sim.unanswered(), 0U);
}

constexpr const char* kUpStatus = "start/running";
constexpr const char* kGone = "stop/waiting";
constexpr auto kStart = Verb::Start;
constexpr auto kStop = Verb::Stop;
constexpr auto kRestart = Verb::Restart;

INSTANTIATE_TEST_SUITE_P(
    GoalStart, CommandTable,
    ::testing::Values(Row{{}, "start/starting", kStart, kStarted, kUpStatus, 1},
                      Row{{}, "start/starting", kStop, "ok", kGone, 0},
                      Row{{}, "start/starting", kRestart, "ok", kUpStatus, 1},
                      Row{{}, "start/pre-start", kStart, kStarted, kUpStatus, 1},
                      Row{{}, "start/pre-start", kStop, "ok", kGone, 0},
                      Row{{}, "start/pre-start", kRestart, "ok", kUpStatus, 1},
                      Row{{}, "start/spawned", kStart, kStarted, kUpStatus, 1},
                      Row{{}, "start/spawned", kStop, "ok", kGone, 1},
                      Row{{}, "start/spawned", kRestart, "ok", kUpStatus, 2},
                      Row{{}, "start/post-start", kStart, kStarted, kUpStatus, 1},
                      Row{{}, "start/post-start", kStop, "ok", kGone, 1},
                      Row{{}, "start/post-start", kRestart, "ok", kUpStatus, 2},
                      Row{{}, "start/running", kStart, kStarted, kUpStatus, 1},
                      Row{{}, "start/running", kStop, "ok", kGone, 1},
                      Row{{}, "start/running", kRestart, "ok", kUpStatus, 2},
                      Row{{kRestart}, "start/pre-stop", kStart, kStarted, kUpStatus, 2},
                      Row{{kRestart}, "start/pre-stop", kStop, "ok", kGone, 1},
                      Row{{kRestart}, "start/pre-stop", kRestart, "ok", kUpStatus, 2},
                      Row{{kRestart}, "start/stopping", kStart, kStarted, kUpStatus, 2},
                      Row{{kRestart}, "start/stopping", kStop, "ok", kGone, 1},
                      Row{{kRestart}, "start/stopping", kRestart, "ok", kUpStatus, 2},
                      Row{{kRestart}, "start/killed", kStart, kStarted, kUpStatus, 2},
                      Row{{kRestart}, "start/killed", kStop, "ok", kGone, 1},
                      Row{{kRestart}, "start/killed", kRestart, "ok", kUpStatus, 2},
                      Row{{kRestart}, "start/post-stop", kStart, kStarted, kUpStatus, 2},
                      Row{{kRestart}, "start/post-stop", kStop, "ok", kGone, 1},
                      Row{{kRestart}, "start/post-stop", kRestart, "ok", kUpStatus, 2}),
    title);

INSTANTIATE_TEST_SUITE_P(
    GoalStop, CommandTable,
    ::testing::Values(
        Row{{kStop}, "stop/starting", kStart, "ok", kUpStatus, 1},
        Row{{kStop}, "stop/starting", kStop, kStopped, kGone, 0},
        Row{{kStop}, "stop/starting", kRestart, kStopped, kGone, 0},
        Row{{kStop}, "stop/pre-start", kStart, "ok", kUpStatus, 1},
        Row{{kStop}, "stop/pre-start", kStop, kStopped, kGone, 0},
        Row{{kStop}, "stop/pre-start", kRestart, kStopped, kGone, 0},
        Row{{kStop}, "stop/post-start", kStart, "ok", kUpStatus, 1},
        Row{{kStop}, "stop/post-start", kStop, kStopped, kGone, 1},
        Row{{kStop}, "stop/post-start", kRestart, kStopped, kGone, 1},
        Row{{kStop}, "stop/pre-stop", kStart, "ok", kUpStatus, 1},
        Row{{kStop}, "stop/pre-stop", kStop, kStopped, kGone, 1},
        Row{{kStop}, "stop/pre-stop", kRestart, kStopped, kGone, 1},
        Row{{kStop}, "stop/stopping", kStart, "ok", kUpStatus, 2},
        Row{{kStop}, "stop/stopping", kStop, kStopped, kGone, 1},
        Row{{kStop}, "stop/stopping", kRestart, kStopped, kGone, 1},
        Row{{kStop}, "stop/killed", kStart, "ok", kUpStatus, 2},
        Row{{kStop}, "stop/killed", kStop, kStopped, kGone, 1},
        Row{{kStop}, "stop/killed", kRestart, kStopped, kGone, 1},
        Row{{kStop}, "stop/post-stop", kStart, "ok", kUpStatus, 2},
        Row{{kStop}, "stop/post-stop", kStop, kStopped, kGone, 1},
        Row{{kStop}, "stop/post-stop", kRestart, kStopped, kGone, 1},
        // A restart that is then stopped is a stop; started again, the stop is undone.
        Row{{kRestart, kStop}, "stop/pre-stop", kStart, "ok", kUpStatus, 1}),
    [](const auto& row) {
      return title(row) + (row.param.before.size() > 1 ? "_after_restart" : "");
    });

}  // namespace
}  // namespace upkeep::sim
