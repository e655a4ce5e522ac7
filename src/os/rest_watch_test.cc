#include "os/rest_watch.h"

#include <optional>
#include <thread>

#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>

#include "base/unique_fd.h"
#include "os/cpu_use.h"
#include "os/loop_fixture.h"

namespace upkeep::os {
namespace {

using namespace std::chrono_literals;

constexpr auto kQuiet = 300ms;

[[noreturn]] void spin() {
  for (const volatile int never = 0; never == 0;) {
  }
  ::abort();
}

/// Runs until this process has used so much processor time.
void use(std::chrono::microseconds time) {
  rusage own{};
  do {
    ::getrusage(RUSAGE_SELF, &own);
  } while (std::chrono::seconds(own.ru_utime.tv_sec + own.ru_stime.tv_sec) +
               std::chrono::microseconds(own.ru_utime.tv_usec + own.ru_stime.tv_usec) <
           time);
}

[[noreturn]] void sleep() {
  for (;;) ::pause();
}

/// To be called by a grandchild, which nobody else would end.
void end_with(pid_t parent) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(0);  // it has gone already
}

[[noreturn]] void sleep_as_child_of(pid_t parent) {
  end_with(parent);
  sleep();
}

class RestWatchTest : public LoopTest {
 protected:
  void SetUp() override {
    auto* shared =
        ::mmap(nullptr, sizeof(int), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ASSERT_NE(shared, MAP_FAILED);
    flag_ = static_cast<volatile int*>(shared);
  }
  ~RestWatchTest() override { ::munmap(const_cast<int*>(flag_), sizeof(int)); }

  void watch(std::vector<pid_t> roots, RestWatch::Duration quiet,
             RestWatch::Duration at_latest = 0us) {
    rested_after_.reset();
    const auto begin = Clock::now();
    auto made = RestWatch::create(
        loop_.get(),
        [this, roots = std::move(roots)] {
          ++looks_;
          return roots;
        },
        quiet, at_latest,
        [this, begin] {
          ++told_;
          rested_after_ = Clock::now() - begin;
          if (goes_) watch_.reset();
        });
    ASSERT_TRUE(made) << made.error().message;
    watch_ = std::move(*made);
  }

  /// Whether they rest within four times the time that they should need.
  bool rests_soon() {
    run_for_at_most(4 * kQuiet);
    return rested_after_.has_value();
  }

  void run_for_at_most(Clock::duration time) {
    const auto end = Clock::now() + time;
    run_until([&] { return rested_after_ || Clock::now() >= end; });
  }

  /// Shared with the children.
  volatile int* flag_ = nullptr;
  std::unique_ptr<RestWatch> watch_;
  std::optional<Clock::duration> rested_after_;
  int looks_ = 0;
  int told_ = 0;
  bool goes_ = false;  ///< the watch goes from inside on_rested
};

TEST_F(RestWatchTest, ASleeperRestsAfterTheQuietTimeAndIsLeftAlone) {
  watch({child(sleep)}, kQuiet);
  ASSERT_TRUE(run_until([&] { return rested_after_.has_value(); }));
  EXPECT_GE(*rested_after_, kQuiet);
  const int looks = looks_;
  run_for(2 * kQuiet);
  EXPECT_EQ(looks_, looks);
  EXPECT_EQ(told_, 1);
}

TEST_F(RestWatchTest, ASpinnerDoesNotRest) {
  watch({child(spin)}, kQuiet);
  EXPECT_FALSE(rests_soon());
}

TEST_F(RestWatchTest, NorOneWithAThreadThatSpins) {
  watch({child([] {
          std::thread(spin).detach();
          sleep();
        })},
        kQuiet);
  EXPECT_FALSE(rests_soon());
}

TEST_F(RestWatchTest, NorOneThatOthersKeepFromTheProcessor) {
  const auto spin_on_first_processor = [](int policy) {
    cpu_set_t first;
    CPU_ZERO(&first);
    for (unsigned long cpu = 0; CPU_COUNT(&first) == 0; ++cpu) {
      CPU_SET(cpu, &first);
      if (::sched_setaffinity(0, sizeof first, &first) != 0) CPU_ZERO(&first);
    }
    const sched_param none{};
    ::sched_setscheduler(0, policy, &none);
    spin();
  };
  child([&] { spin_on_first_processor(SCHED_OTHER); });
  watch({child([&] { spin_on_first_processor(SCHED_IDLE); })}, kQuiet);
  EXPECT_FALSE(rests_soon());
}

TEST_F(RestWatchTest, NorOneWhoseChildSpins) {
  watch({child([] {
          const pid_t parent = ::getpid();
          if (::fork() == 0) {
            end_with(parent);
            spin();
          }
          sleep();
        })},
        kQuiet);
  EXPECT_FALSE(rests_soon());
}

TEST_F(RestWatchTest, NorOneWhoseChildrenAreShortLivedAndBusy) {
  // As a script: none of them is there for two looks.
  watch({child([] {
          for (;;) {
            if (::fork() == 0) {
              const auto end = Clock::now() + 5ms;
              while (Clock::now() < end) {
              }
              ::_exit(0);
            }
            ::wait(nullptr);
          }
        })},
        kQuiet);
  EXPECT_FALSE(rests_soon());
}

TEST_F(RestWatchTest, AServiceWithATimerRests) {
  // As redis does: ten times a second it looks at the time, and goes back to sleep.
  watch({child([] {
          for (;;) {
            const timespec pause{0, 100'000'000};
            ::nanosleep(&pause, nullptr);
          }
        })},
        kQuiet);
  EXPECT_TRUE(run_until([&] { return rested_after_.has_value(); }));
}

TEST_F(RestWatchTest, OneThatStopsBeingBusyRestsLater) {
  constexpr auto kBusy = 500ms;
  watch({child([&] {
          use(kBusy);
          sleep();
        })},
        kQuiet);
  ASSERT_TRUE(run_until([&] { return rested_after_.has_value(); }));
  EXPECT_GE(*rested_after_, kBusy + kQuiet / 2);
  EXPECT_LT(*rested_after_, 20 * kQuiet) << "what was before the rest counts no more";
}

TEST_F(RestWatchTest, OneThatWaitsForADeviceDoesNotRest) {
  // The parent of a vfork() is in the same state, D, until its child executes or ends.
  const pid_t pid = child([this] {
    const pid_t parent = ::getpid();
    if (::vfork() == 0) {  // NOLINT(clang-analyzer-security.insecureAPI.vfork)
      end_with(parent);
      while (*flag_ == 0) {
        const timespec pause{0, 20'000'000};
        ::nanosleep(&pause, nullptr);
      }
      ::_exit(0);
    }
    sleep();
  });
  watch({pid}, kQuiet);
  EXPECT_FALSE(rests_soon());
  *flag_ = 1;
  EXPECT_TRUE(run_until([&] { return rested_after_.has_value(); }));
}

TEST_F(RestWatchTest, AtLatestCountsForWhoIsBusy) {
  watch({child(spin)}, kQuiet, 2 * kQuiet);
  ASSERT_TRUE(run_until([&] { return rested_after_.has_value(); }));
  EXPECT_GE(*rested_after_, 2 * kQuiet);
}

TEST_F(RestWatchTest, AtLatestAloneNeedsNoLook) {
  watch({child(sleep)}, 0us, kQuiet);
  ASSERT_TRUE(run_until([&] { return rested_after_.has_value(); }));
  EXPECT_GE(*rested_after_, kQuiet);
  EXPECT_EQ(looks_, 0);
}

TEST_F(RestWatchTest, NeitherMeansNever) {
  watch({child(sleep)}, 0us, 0us);
  run_for_at_most(100ms);
  EXPECT_FALSE(rested_after_);
  EXPECT_EQ(looks_, 0);
}

TEST_F(RestWatchTest, WhoIsNotThereDoesNotRest) {
  const pid_t ended = child([] {});
  run_until([&] {
    siginfo_t info{};
    return ::waitid(P_PID, static_cast<id_t>(ended), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           info.si_pid == ended;
  });
  watch({ended}, 100ms);  // a zombie
  run_for_at_most(400ms);
  EXPECT_FALSE(rested_after_);
  EXPECT_TRUE(wait_for(ended));
  run_for_at_most(400ms);
  EXPECT_FALSE(rested_after_);
  watch({}, 100ms);
  run_for_at_most(400ms);
  EXPECT_FALSE(rested_after_);
}

TEST_F(RestWatchTest, DestructionCancelsAndMayHappenInTheHook) {
  const pid_t pid = child(sleep);
  watch({pid}, 50ms);
  watch_.reset();
  run_for(200ms);
  EXPECT_EQ(told_, 0);
  goes_ = true;
  watch({pid}, 50ms);
  ASSERT_TRUE(run_until([&] { return rested_after_.has_value(); }));
  EXPECT_FALSE(watch_);
}

TEST_F(RestWatchTest, LooksAboutOnceASecond) {
  watch({child(sleep)}, 60s);
  run_for(1500ms);
  EXPECT_GE(looks_, 2);
  EXPECT_LE(looks_, 3);
}

// ---- cpu_use() -------------------------------------------------------------------------------

class CpuUseTest : public RestWatchTest {};

TEST_F(CpuUseTest, CountsWhatEndedChildrenHaveUsed) {
  const auto before = cpu_use({::getpid()}).used;
  const pid_t pid = child([] { use(100ms); });
  ASSERT_TRUE(wait_for(pid));
  EXPECT_GE(cpu_use({::getpid()}).used - before, 100ms - 4 * cpu_use_precision());
}

TEST_F(CpuUseTest, FindsTheChildrenOfEveryThread) {
  const pid_t pid = child([this] {
    std::thread([this] {
      const pid_t parent = ::getpid();
      if (::fork() == 0) sleep_as_child_of(parent);
      *flag_ = 1;
      sleep();
    }).detach();
    sleep();
  });
  ASSERT_TRUE(run_until([&] { return *flag_ == 1; }));
  EXPECT_EQ(cpu_use({pid}).alive, 2);
  EXPECT_EQ(cpu_use({pid, pid}).alive, 2);
}

TEST_F(CpuUseTest, LooksAtABoundedNumber) {
  const pid_t pid = child([this] {
    const pid_t parent = ::getpid();
    for (int i = 0; i < 300; ++i) {
      if (::fork() == 0) sleep_as_child_of(parent);
    }
    *flag_ = 1;
    sleep();
  });
  ASSERT_TRUE(run_until([&] { return *flag_ == 1; }));
  EXPECT_EQ(cpu_use({pid}).alive, 256);
}

TEST_F(CpuUseTest, NothingOfNobody) {
  const auto use = cpu_use({0, -1, 1 << 30});
  EXPECT_EQ(use.used, 0us);
  EXPECT_EQ(use.alive, 0);
  EXPECT_FALSE(use.busy);
}

}  // namespace
}  // namespace upkeep::os
