// The end of a session (spec/runtime.md 6.7).
#include "sim/scenario.h"

namespace upkeep::sim {
namespace {

using Session = Scenario;
using Type = core::EndSession::Type;

TEST_F(Session, AnEmptySessionEndsAtOnce) {
  sim.end_session(Type::Shutdown);
  EXPECT_TRUE(sim.has_ended());
  EXPECT_EQ(sim.events(), Lines{"session-end TYPE=shutdown"});
}

TEST_F(Session, RunningJobsAreStoppedFirst) {
  sim.define("web", "exec web\n");
  sim.define("state", "");
  sim.start("web");
  sim.start("state");
  sim.run_until_quiet();
  sim.end_session(Type::Logout);
  EXPECT_FALSE(sim.has_ended());
  sim.run_for(10ms);
  EXPECT_TRUE(sim.has_ended());
  EXPECT_EQ(sim.live_processes(), 0U);
}

TEST_F(Session, AJobThatIgnoresTermIsKilledAfterItsTimeout) {
  sim.define("web", "exec web\nkill timeout 2\n");
  programs({{"web/main", {.ignores_term = true}}});
  sim.start("web");
  sim.run_until_quiet();
  sim.end_session(Type::Shutdown);
  sim.run_for(1990ms);
  EXPECT_FALSE(sim.has_ended());
  sim.run_for(20ms);
  EXPECT_TRUE(sim.has_ended());
}

TEST_F(Session, WhatIsKilledAtTheLastMomentEndsInOrder) {
  sim.define("web", "exec web\npost-stop exec tidy\n");  // the usual kill timeout of 5 s
  programs({{"web/main", {.ignores_term = true, .takes_to_die = 100ms}}});
  sim.start("web");
  sim.run_until_quiet();
  sim.end_session(Type::Shutdown);
  sim.run_for(6s);
  EXPECT_TRUE(sim.has_ended());
  EXPECT_EQ(sim.spawn_count("web", ProcessType::PostStop), 1);
  EXPECT_EQ(sim.messages().back(), "web main process (101) killed by signal KILL");
}

TEST_F(Session, LogoutLetsJobsOnSessionEndRun) {
  sim.define("save", "start on session-end\ntask\nexec save\n");
  sim.define("web", "exec web\n");
  programs({{"save/main", {.runs = 3s}}});
  sim.start("web");
  sim.run_until_quiet();
  sim.end_session(Type::Logout);
  sim.run_for(1s);
  EXPECT_EQ(sim.status("web"), "stop/waiting");
  EXPECT_EQ(sim.status("save"), "start/running");
  sim.run_for(3s);
  EXPECT_TRUE(sim.has_ended());
}

TEST_F(Session, NothingIsRespawnedOnTheWayDown) {
  sim.define("web", "respawn\nexec web\npre-stop exec slow\n");
  programs({{"web/pre-stop", {.runs = 3s}}});
  sim.start("web");
  sim.run_until_quiet();
  sim.end_session(Type::Shutdown);
  sim.kill_main("web", SIGKILL);
  sim.run_for(10s);
  EXPECT_TRUE(sim.has_ended());
  EXPECT_EQ(sim.spawn_count("web", ProcessType::Main), 1);
}

TEST_F(Session, WhatSessionEndStartsIsNotRespawned) {
  sim.define("save", "start on session-end\nrespawn\nexec save\n");
  programs({{"save/main", {.runs = 1s, .status = 1}}});
  sim.end_session(Type::Logout);
  sim.run_for(10s);
  EXPECT_TRUE(sim.has_ended());
  EXPECT_EQ(sim.spawn_count("save", ProcessType::Main), 1);
}

TEST_F(Session, AJobThatHangsDoesNotKeepTheSessionForEver) {
  sim.define("web", "exec web\npost-stop exec hang\n");
  programs({{"web/post-stop", {.runs = std::nullopt}}});
  sim.start("web");
  sim.run_until_quiet();
  sim.end_session(Type::Shutdown);
  sim.end_session(Type::Shutdown);  // a second request changes nothing
  sim.run_for(7s);
  EXPECT_TRUE(sim.has_ended());
  EXPECT_EQ(sim.messages().back(), "web post-stop process (102) outlives the session");
}

}  // namespace
}  // namespace upkeep::sim
