#include "os/reaper.h"

#include <cerrno>
#include <chrono>
#include <csignal>
#include <functional>
#include <vector>

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

namespace upkeep::os {
namespace {

class ReaperTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_GE(sd_event_new(&loop_), 0); }

  void TearDown() override {
    reaper_.reset();
    sd_event_unref(loop_);
    while (::waitpid(-1, nullptr, 0) > 0) {
    }
  }

  void start(Reaper::Report report) {
    auto reaper = Reaper::create(loop_, std::move(report));
    ASSERT_TRUE(reaper);
    reaper_ = std::move(*reaper);
  }

  static pid_t child(int status) {
    const pid_t pid = ::fork();
    if (pid == 0) ::_exit(status);
    return pid;
  }

  static bool no_children() { return ::waitpid(-1, nullptr, WNOHANG) < 0 && errno == ECHILD; }

  /// Blocks until this child is a zombie, which it stays.
  static void await_zombie(pid_t pid) {
    siginfo_t info{};
    ::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT);
  }

  bool run_until(const std::function<bool()>& condition) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!condition()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      if (sd_event_run(loop_, 20'000) < 0) return false;
    }
    return true;
  }

  sd_event* loop_ = nullptr;
  std::unique_ptr<Reaper> reaper_;
};

TEST_F(ReaperTest, TwoThousandZombies) {
  constexpr int kChildren = 2000;
  std::vector<pid_t> children;
  for (int i = 0; i < kChildren; ++i) children.push_back(child(0));
  for (const pid_t pid : children) await_zombie(pid);

  int reported = 0;
  start([&](const ChildStatus&) { ++reported; });
  int reported_at_other_work = -1;
  sd_event_source* source = nullptr;
  struct Other {
    int* reported;
    int* at;
  } other{&reported, &reported_at_other_work};
  ASSERT_GE(sd_event_add_defer(
                loop_, &source,
                [](sd_event_source*, void* data) {
                  const auto& self = *static_cast<Other*>(data);
                  *self.at = *self.reported;
                  return 0;
                },
                &other),
            0);
  const loop::EventSource owner(source);
  ASSERT_TRUE(run_until([&] { return reported == kChildren; }));
  EXPECT_TRUE(no_children());
  EXPECT_GE(reported_at_other_work, 0);
  EXPECT_LT(reported_at_other_work, kChildren / 2) << "others had to wait for all of them";
}

TEST_F(ReaperTest, EndIsReportedWhileThePidIsStillTaken) {
  bool was_zombie = false;
  bool ended = false;
  start([&](const ChildStatus& status) {
    was_zombie = ::kill(status.pid, 0) == 0;
    ended = true;
  });
  const pid_t pid = child(3);
  ASSERT_TRUE(run_until([&] { return ended; }));
  EXPECT_TRUE(was_zombie);
  EXPECT_LT(::kill(pid, 0), 0);
}

TEST_F(ReaperTest, StatusSignalAndStop) {
  std::vector<ChildStatus> seen;
  start([&](const ChildStatus& status) {
    seen.push_back(status);
    if (status.kind == ChildStatus::Kind::Stopped) ::kill(status.pid, SIGKILL);
  });
  const pid_t first = child(42);
  ASSERT_TRUE(run_until([&] { return seen.size() == 1; }));
  EXPECT_EQ(seen[0].pid, first);
  EXPECT_EQ(seen[0].kind, ChildStatus::Kind::Exited);
  EXPECT_EQ(seen[0].value, 42);

  const pid_t second = ::fork();
  if (second == 0) {
    ::raise(SIGSTOP);
    ::_exit(1);
  }
  ASSERT_TRUE(run_until([&] { return seen.size() == 3; }));
  EXPECT_EQ(seen[1].kind, ChildStatus::Kind::Stopped);
  EXPECT_EQ(seen[1].value, SIGSTOP);
  EXPECT_EQ(seen[2].kind, ChildStatus::Kind::Killed);
  EXPECT_EQ(seen[2].value, SIGKILL);
}

TEST_F(ReaperTest, ChildrenThatKeepDyingDoNotStopOtherWork) {
  // Each report makes another child, as a fork bomb next door would: there is always one to reap.
  bool going = true;
  start([&](const ChildStatus&) {
    if (going) await_zombie(child(0));
  });
  await_zombie(child(0));
  int turns = 0;
  sd_event_source* source = nullptr;
  ASSERT_GE(
      sd_event_add_defer(
          loop_, &source,
          [](sd_event_source*, void* data) { return ++*static_cast<int*>(data) * 0; }, &turns),
      0);
  const loop::EventSource owner(source);
  sd_event_source_set_enabled(source, SD_EVENT_ON);
  EXPECT_TRUE(run_until([&] { return turns >= 5; }));
  going = false;
  EXPECT_TRUE(run_until(no_children));
}

}  // namespace
}  // namespace upkeep::os
