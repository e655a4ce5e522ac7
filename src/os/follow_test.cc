// `expect fork` and `expect daemon`: who is followed, and what is heard of whom.
#include <csignal>
#include <fstream>

#include <fmt/format.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/platform_fixture.h"

namespace upkeep::os {
namespace {

using core::Resume;
using core::SignalTarget;

class FollowTest : public PlatformTest {
 protected:
  /// Does what the core does: lets the process go untraced after so many forks, or at the first
  /// exec after a fork.
  void detach_after(int forks) {
    react_ = [this, forks, seen = 0](const core::Input& input) mutable {
      const auto* change = std::get_if<core::ProcessChange>(&input);
      if (change == nullptr) return;
      if (std::holds_alternative<core::Forked>(change->what)) {
        platform_->resume(change->id, ++seen >= forks ? Resume::Detach : Resume::Continue);
      }
      if (std::holds_alternative<core::Executed>(change->what)) {
        platform_->resume(change->id, seen > 0 ? Resume::Detach : Resume::Continue);
      }
    };
  }

  static std::string status_field(pid_t pid, std::string_view key) {
    std::ifstream status(fmt::format("/proc/{}/status", pid));
    for (std::string line; std::getline(status, line);) {
      if (line.starts_with(key)) return line.substr(key.size() + 2);
    }
    return "";
  }

  /// Waits with the loop standing still.
  static bool wait_for(const std::function<bool()>& condition) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (!condition()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      ::sched_yield();
    }
    return true;
  }

