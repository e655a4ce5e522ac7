// Deadlines in order of time, ties in order of arming, so that the same run fires the same way.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <utility>

#include "core/types.h"

namespace upkeep::core {

/// Names one armed deadline.
using TimerKey = std::pair<TimePoint, std::uint64_t>;

/// Deadlines with something to hand back when they are due.
template <typename Payload>
class TimerQueue {
 public:
  /// Arms a deadline; the key cancels it.
  TimerKey arm(TimePoint due, Payload payload) {
    const TimerKey key{due, ++armed_};
    timers_.emplace(key, std::move(payload));
    return key;
  }

  void cancel(const TimerKey& key) { timers_.erase(key); }

  [[nodiscard]] std::optional<TimePoint> next() const {
    if (timers_.empty()) return std::nullopt;
    return timers_.begin()->first.first;
  }

  /// Everything armed, earliest first.
  [[nodiscard]] const std::map<TimerKey, Payload>& armed() const { return timers_; }

  /// The earliest deadline that is due at `now`, disarmed; nothing if none is.
  [[nodiscard]] std::optional<Payload> take_due(TimePoint now) {
    if (timers_.empty() || timers_.begin()->first.first > now) return std::nullopt;
    auto payload = std::move(timers_.begin()->second);
    timers_.erase(timers_.begin());
    return payload;
  }

 private:
  std::map<TimerKey, Payload> timers_;
  std::uint64_t armed_ = 0;
};

}  // namespace upkeep::core
