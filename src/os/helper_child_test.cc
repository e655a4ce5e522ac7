#include "os/helper_child.h"

#include <csignal>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/wait.h>

namespace upkeep::os {
namespace {

struct Pipe {
  Pipe() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) < 0) return;
    reading.reset(ends[0]);
    writing.reset(ends[1]);
  }
  /// Whether nobody is left who could write.
  [[nodiscard]] bool is_closed() const {
    pollfd end{reading.value(), POLLIN, 0};
    return ::poll(&end, 1, 0) == 1 && (end.revents & POLLHUP) != 0;
  }
  /// Waits for a byte.
  [[nodiscard]] bool read() const {
    char byte = 0;
    return ::read(reading.value(), &byte, 1) == 1;
  }
  [[nodiscard]] bool write() const { return ::write(writing.value(), "", 1) == 1; }

  UniqueFd reading, writing;
};

TEST(HelperChild, HoldsOnlyWhatItIsToKeep) {
  Pipe before, kept, after;
  const auto pid = start_helper({kept.writing.value()}, [&] {
    if (!kept.write()) ::_exit(1);
    ::pause();
  });
  ASSERT_TRUE(pid);
  before.writing.reset();
  after.writing.reset();
  ASSERT_TRUE(kept.read());
  EXPECT_TRUE(before.is_closed());
  EXPECT_TRUE(after.is_closed());
  kept.writing.reset();
  EXPECT_FALSE(kept.is_closed());
  ::kill(*pid, SIGKILL);
  EXPECT_EQ(::waitpid(*pid, nullptr, 0), *pid);
  EXPECT_TRUE(kept.is_closed());
}

TEST(HelperChild, KeepsSeveralInWhateverOrder) {
  const Pipe first, second;
  const auto pid = start_helper({second.writing.value(), first.writing.value()}, [&] {
    if (!first.write() || !second.write()) ::_exit(1);
  });
  ASSERT_TRUE(pid);
  int status = 1;
  EXPECT_EQ(::waitpid(*pid, &status, 0), *pid);
  EXPECT_EQ(status, 0);
}

TEST(HelperChild, SignalsHaveTheirOrdinaryEffect) {
  // An alarm among them: nothing else ends a helper that hangs.
  sigset_t alarm_only, before;
  ::sigemptyset(&alarm_only);
  ::sigaddset(&alarm_only, SIGALRM);
  ::sigprocmask(SIG_BLOCK, &alarm_only, &before);
  ::signal(SIGALRM, SIG_IGN);
  const auto pid = start_helper({}, [] {
    if (::alarm(0) == 0) ::_exit(1);
    ::raise(SIGALRM);
  });
  ::signal(SIGALRM, SIG_DFL);
  ::sigprocmask(SIG_SETMASK, &before, nullptr);
  ASSERT_TRUE(pid);
  int status = 0;
  EXPECT_EQ(::waitpid(*pid, &status, 0), *pid);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM) << status;
}

}  // namespace
}  // namespace upkeep::os
