// Who belongs to a tree, and that everything of it can be ended and nothing else is.
#include "os/process_trees.h"

#include <algorithm>
#include <csignal>
#include <ctime>

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/trees_fixture.h"

namespace upkeep::os {
namespace {

using core::TreeId;

constexpr TreeId kTree{1};
constexpr TreeId kOther{2};

class ProcessTreesTest : public TreesTest {
 protected:
  /// Leaves the session, the group, the parent, the environment and all descriptors behind.
  void escape(int number) {
    in_child([=, this] {
      ::setsid();
      in_child([=, this] {
        ::setsid();
        ::close_range(0, ~0U, 0);
        ::signal(SIGHUP, SIG_IGN);
        board_->pids[number] = ::getpid();
        ++board_->ready;
        const char* const arguments[] = {"/bin/sleep", "1000", nullptr};
        const char* const nothing[] = {nullptr};
        ::execve("/bin/sleep", const_cast<char**>(arguments), const_cast<char**>(nothing));
      });
    });
    while (::wait(nullptr) > 0) {
    }
  }

  /// A tree whose only process is such an escapee; its number.
  pid_t start_escapee(TreeId tree, int number) {
    board_->pids[number] = 0;
    const pid_t first = start(tree, [=, this] { escape(number); });
    EXPECT_TRUE(run_until([&] {
      return board_->pids[number] != 0 && std::ranges::find(reaped_, first) != reaped_.end();
    }));
    return board_->pids[number];
  }