  /// Waits until this process executes that program.
  bool becomes(pid_t pid, const std::string& name) {
    return run_until([&] { return status_field(pid, "Name") == name; });
  }
};

TEST_F(FollowTest, ProgramThatDoesNotForkRunsOn) {
  detach_after(1);
  const auto id = spawn_traced(exec("env"));
  ASSERT_TRUE(run_until_ended(id));
  EXPECT_EQ(history(id), (History{"spawned", "exited 0"}));
}

TEST_F(FollowTest, ForkedChildTakesThePlaceOfItsParent) {
  detach_after(1);
  const auto id = spawn_traced(script("sleep 1000 & exit 0"));
  ASSERT_TRUE(run_until_history(id, 2));
  const pid_t parent = first_pid(id);
  EXPECT_EQ(history(id), (History{"spawned", "forked"}));
  const pid_t child = pid(id);
  EXPECT_NE(child, parent);
  ASSERT_TRUE(becomes(child, "sleep"));
  EXPECT_EQ(status_field(child, "TracerPid"), "0");
  EXPECT_TRUE(run_until([&] { return !exists(parent); })) << "the parent is reaped in silence";
  EXPECT_EQ(history(id).size(), 2U);

  platform_->signal(id, SIGTERM, SignalTarget::Group);
  ASSERT_TRUE(run_until_ended(id));
  EXPECT_EQ(history(id).back(), "signalled TERM");
}

TEST_F(FollowTest, ChildWaitsUntilItIsResumed) {
  const auto id = spawn_traced(script("echo $$ & exit 0"));
  ASSERT_TRUE(run_until_history(id, 2));
  EXPECT_TRUE(status_field(pid(id), "State").starts_with("t"));
  EXPECT_EQ(sink_.text(id.value), "");
  platform_->resume(id, Resume::Detach);
  ASSERT_TRUE(run_until_ended(id));
  EXPECT_EQ(history(id).back(), "exited 0");
}

TEST_F(FollowTest, SecondForkIsFollowed) {
  detach_after(2);
  // No exec before the second fork: both children are shells. Nobody ever writes to the fifo.
  ASSERT_EQ(::mkfifo(path("fifo").c_str(), 0600), 0);
  const auto id =
      spawn_traced(script("( ( read never <" + path("fifo") + " ) & exit 0 ) & exit 0"));
  ASSERT_TRUE(run_until_history(id, 3));
  EXPECT_EQ(history(id), (History{"spawned", "forked", "forked"}));
  EXPECT_EQ(status_field(pid(id), "Name"), "sh");
  platform_->signal(id, SIGKILL, SignalTarget::Process);
  ASSERT_TRUE(run_until_ended(id));
  EXPECT_EQ(history(id).back(), "signalled KILL");
}

TEST_F(FollowTest, ExecAfterAForkIsReported) {
  detach_after(2);
  const auto id = spawn_traced(script("sleep 1000 & exit 0"));
  ASSERT_TRUE(run_until_history(id, 3));
  EXPECT_EQ(history(id), (History{"spawned", "forked", "executed"}));
  EXPECT_TRUE(becomes(pid(id), "sleep"));
}

TEST_F(FollowTest, ExecBeforeAForkIsReported) {
  detach_after(1);
  const auto id = spawn_traced(script("exec /bin/sh -c 'sleep 1000 & exit 0'"));
  ASSERT_TRUE(run_until_history(id, 3));
  EXPECT_EQ(history(id), (History{"spawned", "executed", "forked"}));
}

TEST_F(FollowTest, OtherSignalsArePassedOn) {
  detach_after(1);
  const auto id = spawn_traced(script("trap 'echo got it' USR1; kill -USR1 $$; exit 4"));
  ASSERT_TRUE(run_until_ended(id));
  EXPECT_EQ(history(id), (History{"spawned", "exited 4"}));
  EXPECT_EQ(sink_.text(id.value), "got it\n");
  const auto killed = spawn_traced(script("kill -TERM $$; exit 4"));
  ASSERT_TRUE(run_until_ended(killed));
  EXPECT_EQ(history(killed).back(), "signalled TERM");
}

TEST_F(FollowTest, FailedSetUpOfATracedProcess) {
  const auto id = spawn_traced(exec("/nonexistent"));
  ASSERT_TRUE(run_until_ended(id));
  EXPECT_EQ(history(id),
            History{"failed: unable to execute \"/nonexistent\": No such file or directory"});
  EXPECT_TRUE(run_until([] { return ::waitpid(-1, nullptr, WNOHANG) < 0; }));
}

TEST_F(FollowTest, TracedProcessKilledWhileHalted) {
  const auto id = spawn_traced(script("sleep 1000 & exit 0"));
  ASSERT_TRUE(run_until_history(id, 2));
  platform_->signal(id, SIGKILL, SignalTarget::Group);
  ASSERT_TRUE(run_until_ended(id));
  EXPECT_EQ(history(id), (History{"spawned", "forked", "signalled KILL"}));
}

TEST_F(FollowTest, StatusOfAnUnreapedChildOfAnotherIsKnown) {
  // The parent waits for a line that never comes: it does not reap its child.
  detach_after(1);
  ASSERT_EQ(::mkfifo(path("fifo").c_str(), 0600), 0);
  const auto never = "read never <" + path("fifo");
  const auto exits = spawn_traced(script("( exit 5 ) & " + never));
  ASSERT_TRUE(run_until_ended(exits));
  EXPECT_EQ(history(exits), (History{"spawned", "forked", "exited 5"}));

  const auto killed = spawn_traced(script("( " + never + " ) & " + never));
  ASSERT_TRUE(run_until_history(killed, 2));
  platform_->signal(killed, SIGUSR1, SignalTarget::Process);
  ASSERT_TRUE(run_until_ended(killed));
  EXPECT_EQ(history(killed), (History{"spawned", "forked", "signalled USR1"}));

  ::kill(first_pid(exits), SIGKILL);
  ::kill(first_pid(killed), SIGKILL);
}

TEST_F(FollowTest, ChildThatItsParentReapsVanishes) {
  detach_after(1);
  ASSERT_EQ(::mkfifo(path("fifo").c_str(), 0600), 0);
  const auto id = spawn_traced(script("true & wait; read never <" + path("fifo")));
  ASSERT_TRUE(run_until_history(id, 2));
  const pid_t child = pid(id);
  ASSERT_TRUE(wait_for([&] { return !exists(child); }));
  ASSERT_TRUE(run_until_ended(id));
  EXPECT_EQ(history(id), (History{"spawned", "forked", "vanished"}));
  ::kill(first_pid(id), SIGKILL);
}

TEST_F(FollowTest, SignalToAChildThatHasGoneVanishes) {
  detach_after(1);
  ASSERT_EQ(::mkfifo(path("fifo").c_str(), 0600), 0);
  const auto id = spawn_traced(script("sleep 1000 & wait; read never <" + path("fifo")));
  ASSERT_TRUE(run_until_history(id, 2));
  const pid_t child = pid(id);
  ::kill(child, SIGKILL);
  ASSERT_TRUE(wait_for([&] { return !exists(child); }));
  // Noticed by the signal, before the loop has had a chance to.
  platform_->signal(id, SIGTERM, SignalTarget::Group);
  EXPECT_EQ(history(id).size(), 2U);
  ASSERT_TRUE(run_until_ended(id));
  EXPECT_EQ(history(id), (History{"spawned", "forked", "vanished"}));
  ::kill(first_pid(id), SIGKILL);
}

TEST_F(FollowTest, ManyAtOnceAreKeptApart) {
  react_ = [this](const core::Input& input) {
    const auto* change = std::get_if<core::ProcessChange>(&input);
    if (change != nullptr && std::holds_alternative<core::Forked>(change->what)) {
      platform_->resume(change->id, Resume::Continue);
    }
  };
  std::vector<core::SpawnId> ids;
  for (int i = 0; i < 60; ++i) {
    ids.push_back(spawn_traced(script("( exit 5 ) & exit 0")));
    ids.push_back(spawn_traced(script("( exit 6 ) & wait")));
  }
  for (std::size_t i = 0; i < ids.size(); ++i) {
    ASSERT_TRUE(run_until_ended(ids[i]));
    // Traced to its end, so that its status is known whoever its parent is.
    const auto end = i % 2 == 0 ? "exited 5" : "exited 6";
    EXPECT_EQ(history(ids[i]), (History{"spawned", "forked", end}));
  }
}

/// The kernel shows a grandchild before its parent, if that is not our own child: newest first.
/// Both have stopped here before the platform looks.
class EarlyChildTest : public FollowTest {
 protected:
  void SetUp() override {
    ASSERT_EQ(::mkfifo(path("fifo").c_str(), 0600), 0);
    id_ = spawn_traced(script("( ( read never <" + path("fifo") + " ) & wait ) & wait"));
    ASSERT_TRUE(run_until_history(id_, 2));
    child_ = pid(id_);
    platform_->resume(id_, Resume::Continue);
    ASSERT_TRUE(wait_for([&] {
      std::ifstream children(fmt::format("/proc/{0}/task/{0}/children", child_));
      children >> grandchild_;
      return is_trapped(child_) && is_trapped(grandchild_);
    }));
  }

