// What the simulated world never does: word of processes that nobody knows, events without a
// requester, more of them than fit into a turn, and an observer that wants no messages.
#include "sim/bare_manager.h"

#include <gtest/gtest.h>

namespace upkeep::sim {
namespace {

using core::SpawnId;
using core::TimePoint;
using std::chrono::seconds;

constexpr std::size_t kLong = 1500;  // two events for each: more than one turn handles
const std::string kLastLink = "link-001499";

TEST(BareManager, AnEventNeedsNoRequester) {
  BareManager bare;
  bare.define("web", "start on go\nexec web\n");
  bare.emit("go");
  bare.settle();
  EXPECT_EQ(bare.status("web"), "start/running");
  EXPECT_EQ(bare.replies, 0U);
}

TEST(BareManager, WordOfAnUnknownProcessChangesNothing) {  // one that has ended meanwhile
  BareManager bare;
  bare.define("web", "exec web\n");
  bare.start("web");
  bare.settle();
  bare.handle(core::SpawnResult{SpawnId{99}, 7});
  bare.handle(core::SpawnResult{SpawnId{99}, std::unexpected(core::SpawnFailure{})});
  bare.handle(core::ProcessChange{SpawnId{99}, core::Exited{1}});
  EXPECT_EQ(bare.status("web"), "start/running");
  EXPECT_TRUE(bare.manager.check_invariants());
}

TEST(BareManager, OnlyMainIsFollowed) {  // another process may fork and stop as it likes
  BareManager bare;
  bare.define("web", "expect fork\npre-start exec prepare\nexec web\n");
  bare.start("web");
  ASSERT_EQ(bare.spawned.size(), 1U);
  const auto id = bare.spawned.front().id;
  bare.handle(core::SpawnResult{id, 7});
  bare.handle(core::ProcessChange{id, core::Stopped{SIGSTOP}});
  bare.handle(core::ProcessChange{id, core::Forked{8}});
  bare.handle(core::ProcessChange{id, core::Executed{}});
  EXPECT_EQ(bare.status("web"), "start/pre-start");
  EXPECT_TRUE(bare.resumed.empty());
  EXPECT_EQ(bare.manager.find_job("web")->find_instance("")->pid(core::ProcessType::PreStart), 7);
}

TEST(BareManager, WhatComesBeforeTheResultOfASpawnIsKeptButNotWithoutBound) {  // Q2
  constexpr std::size_t kMostEarly = 16;
  BareManager bare;
  bare.define("web", "expect daemon\nexec web\n");
  bare.start("web");
  ASSERT_EQ(bare.spawned.size(), 1U);
  const auto id = bare.spawned.front().id;
  for (int child = 8; child < 108; ++child) {
    bare.handle(core::ProcessChange{id, core::Forked{child}});
  }
  EXPECT_TRUE(bare.resumed.empty());
  bare.handle(core::SpawnResult{id, 7});
  EXPECT_EQ(bare.resumed.size(), kMostEarly);
}

TEST(BareManager, AppArmorProfilesAreNotLoadedYet) {
  BareManager bare;
  bare.define("web", "apparmor load /profile\nexec web\n");
  bare.start("web");
  ASSERT_EQ(bare.spawned.size(), 1U);
  EXPECT_EQ(bare.spawned.front().type, core::ProcessType::Main);
}

TEST(BareManager, NoMessageIsComposedThatNobodyWants) {
  BareManager bare;
  bare.define("web", "exec web\n");
  bare.start("web");
  bare.settle();
  EXPECT_EQ(bare.messages, 0U);
}

TEST(BareManager, ALongTurnLetsOthersIn) {
  BareManager bare;
  define_chain(bare, kLong);
  bare.define("web", "exec web\n");
  bare.emit("go");
  EXPECT_TRUE(bare.has_work_left());
  EXPECT_TRUE(bare.manager.check_invariants());
  bare.start("web");  // in the middle of it
  EXPECT_NE(bare.status("web"), "stop/waiting");
  bare.settle();
  EXPECT_EQ(bare.status("web"), "start/running");
  EXPECT_EQ(bare.status(kLastLink), "start/running");
  EXPECT_EQ(bare.manager.events().size(), 0U);
}

TEST(BareManager, ASessionEndsInTheMiddleOfALongTurn) {
  BareManager bare;
  define_chain(bare, kLong);
  bare.emit("go");
  EXPECT_TRUE(bare.has_work_left());
  bare.handle(core::EndSession{});
  EXPECT_FALSE(bare.session_ended_seen);
  bare.settle();
  EXPECT_EQ(bare.status("link-000000"), "stop/waiting");
  // What may start after the stop of all is not stopped again; without process it delays nothing.
  bare.now += seconds(1);
  bare.handle(core::Tick{});
  EXPECT_TRUE(bare.session_ended_seen);
}

TEST(BareManager, AtLogoutAJobOnSessionEndHasFiveSeconds) {  // spec/runtime.md 6.7
  BareManager bare;
  bare.define("save", "start on session-end\nexec save\n");
  bare.handle(core::EndSession{core::EndSession::Type::Logout});
  bare.settle();
  const auto logout = bare.now;
  const auto pass = [&](seconds until) {
    while (bare.now < logout + until) {
      bare.now = std::min(bare.manager.next_deadline().value(), logout + until);
      bare.handle(core::Tick{});
    }
  };
  pass(seconds(4));
  EXPECT_EQ(bare.status("save"), "start/running");
  pass(seconds(5));
  EXPECT_EQ(bare.status("save"), "stop/killed");
  EXPECT_FALSE(bare.session_ended_seen);
  bare.settle();
  EXPECT_TRUE(bare.session_ended_seen);
}

}  // namespace
}  // namespace upkeep::sim
