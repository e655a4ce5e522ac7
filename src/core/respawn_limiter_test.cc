#include "core/respawn_limiter.h"

#include <gtest/gtest.h>

namespace upkeep::core {
namespace {

using namespace std::chrono_literals;

TimePoint at(std::chrono::milliseconds since_boot) {
  return TimePoint{} + since_boot;
}

TEST(RespawnLimiter, AllowsAsManyRespawnsAsTheCount) {  // 1 start + 10 respawns
  RespawnLimiter limiter;
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(limiter.allow(at(100s + i * 50ms), {})) << i;
  EXPECT_FALSE(limiter.allow(at(101s), {}));
}

TEST(RespawnLimiter, AWindowThatIsOverStartsAnew) {
  RespawnLimiter limiter;
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(limiter.allow(at(100s), {}));
  EXPECT_TRUE(limiter.allow(at(105s), {}));
}

TEST(RespawnLimiter, TheWindowDoesNotSlide) {
  RespawnLimiter limiter;
  const conf::RespawnLimit limit{2, 5};
  EXPECT_TRUE(limiter.allow(at(100s), limit));
  EXPECT_TRUE(limiter.allow(at(104900ms), limit));
  EXPECT_TRUE(limiter.allow(at(105s), limit));  // a new window, though the last was 0.1 s ago
}

TEST(RespawnLimiter, ZeroMeansNoLimit) {
  for (const auto limit : {conf::RespawnLimit{0, 5}, conf::RespawnLimit{10, 0}}) {
    RespawnLimiter limiter;
    for (int i = 0; i < 1000; ++i) ASSERT_TRUE(limiter.allow(at(100s), limit));
  }
}

TEST(RespawnLimiter, StaysRefusedWithinTheWindow) {
  RespawnLimiter limiter;
  const conf::RespawnLimit limit{1, 5};
  EXPECT_TRUE(limiter.allow(at(100s), limit));
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(limiter.allow(at(101s), limit));
}

}  // namespace
}  // namespace upkeep::core