  void TearDown() override {
    for (const pid_t process : {grandchild_, child_, first_pid(id_)}) {
      if (process > 1) ::kill(process, SIGKILL);
    }
  }

  static bool is_trapped(pid_t pid) { return status_field(pid, "State").starts_with("t"); }

  core::SpawnId id_;
  pid_t child_ = 0;
  pid_t grandchild_ = 0;
};

TEST_F(EarlyChildTest, IsClaimedByItsParent) {
  ASSERT_TRUE(run_until_history(id_, 3));
  EXPECT_EQ(history(id_), (History{"spawned", "forked", "forked"}));
  EXPECT_EQ(pid(id_), grandchild_);
  platform_->resume(id_, Resume::Detach);
  EXPECT_EQ(status_field(grandchild_, "TracerPid"), "0");
}

TEST_F(EarlyChildTest, IsLetGoWhenItsParentCannotNameIt) {
  ::kill(child_, SIGKILL);
  ASSERT_TRUE(wait_for([&] { return status_field(child_, "State").starts_with("Z"); }));
  ASSERT_TRUE(run_until_ended(id_));
  EXPECT_EQ(history(id_), (History{"spawned", "forked", "signalled KILL"}));
  EXPECT_TRUE(run_until([&] { return status_field(grandchild_, "TracerPid") == "0"; }));
  EXPECT_FALSE(is_trapped(grandchild_));
}

TEST(EarlyChildren, WaitForTheirParent) {
  tracer::EarlyChildren early;
  early.add(11, 10, SIGSTOP);
  early.add(12, 10, SIGTERM);
  early.add(21, 20, SIGSTOP);
  EXPECT_EQ(early.claim(12), SIGTERM);
  EXPECT_EQ(early.claim(12), std::nullopt);
  EXPECT_EQ(early.abandon(10), std::vector<pid_t>{11});
  EXPECT_EQ(early.claim(11), std::nullopt);
  early.forget(21);
  EXPECT_EQ(early.claim(21), std::nullopt);
}

TEST_F(FollowTest, NothingStaysStoppedWhenTheParentDiesInTheFork) {
  for (int i = 0; i < 30; ++i) {
    const auto id = spawn_traced(script("sleep 1000 & exit 0"));
    ASSERT_TRUE(run_until_history(id, 1));
    platform_->signal(id, SIGKILL, SignalTarget::Process);
    ASSERT_TRUE(run_until_ended(id));
    EXPECT_EQ(history(id).back(), "signalled KILL");
  }
  // Whatever was forked has been let go: nothing of ours is traced, whoever is left.
  ASSERT_TRUE(run_until([] {
    std::ifstream children(fmt::format("/proc/self/task/{}/children", ::getpid()));
    for (pid_t child = 0; children >> child;) {
      if (status_field(child, "TracerPid") == fmt::to_string(::getpid())) return false;
    }
    return true;
  }));
  std::ifstream children(fmt::format("/proc/self/task/{}/children", ::getpid()));
  for (pid_t child = 0; children >> child;) ::kill(child, SIGKILL);
}

}  // namespace
}  // namespace upkeep::os
