// Finding descendants, and never taking one process for another.
#include "os/process_scan.h"

#include <algorithm>
#include <csignal>
#include <ctime>
#include <fstream>
#include <set>
#include <thread>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/trees_fixture.h"

namespace upkeep::os {
namespace {

class ProcessScanTest : public TreesTest {
 protected:
  static std::set<pid_t> found_below(std::vector<pid_t> roots,
                                     std::shared_ptr<const Families> families = nullptr) {
    std::set<pid_t> found;
    int budget = 1'000'000;
    ProcessScan scan(
        std::move(roots), [](pid_t) { return true; }, std::move(families));
    EXPECT_TRUE(scan.go_on(budget, [&](const PinnedProcess& process) {
      EXPECT_TRUE(found.insert(process.identity.pid).second) << "visited twice";
    }));
    return found;
  }

  /// A process with two children, one of which has a child.
  pid_t start_family() {
    const pid_t first = start_stranger([this] {
      board_->pids[1] = in_child([this] { stay(); });
      board_->pids[2] = in_child([this] {
        board_->pids[3] = in_child([this] { stay(); });
        stay();
      });
      stay();
    });
    EXPECT_TRUE(run_until_ready(4));
    board_->pids[0] = first;
    return first;
  }

  std::set<pid_t> family() {
    return {board_->pids[0], board_->pids[1], board_->pids[2], board_->pids[3]};
  }
};

TEST_F(ProcessScanTest, FindsAllGenerations) {
  const pid_t root = start_family();
  EXPECT_EQ(found_below({root}), family());
}

TEST_F(ProcessScanTest, FindsThemWithoutTheListsOfTheKernel) {
  const pid_t root = start_family();
  EXPECT_EQ(found_below({root}, std::make_shared<const Families>(all_families())), family());
}

TEST_F(ProcessScanTest, ParentsComeFirst) {
  const pid_t root = start_family();
  std::vector<pid_t> order;
  int budget = 1'000;
  ProcessScan scan(
      {root}, [](pid_t) { return true; }, nullptr);
  ASSERT_TRUE(scan.go_on(
      budget, [&](const PinnedProcess& process) { order.push_back(process.identity.pid); }));
  ASSERT_EQ(order.size(), 4U);
  EXPECT_EQ(order.front(), root);
  EXPECT_EQ(order.back(), board_->pids[3]);
}

TEST_F(ProcessScanTest, StepByStepFindsTheSame) {
  const pid_t root = start_family();
  std::set<pid_t> found;
  ProcessScan scan(
      {root}, [](pid_t) { return true; }, nullptr);
  int portions = 0;
  for (bool done = false; !done; ++portions) {
    int budget = 1;
    done = scan.go_on(budget,
                      [&](const PinnedProcess& process) { found.insert(process.identity.pid); });
    ASSERT_LT(portions, 1'000);
  }
  EXPECT_EQ(found, family());
  EXPECT_GE(portions, 4);
}

TEST_F(ProcessScanTest, ChildrenOfEveryThread) {
  const pid_t root = start_stranger([this] {
    std::thread([this] {
      board_->pids[1] = in_child([this] { stay(); });
      stay();
    }).join();
  });
  ASSERT_TRUE(run_until_ready(2));
  EXPECT_EQ(found_below({root}), (std::set<pid_t>{root, board_->pids[1]}));
}

TEST_F(ProcessScanTest, FirstThreadMayHaveEnded) {
  const pid_t root = start_stranger([this] {
    std::thread([this] {
      board_->pids[1] = in_child([this] { stay(); });
      stay();
    }).detach();
    ::syscall(SYS_exit, 0);  // of this thread alone
  });
  ASSERT_TRUE(run_until_ready(2));
  ASSERT_TRUE(run_until([&] {
    const auto stat = process_stat(root);
    return stat && stat->state == 'Z';
  }));
  EXPECT_EQ(found_below({root}), (std::set<pid_t>{root, board_->pids[1]}));
}

TEST_F(ProcessScanTest, ZombiesDoNotLive) {
  const pid_t root = start_stranger([this] {
    board_->pids[1] = in_child([] {});
    stay();
  });
  ASSERT_TRUE(run_until_ready(1));
  ASSERT_TRUE(run_until([&] { return board_->pids[1] != 0 && !alive(board_->pids[1]); }));
  EXPECT_EQ(found_below({root}), std::set<pid_t>{root});
}

TEST_F(ProcessScanTest, NameMayContainAnything) {
  const pid_t root = start_stranger([this] {
    ::prctl(PR_SET_NAME, ") R 1 (\n");
    stay();
  });
  ASSERT_TRUE(run_until_ready(1));
  const auto stat = process_stat(root);
  ASSERT_TRUE(stat);
  EXPECT_EQ(stat->name, ") R 1 (\n");
  EXPECT_EQ(stat->parent, ::getpid());
  EXPECT_EQ(stat->threads, 1U);
}

TEST_F(ProcessScanTest, WhoseParentIsAnotherIsNotVisited) {
  const pid_t root = start_family();
  const pid_t stranger = start_stranger([this] { stay(); });
  ASSERT_TRUE(run_until_ready(5));
  // As if the list of the root had named a number that a stranger has by now.
  Families families{{root, {stranger}}};
  EXPECT_EQ(found_below({root}, std::make_shared<const Families>(families)), std::set<pid_t>{root});
}

TEST_F(ProcessScanTest, NoMoreThanTheBudget) {
  const pid_t root = start_stranger([this] {
    for (int i = 0; i < 1'500; ++i) in_child([this] { stay(); });
    stay();
  });
  ASSERT_TRUE(run_until_ready(1'501));
  ProcessScan scan(
      {root}, [](pid_t) { return true; }, nullptr);
  std::size_t found = 0;
  int calls = 0;
  for (bool done = false; !done; ++calls) {
    const auto before = found;
    int budget = 100;
    done = scan.go_on(budget, [&](const PinnedProcess&) { ++found; });
    EXPECT_LE(found - before, 100U);
  }
  EXPECT_EQ(found, 1'501U);
  EXPECT_GE(calls, 15);
}

TEST_F(ProcessScanTest, ListStaysRightWhileItsReaderReaps) {
  constexpr int kChildren = 2'000;
  std::vector<pid_t> started;
  for (int i = 0; i < kChildren; ++i) started.push_back(start_stranger([] { ::pause(); }));
  ChildList list(::getpid(), ::getpid());
  std::vector<pid_t> read;
  ASSERT_TRUE(list.read(read));
  ASSERT_LT(read.size(), started.size()) << "not in several parts";
  // Whoever has been read goes: the rest moves up.
  for (std::size_t i = 0; i < read.size(); i += 2) {
    ::kill(read[i], SIGKILL);
    ::waitpid(read[i], nullptr, 0);
    list.removed(read[i]);
  }
  while (list.read(read)) {
  }
  EXPECT_EQ(read, started);
}

// ---- Numbers that are used again ---------------------------------------------------------------

/// Runs `test` as process 1 of a pid namespace with its own /proc, where the next number can be
/// chosen; what it returns.
int run_in_namespace(const std::function<int()>& test) {
  const pid_t outer = ::fork();
  if (outer == 0) {
    if (::unshare(CLONE_NEWPID | CLONE_NEWNS) < 0) ::_exit(77);
    const pid_t inner = ::fork();
    if (inner == 0) {
      ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr);
      if (::mount("proc", "/proc", "proc", 0, nullptr) < 0) ::_exit(77);
      ::_exit(test());
    }
    int status = 0;
    ::waitpid(inner, &status, 0);
    ::_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 99);
  }
  int status = 0;
  ::waitpid(outer, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 98;
}

pid_t sleeper_with_number(pid_t wanted) {
  if (wanted != 0) std::ofstream("/proc/sys/kernel/ns_last_pid") << wanted - 1;
  const pid_t pid = ::fork();
  if (pid == 0) {
    for (;;) ::pause();
  }
  return pid;
}

std::uint64_t ticks_since_boot() {
  timespec time{};
  ::clock_gettime(CLOCK_BOOTTIME, &time);
  const auto per_second = static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK));
  return static_cast<std::uint64_t>(time.tv_sec) * per_second +
         static_cast<std::uint64_t>(time.tv_nsec) * per_second / 1'000'000'000;
}

TEST(ProcessIdentity, NextProcessWithTheNumberIsAnother) {
  const int result = run_in_namespace([] {
    for (int i = 0; i < 20; ++i) {
      const pid_t first = sleeper_with_number(0);
      const auto identity = pin(first)->identity;
      if (!pin(identity)) return 1;
      ::kill(first, SIGKILL);
      ::waitpid(first, nullptr, 0);
      // Mostly within the same clock tick: the start does not tell them apart. Before Linux 6.9
      // nothing does, until the next tick.
      const bool told_by_inode = pin(::getpid())->identity.inode != identity.inode;
      while (!told_by_inode && ticks_since_boot() <= identity.start) {
      }
      if (sleeper_with_number(first) != first) return 77;
      if (pin(identity)) return 2;
      ::kill(first, SIGKILL);
      ::waitpid(first, nullptr, 0);
    }
    return 0;
  });
  if (result == 77) GTEST_SKIP() << "no namespace in which numbers can be chosen";
  EXPECT_EQ(result, 0);
}

TEST(ProcessIdentity, PinnedProcessIsSignalledOrNobody) {
  const int result = run_in_namespace([] {
    const pid_t first = sleeper_with_number(0);
    const auto process = pin(first);
    ::kill(first, SIGKILL);
    ::waitpid(first, nullptr, 0);
    if (sleeper_with_number(first) != first) return 77;
    if (process->send(SIGKILL) != ESRCH) return 1;
    return ::waitpid(first, nullptr, WNOHANG) == 0 ? 0 : 2;
  });
  if (result == 77) GTEST_SKIP() << "no namespace in which numbers can be chosen";
  EXPECT_EQ(result, 0);
}

}  // namespace
}  // namespace upkeep::os
