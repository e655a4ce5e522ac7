#include "core/respawn_limiter.h"

namespace upkeep::core {

bool RespawnLimiter::allow(TimePoint now, const conf::RespawnLimit& limit) {
  if (limit.count <= 0 || limit.interval_seconds <= 0) return true;

  // Whole seconds, as the original counts: a window is not prolonged by fractions.
  const auto second = std::chrono::floor<std::chrono::seconds>(now);
  const auto elapsed = std::chrono::floor<std::chrono::seconds>(second - window_start_);
  if (elapsed.count() < limit.interval_seconds) {
    if (count_ >= limit.count) return false;
    ++count_;
    return true;
  }
  window_start_ = second;
  count_ = 1;
  return true;
}

}  // namespace upkeep::core
