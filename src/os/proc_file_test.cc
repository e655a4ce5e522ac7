// What can be told of a process, also while it goes.
#include "os/proc_file.h"

#include <string>

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/unique_fd.h"

namespace upkeep::os {
namespace {

/// A child that has ended with 7 and waits to be reaped.
pid_t zombie() {
  const pid_t pid = ::fork();
  if (pid == 0) ::_exit(7);
  siginfo_t info{};
  EXPECT_EQ(::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT), 0);
  return pid;
}

void reap(pid_t pid) {
  ASSERT_EQ(::waitpid(pid, nullptr, 0), pid);
}

TEST(ProcFile, SaysWhoIsTheParent) {
  EXPECT_EQ(parent_of(::getpid()), ::getppid());
}

TEST(ProcFile, SaysHowAProcessEndedUntilItIsReaped) {
  const pid_t pid = zombie();
  EXPECT_EQ(zombie_status(pid), 7 << 8);
  reap(pid);
  EXPECT_EQ(zombie_status(pid), std::nullopt);
  EXPECT_EQ(parent_of(pid), 0);
}

TEST(ProcFile, ALivingProcessHasNoStatus) {
  EXPECT_EQ(zombie_status(::getpid()), std::nullopt);
}

TEST(ProcFile, AProcessMayGoBetweenTheOpeningAndTheReading) {
  const pid_t pid = zombie();
  const UniqueFd file(::open(fmt::format("/proc/{}/stat", pid).c_str(), O_RDONLY | O_CLOEXEC));
  ASSERT_TRUE(file);
  reap(pid);
  EXPECT_EQ(read_proc_file(file.value()), "");
}

TEST(ProcFile, NoMoreThanAPageIsRead) {
  const UniqueFd file(::open("/dev/zero", O_RDONLY | O_CLOEXEC));
  ASSERT_TRUE(file);
  EXPECT_EQ(read_proc_file(file.value()).size(), 4096U);
}

}  // namespace
}  // namespace upkeep::os
