// Tells when a process and its descendants have come to rest: the sign that a service which never
// says that it is ready has finished starting (core::Settled).
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include <sys/types.h>
#include <systemd/sd-event.h>

#include "base/result.h"
#include "loop/handles.h"

namespace upkeep::os {

/// Looks about once a second, at a bounded number of processes, and only until it has told. To
/// destroy it cancels it.
class RestWatch {
 public:
  using Duration = std::chrono::microseconds;
  /// The processes to look at, with all their descendants.
  using Roots = std::function<std::vector<pid_t>()>;

  /// Calls `on_rested` once, from the event loop: after `quiet` in which the processes have used
  /// less than about 5 % of one processor together, none was found running, waiting for a processor
  /// or waiting for a device, and at least one was alive; or `at_latest` from now whatever they do.
  /// 0 of either means never. `roots` is called for each look, from the event loop, and may not
  /// destroy the watch; `on_rested` may.
  [[nodiscard]] static Result<std::unique_ptr<RestWatch>> create(sd_event* loop, Roots roots,
                                                                 Duration quiet, Duration at_latest,
                                                                 std::function<void()> on_rested);

 private:
  using Clock = std::chrono::steady_clock;
  /// How it was when the present time of quiet began.
  struct Beginning {
    Clock::time_point time;
    Duration used{};
  };

  RestWatch(Roots roots, Duration quiet, Duration at_latest, std::function<void()> on_rested);
  static int on_timer(sd_event_source*, std::uint64_t, void* self) noexcept;
  void look();
  [[nodiscard]] bool has_rested(Clock::time_point now);
  [[nodiscard]] Clock::time_point next_look(Clock::time_point now) const;

  Roots roots_;
  Duration quiet_;
  std::optional<Clock::time_point> deadline_;
  std::function<void()> on_rested_;
  std::optional<Beginning> beginning_;
  loop::EventSource timer_;
};

}  // namespace upkeep::os
