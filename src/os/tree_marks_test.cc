// The numbers of marks, one manager inside another, and reading them from processes.
#include "os/tree_marks.h"

#include <limits>

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/unique_fd.h"

namespace upkeep::os {
namespace {

using core::TreeId;

constexpr std::uint64_t kOutermost = 1ULL << 30U;
constexpr std::uint64_t kInJob = (1ULL << 24U) - 1;

rlim_t mark(const TreeMarks& marks, std::uint64_t tree) {
  return marks.mark_of(TreeId{tree}).value_or(0);
}

TEST(TreeMarks, AreReadBackAsTheirTree) {
  const TreeMarks marks(RLIM_INFINITY);
  for (const std::uint64_t tree :
       {std::uint64_t{1}, std::uint64_t{2}, std::uint64_t{70'000}, kOutermost}) {
    EXPECT_EQ(marks.tree_of(mark(marks, tree)), TreeId{tree}) << tree;
  }
}

TEST(TreeMarks, NumbersRunOutAndAreNotUsedTwice) {
  const TreeMarks marks(RLIM_INFINITY);
  EXPECT_FALSE(marks.mark_of(TreeId{0}));
  EXPECT_FALSE(marks.mark_of(TreeId{kOutermost + 1}));
  EXPECT_FALSE(marks.mark_of(TreeId{std::numeric_limits<std::uint64_t>::max()}));
}

TEST(TreeMarks, WhatIsNoMarkIsNobodys) {
  const TreeMarks marks(RLIM_INFINITY);
  for (const rlim_t limit : {RLIM_INFINITY, rlim_t{0}, rlim_t{1024}, rlim_t{1} << 63U}) {
    EXPECT_FALSE(marks.tree_of(limit)) << limit;
  }
}

TEST(TreeMarks, ManagerInAJobDividesTheRangeOfThatJob) {
  const TreeMarks outer(RLIM_INFINITY);
  const TreeMarks inner(mark(outer, 7));
  const TreeMarks innermost(mark(inner, kInJob));
  for (const std::uint64_t tree : {std::uint64_t{1}, std::uint64_t{255}, kInJob}) {
    EXPECT_EQ(inner.tree_of(mark(inner, tree)), TreeId{tree});
    EXPECT_EQ(outer.tree_of(mark(inner, tree)), TreeId{7}) << tree;
  }
  for (const std::uint64_t tree : {1, 255}) {
    EXPECT_EQ(innermost.tree_of(mark(innermost, tree)), TreeId{tree});
    EXPECT_EQ(inner.tree_of(mark(innermost, tree)), TreeId{kInJob}) << tree;
    EXPECT_EQ(outer.tree_of(mark(innermost, tree)), TreeId{7}) << tree;
  }
  EXPECT_FALSE(inner.mark_of(TreeId{kInJob + 1}));
  EXPECT_FALSE(innermost.mark_of(TreeId{256}));
  EXPECT_FALSE(inner.tree_of(mark(outer, 7))) << "the manager itself is in none of its trees";
  EXPECT_FALSE(inner.tree_of(mark(outer, 6)));
  EXPECT_FALSE(inner.tree_of(mark(outer, 8)));
}

TEST(TreeMarks, NoneWhereThereIsNoRoom) {
  for (const rlim_t limit : {rlim_t{0}, rlim_t{1}, mark(TreeMarks(256), 3)}) {
    EXPECT_FALSE(TreeMarks(limit).mark_of(TreeId{1})) << limit;
    EXPECT_FALSE(TreeMarks(limit).tree_of(limit)) << limit;
  }
  EXPECT_EQ(TreeMarks(256).mark_of(TreeId{255}), 1U);
}

/// A child with this limit, as this user; what can be read of it alive and dead.
std::pair<std::optional<rlim_t>, std::optional<rlim_t>> limits_of_child(rlim_t value, uid_t user) {
  int ends[2];
  EXPECT_EQ(::pipe(ends), 0);
  const pid_t pid = ::fork();
  if (pid == 0) {
    const rlimit limit{value, value};
    if (::setrlimit(RLIMIT_LOCKS, &limit) < 0 || ::setuid(user) < 0) ::_exit(1);
    ::close(ends[0]);
    if (::write(ends[1], "x", 1) == 1) ::pause();
    ::_exit(1);
  }
  ::close(ends[1]);
  char byte = 0;
  EXPECT_EQ(::read(ends[0], &byte, 1), 1);
  const auto alive = lock_limit(pid);
  ::kill(pid, SIGKILL);
  siginfo_t info{};
  ::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT);
  const auto dead = lock_limit(pid);
  ::waitpid(pid, nullptr, 0);
  EXPECT_FALSE(lock_limit(pid));
  ::close(ends[0]);
  return {alive, dead};
}

TEST(TreeMarks, AreReadFromProcesses) {
  const auto value = mark(TreeMarks::of_this_process(), 5);
  ASSERT_NE(value, 0U) << "no room for marks here";
  const auto [alive, dead] = limits_of_child(value, ::getuid());
  EXPECT_EQ(alive, value);
  EXPECT_EQ(dead, value);
}

TEST(TreeMarks, AreReadFromProcessesOfOtherUsers) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root to be somebody else";
  const auto value = mark(TreeMarks::of_this_process(), 5);
  const auto [alive, dead] = limits_of_child(value, 65534);
  EXPECT_EQ(alive, value);
  EXPECT_EQ(dead, value);
}

}  // namespace
}  // namespace upkeep::os
