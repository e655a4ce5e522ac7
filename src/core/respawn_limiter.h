// Counts respawns in a window of time (spec/runtime.md 2.4).
#pragma once

#include "conf/job_definition.h"
#include "core/types.h"

namespace upkeep::core {

/// Lives as long as its instance; commands neither count nor reset it.
class RespawnLimiter {
 public:
  /// Counts one more respawn. False if that is one too many within the interval.
  [[nodiscard]] bool allow(TimePoint now, const conf::RespawnLimit& limit);

  /// When the present window began, in whole seconds, and the respawns counted in it.
  [[nodiscard]] TimePoint window_start() const { return window_start_; }
  [[nodiscard]] int count() const { return count_; }

 private:
  TimePoint window_start_{};  ///< whole seconds
  int count_ = 0;
};

}  // namespace upkeep::core