  [[nodiscard]] static bool knows_nobody(pid_t) { return false; }
};

// ---- Ending ------------------------------------------------------------------------------------

TEST_F(ProcessTreesTest, EmptyTreeIsSaidToBeEmptyOnce) {
  trees_->end(kTree, SIGTERM);
  trees_->end(kTree, SIGTERM);
  EXPECT_TRUE(emptied_.empty()) << "from inside a verb";
  ASSERT_TRUE(run_until_emptied(kTree));
  sd_event_run(loop_.get(), 10'000);
  EXPECT_EQ(emptied(kTree), 1);
}

TEST_F(ProcessTreesTest, NothingIsSaidOfATreeThatIsNotBeingEnded) {
  const pid_t pid = start(kTree, [] {});
  ASSERT_TRUE(run_until([&] { return !reaped_.empty() && reaped_.front() == pid; }));
  sd_event_run(loop_.get(), 10'000);
  EXPECT_TRUE(emptied_.empty());
}

TEST_F(ProcessTreesTest, EscapeeIsEndedByTerm) {
  const pid_t escapee = start_escapee(kTree, 0);
  ASSERT_TRUE(alive(escapee));
  EXPECT_TRUE(end(kTree, SIGTERM));
  EXPECT_FALSE(alive(escapee));
}

TEST_F(ProcessTreesTest, EscapeeIsEndedByKill) {
  const pid_t escapee = start_escapee(kTree, 0);
  EXPECT_TRUE(end(kTree, SIGKILL));
  EXPECT_FALSE(alive(escapee));
}

TEST_F(ProcessTreesTest, OtherTreesAndTheManagersOwnAreLeftAlone) {
  const pid_t other = start(kOther, [this] { stay(); });
  const pid_t stranger = start_stranger([this] { stay(); });
  ASSERT_TRUE(run_until_ready(2));
  const pid_t other_escapee = start_escapee(kOther, 0);
  const pid_t escapee = start_escapee(kTree, 1);
  ASSERT_TRUE(end(kTree, SIGKILL));
  EXPECT_FALSE(alive(escapee));
  for (const pid_t pid : {other, stranger, other_escapee}) {
    const auto stat = process_stat(pid);
    ASSERT_TRUE(stat);
    EXPECT_EQ(stat->state, 'S') << "neither killed nor stopped";
  }
  ASSERT_TRUE(end(kOther, SIGKILL));
  EXPECT_TRUE(alive(stranger));
}

TEST_F(ProcessTreesTest, WhoIgnoresTermIsKilled) {
  const pid_t pid = start(kTree, [this] {
    struct sigaction action {};
    action.sa_handler = [](int) {};
    ::sigaction(SIGTERM, &action, nullptr);
    ++board_->ready;
    for (;;) {
      ::pause();
      ++board_->ticks;
    }
  });
  ASSERT_TRUE(run_until_ready(1));
  trees_->end(kTree, SIGTERM);
  ASSERT_TRUE(run_until([&] { return board_->ticks == 1; }));
  EXPECT_EQ(emptied(kTree), 0);
  const auto left = trees_->survivors(kTree);
  EXPECT_EQ(left.count, 1U);
  EXPECT_FALSE(left.more);
  trees_->end(kTree, SIGKILL);
  EXPECT_TRUE(run_until_emptied(kTree));
  EXPECT_FALSE(alive(pid));
  EXPECT_EQ(emptied(kTree), 1);
  EXPECT_EQ(board_->ticks, 1) << "the signal is sent once";
}

TEST_F(ProcessTreesTest, StoppedProcessSeesTheSignal) {
  start(kTree, [this] {
    struct sigaction action {};
    static Board* board = board_;
    action.sa_handler = [](int) {
      board->ticks = 42;
      ::_exit(0);
    };
    ::sigaction(SIGTERM, &action, nullptr);
    ++board_->ready;
    ::raise(SIGSTOP);
    for (;;) ::pause();
  });
  ASSERT_TRUE(run_until_ready(1));
  ASSERT_TRUE(end(kTree, SIGTERM));
  EXPECT_EQ(board_->ticks, 42);
}

TEST_F(ProcessTreesTest, StoppedProcessIsKilled) {
  start(kTree, [this] {
    ++board_->ready;
    ::raise(SIGSTOP);
  });
  ASSERT_TRUE(run_until_ready(1));
  EXPECT_TRUE(end(kTree, SIGKILL));
}

TEST_F(ProcessTreesTest, EmptyOnlyWhenTheLastOrphanHasEnded) {
  const pid_t first = start(kTree, [this] {
    ::signal(SIGTERM, SIG_DFL);
    in_child([this] {
      ::signal(SIGTERM, SIG_IGN);
      board_->pids[0] = ::getpid();
      stay();
    });
    stay();
  });
  ASSERT_TRUE(run_until_ready(2));
  trees_->end(kTree, SIGTERM);
  ASSERT_TRUE(run_until([&] { return !alive(first); }));
  for (int i = 0; i < 10; ++i) sd_event_run(loop_.get(), 1'000);
  EXPECT_EQ(emptied(kTree), 0);
  ASSERT_TRUE(alive(board_->pids[0]));
  EXPECT_TRUE(end(kTree, SIGKILL));
}

TEST_F(ProcessTreesTest, IdleManagerDoesNotWakeUp) {
  start(kTree, [this] {
    ::signal(SIGTERM, SIG_IGN);
    stay();
  });
  ASSERT_TRUE(run_until_ready(1));
  trees_->end(kTree, SIGTERM);
  for (int i = 0; i < 20; ++i) sd_event_run(loop_.get(), 0);
  const auto portions = trees_->work().portions;
  EXPECT_EQ(sd_event_run(loop_.get(), 100'000), 0) << "something to do while there is nothing";
  EXPECT_EQ(trees_->work().portions, portions);
}

TEST_F(ProcessTreesTest, ForgottenTreeIsEndedNoMore) {
  const pid_t pid = start(kTree, [this] { stay(); });
  ASSERT_TRUE(run_until_ready(1));
  trees_->end(kTree, SIGKILL);
  trees_->forget(kTree);
  for (int i = 0; i < 5; ++i) sd_event_run(loop_.get(), 0);
  EXPECT_TRUE(alive(pid));
  EXPECT_FALSE(trees_->contains(kTree, pid));
}

// ---- Those who do not want to end
// ----------------------------------------------------------------

/// Forks without end; each process forks on.
[[noreturn]] void bomb(std::atomic<int>& forks) {
  ::signal(SIGTERM, SIG_IGN);
  ::signal(SIGHUP, SIG_IGN);
  for (;;) {
    if (::fork() == 0) ++forks;
  }
}

/// A user for this test alone: the limit counts all processes of a user.
void limit_processes(rlim_t most, uid_t user) {
  const rlimit limit{most, most};
  if (::setrlimit(RLIMIT_NPROC, &limit) < 0 || ::setuid(user) < 0) ::_exit(1);
}

uid_t own_user() {
  return 1'000'000 + static_cast<uid_t>(::getpid());
}

TEST_F(ProcessTreesTest, ForkBombUnderALimitIsEnded) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root to limit the processes of somebody else";
  start(kTree, [this, user = own_user()] {
    limit_processes(300, user);
    bomb(board_->ticks);
  });
  ASSERT_TRUE(run_until([&] { return board_->ticks > 250; }));
  trees_->end(kTree, SIGTERM);
  for (int i = 0; i < 10; ++i) sd_event_run(loop_.get(), 1'000);
  EXPECT_TRUE(end(kTree, SIGKILL));
  EXPECT_LE(trees_->work().most_steps, 200);
}

TEST_F(ProcessTreesTest, BombWhoseProcessesEndAtOnceIsEnded) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root to limit the processes of somebody else";
  start(kTree, [this, user = own_user()] {
    limit_processes(300, user);
    ::signal(SIGTERM, SIG_IGN);
    ::signal(SIGCHLD, SIG_IGN);
    const auto until = ::time(nullptr) + 60;
    // Each process leaves after two forks: the tree is never the same for long.
    while (::time(nullptr) < until) {
      ++board_->ticks;
      const bool first = ::fork() > 0;
      const bool second = ::fork() > 0;
      if (first && second) ::_exit(0);
    }
  });
  ASSERT_TRUE(run_until([&] { return board_->ticks > 2'000; }));
  EXPECT_TRUE(end(kTree, SIGKILL));
}

TEST_F(ProcessTreesTest, ProcessThatKeepsChangingItsNumberIsEnded) {
  start(kTree, [this] {
    const auto until = ::time(nullptr) + 60;
    while (::time(nullptr) < until) {
      ++board_->ticks;
      if (::fork() > 0) ::_exit(0);
    }
  });
  ASSERT_TRUE(run_until([&] { return board_->ticks > 100; }));
  EXPECT_TRUE(end(kTree, SIGKILL));
}

TEST_F(ProcessTreesTest, ChurnOfShortChildrenIsEnded) {
  start(kTree, [this] {
    ::signal(SIGTERM, SIG_IGN);
    const auto until = ::time(nullptr) + 60;
    while (::time(nullptr) < until) {
      in_child([] {});
      if (++board_->ticks % 100 == 0) {
        while (::waitpid(-1, nullptr, 0) > 0) {
        }
      }
    }
  });
  ASSERT_TRUE(run_until([&] { return board_->ticks > 1'000; }));
  EXPECT_TRUE(end(kTree, SIGKILL));
}

TEST_F(ProcessTreesTest, LongChainIsEnded) {
  // Each process has one child: depth is no bound of the search.
  constexpr int kLinks = 150;
  start(kTree, [this] {
    ::signal(SIGTERM, SIG_IGN);
    for (int i = 1; i < kLinks; ++i) {
      if (::fork() != 0) break;
    }
    stay();
  });
  ASSERT_TRUE(run_until_ready(kLinks));
  trees_->end(kTree, SIGUSR1);
  EXPECT_TRUE(run_until_emptied(kTree)) << "the signal has reached all";
}

TEST_F(ProcessTreesTest, ZombiesOfASloppyParentDoNotCount) {
  start(kTree, [this] {
    for (int i = 0; i < 200; ++i) in_child([] {});
    stay();
  });
  ASSERT_TRUE(run_until_ready(1));
  const auto left = trees_->survivors(kTree);
  EXPECT_EQ(left.count, 1U);
  EXPECT_TRUE(end(kTree, SIGKILL));
}

// ---- Responsiveness
// ------------------------------------------------------------------------------

/// Always has something to read, and counts how often the loop has come by.
struct Bystander {
  explicit Bystander(sd_event* loop) : always_readable(::eventfd(1, EFD_CLOEXEC)) {
    sd_event_source* added = nullptr;
    sd_event_add_io(
        loop, &added, always_readable.value(), EPOLLIN,
        [](sd_event_source*, int, uint32_t, void* count) {
          ++*static_cast<std::uint64_t*>(count);
          return 0;
        },
        &turns);
    source.reset(added);
  }
  std::uint64_t turns = 0;
  UniqueFd always_readable;
  loop::EventSource source;
};

TEST_F(ProcessTreesTest, OthersHaveTheirTurnsBetweenPortions) {
  constexpr int kProcesses = 2'000;
  start(kTree, [this] {
    for (int i = 1; i < kProcesses; ++i) {
      in_child([this] {
        if (board_->ticks++ % 2 == 0) ::setsid();
        stay();
      });
    }
    stay();
  });
  ASSERT_TRUE(run_until_ready(kProcesses));
  Bystander bystander(loop_.get());
  ASSERT_TRUE(end(kTree, SIGKILL));
  EXPECT_GE(trees_->work().portions, 40U) << "two scans and the killing, in parts";
  EXPECT_LE(trees_->work().most_steps, 200) << "of some 20 us each";
  EXPECT_GE(bystander.turns, trees_->work().portions - 2);
}

TEST_F(ProcessTreesTest, ManyOrphansAreTakenInPortionsToo) {
  constexpr int kProcesses = 2'000;
  start(kTree, [this] {
    for (int i = 0; i < kProcesses; ++i) in_child([this] { stay(); });
  });
  ASSERT_TRUE(run_until_ready(kProcesses));
  ASSERT_TRUE(end(kTree, SIGTERM));
  EXPECT_LE(trees_->work().most_steps, 200);
}

TEST_F(ProcessTreesTest, ManyTreesAtOnce) {
  constexpr std::uint64_t kTrees = 200;
  for (std::uint64_t i = 1; i <= kTrees; ++i) {
    start(TreeId{i}, [this] {
      in_child([this] { stay(); });
      stay();
    });
  }
  ASSERT_TRUE(run_until_ready(2 * kTrees));
  for (std::uint64_t i = 1; i <= kTrees; ++i)
    trees_->end(TreeId{i}, i % 2 == 0 ? SIGTERM : SIGKILL);
  EXPECT_TRUE(run_until([&] { return emptied_.size() == kTrees; }));
  EXPECT_LE(trees_->work().most_steps, 200);
}

// ---- Who belongs
// ---------------------------------------------------------------------------------

TEST_F(ProcessTreesTest, ContainsDescendantsWhereverTheyAre) {
  const pid_t parent = start(kTree, [this] {
    board_->pids[0] = in_child([this] {
      ::setsid();
      stay();
    });
    stay();
  });
  ASSERT_TRUE(run_until_ready(2));
  const pid_t escapee = start_escapee(kTree, 1);
  const pid_t child = board_->pids[0];
  for (const pid_t pid : {parent, child, escapee}) {
    EXPECT_TRUE(trees_->contains(kTree, pid));
    EXPECT_FALSE(trees_->contains(kOther, pid));
    EXPECT_FALSE(trees_->contains(TreeId{}, pid));
  }
  EXPECT_TRUE(trees_->has_parent_in(kTree, child));
  EXPECT_FALSE(trees_->has_parent_in(kOther, child));
  EXPECT_FALSE(trees_->has_parent_in(kTree, parent));
  EXPECT_FALSE(trees_->has_parent_in(kTree, escapee));
}

TEST_F(ProcessTreesTest, ContainsNobodyElse) {
  const pid_t stranger = start_stranger([this] { stay(); });
  ASSERT_TRUE(run_until_ready(1));
  for (const pid_t pid : {stranger, ::getpid(), ::getppid(), 1, 0, -1, 1 << 22}) {
    EXPECT_FALSE(trees_->contains(kTree, pid)) << pid;
    EXPECT_FALSE(trees_->contains(TreeId{}, pid)) << pid;
  }
}

TEST_F(ProcessTreesTest, MarkAloneDoesNotMakeAMember) {
  // Another manager may give the same numbers to its own.
  const auto mark = TreeMarks::of_this_process().mark_of(kTree);
  ASSERT_TRUE(mark);
  const pid_t stranger = start_stranger([&] {
    board_->pids[0] = in_child([&] {
      const rlimit limit{*mark, *mark};
      ::setrlimit(RLIMIT_LOCKS, &limit);
      stay();
    });
    stay();
  });
  ASSERT_TRUE(run_until_ready(2));
  EXPECT_FALSE(trees_->contains(kTree, board_->pids[0]));
  ASSERT_TRUE(end(kTree, SIGKILL));
  EXPECT_TRUE(alive(board_->pids[0]));
  EXPECT_TRUE(alive(stranger));
}

TEST_F(ProcessTreesTest, OrphansOfAManagerInAJobBelongToTheJob) {
  start(kTree, [this] {
    // What a manager in there gives to its own jobs.
    const auto mark = TreeMarks::of_this_process().mark_of(TreeId{9});
    const rlimit limit{mark.value_or(0), mark.value_or(0)};
    in_child([&] {
      ::setrlimit(RLIMIT_LOCKS, &limit);
      escape(0);
    });
    stay();
  });
  ASSERT_TRUE(run_until_ready(2));
  ASSERT_TRUE(run_until([&] {
    const auto stat = process_stat(board_->pids[0]);
    return stat && stat->parent == ::getpid();
  }));
  EXPECT_TRUE(trees_->contains(kTree, board_->pids[0]));
  EXPECT_FALSE(trees_->contains(TreeId{9}, board_->pids[0]));
  EXPECT_TRUE(end(kTree, SIGTERM));
  EXPECT_FALSE(alive(board_->pids[0]));
}

TEST_F(ProcessTreesTest, OldestOrphanIsTheOneThatBeganFirst) {
  EXPECT_FALSE(trees_->oldest_orphan(kTree, knows_nobody));
  const pid_t other = start_escapee(kOther, 3);
  const pid_t first = start_escapee(kTree, 0);
  const auto began = process_stat(first)->start;
  // The clock of starts has ticks of 10 ms.
  ASSERT_TRUE(run_until([&] {
    const pid_t probe = start_stranger([this] { stay(); });
    return process_stat(probe)->start > began;
  }));
  const pid_t second = start_escapee(kTree, 1);
  EXPECT_EQ(trees_->oldest_orphan(kTree, knows_nobody), first);
  EXPECT_EQ(trees_->oldest_orphan(kTree, [&](pid_t pid) { return pid == first; }), second);
  EXPECT_EQ(trees_->oldest_orphan(kOther, knows_nobody), other);
  ::kill(first, SIGKILL);
  ASSERT_TRUE(run_until([&] { return !alive(first); }));
  EXPECT_EQ(trees_->oldest_orphan(kTree, knows_nobody), second);
}

TEST_F(ProcessTreesTest, ZombieIsNobodysSurvivor) {
  const pid_t main = start(kTree, [this] { stay(); });
  ASSERT_TRUE(run_until_ready(1));
  ::kill(main, SIGKILL);
  while (alive(main)) {
  }
  EXPECT_FALSE(trees_->oldest_orphan(kTree, knows_nobody)) << "ended but not reaped";
}

TEST_F(ProcessTreesTest, SurvivorsAreCountedAndNamedWithinBounds) {
  start(kTree, [this] {
    for (int i = 0; i < 100; ++i) in_child([this] { stay(); });
    stay();
  });
  ASSERT_TRUE(run_until_ready(101));
  const auto left = trees_->survivors(kTree);
  EXPECT_TRUE(left.more);
  EXPECT_GE(left.count, 10U);
  EXPECT_LE(left.count, 100U);
  EXPECT_EQ(left.names.size(), 8U);
  EXPECT_NE(left.names.front().find(" ("), std::string::npos) << left.names.front();
  EXPECT_EQ(trees_->survivors(kOther).count, 0U);
}

}  // namespace
}  // namespace upkeep::os
