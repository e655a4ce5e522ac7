// Deadlines in order of time, ties in order of arming, so that the same run fires the same way.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <utility>

#include "core/types.h"

namespace upkeep::core {

/// Deadlines with something to hand back when they are due.
template <typename Payload>
class TimerQueue {
 public:
  using Key = std::pair<TimePoint, std::uint64_t>;

  /// Arms a deadline; the key cancels it.
  Key arm(TimePoint due, Payload payload) {
    const Key key{due, ++armed_};
    timers_.emplace(key, std::move(payload));
    return key;
  }

  void cancel(const Key& key) { timers_.erase(key); }

  [[nodiscard]] std::optional<TimePoint> next() const {
    if (timers_.empty()) return std::nullopt;
    return timers_.begin()->first.first;
  }

  /// The earliest deadline that is due at `now`, disarmed; nothing if none is.
  [[nodiscard]] std::optional<Payload> take_due(TimePoint now) {
    if (timers_.empty() || timers_.begin()->first.first > now) return std::nullopt;
    auto payload = std::move(timers_.begin()->second);
    timers_.erase(timers_.begin());
    return payload;
  }

 private:
  std::map<Key, Payload> timers_;
  std::uint64_t armed_ = 0;
};

}  // namespace upkeep::core
