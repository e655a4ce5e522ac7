#include "core/timer_queue.h"

#include <gtest/gtest.h>

namespace upkeep::core {
namespace {

using namespace std::chrono_literals;

TEST(TimerQueue, FiresByTimeThenByOrderOfArming) {
  TimerQueue<int> timers;
  const auto start = TimePoint{} + 1s;
  timers.arm(start + 2s, 3);
  timers.arm(start, 1);
  timers.arm(start, 2);
  EXPECT_EQ(timers.next(), start);
  EXPECT_EQ(timers.take_due(start + 3s), 1);
  EXPECT_EQ(timers.take_due(start + 3s), 2);
  EXPECT_EQ(timers.take_due(start + 3s), 3);
  EXPECT_EQ(timers.take_due(start + 3s), std::nullopt);
}

TEST(TimerQueue, NothingIsDueEarlyAndCancelledTimersAreGone) {
  TimerQueue<int> timers;
  const auto key = timers.arm(TimePoint{} + 1s, 1);
  EXPECT_EQ(timers.take_due(TimePoint{} + 999ms), std::nullopt);
  timers.cancel(key);
  timers.cancel(key);
  EXPECT_EQ(timers.next(), std::nullopt);
}

}  // namespace
}  // namespace upkeep::core
