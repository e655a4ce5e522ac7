// What a program says of itself in one datagram of the sd_notify protocol. Text in, values out.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include <sys/types.h>

#include "base/result.h"

namespace upkeep::os {

/// A longer datagram is refused as a whole.
constexpr std::size_t kMaxNotificationBytes = 4096;
/// Of a status text, before what cannot be shown is escaped, which makes it four times as long at
/// worst.
constexpr std::size_t kMaxStatusBytes = 256;
/// A longer time is taken for this one, so that adding it to a clock is safe.
constexpr std::chrono::hours kLongestNotifiedTime{24 * 365};

struct Notification {
  bool ready = false;                  ///< READY=1: started, or reloaded
  bool stopping = false;               ///< STOPPING=1
  bool reloading = false;              ///< RELOADING=1
  bool keep_alive = false;             ///< WATCHDOG=1
  bool watchdog_trigger = false;       ///< WATCHDOG=trigger: as if the watchdog had expired
  std::optional<pid_t> main_pid = {};  ///< MAINPID, at least 2; in the sender's eyes, to be checked
  std::optional<std::string> status = {};  ///< STATUS, printable; empty: nothing to say any more
  /// WATCHDOG_USEC; 0: no watchdog.
  std::optional<std::chrono::microseconds> watchdog_interval = {};
  /// EXTEND_TIMEOUT_USEC: so long from now on.
  std::optional<std::chrono::microseconds> more_time = {};
  /// What is wrong with the first line that means something here and cannot be used, for the
  /// administrator; usually empty.
  std::string remark = {};

  bool operator==(const Notification&) const = default;
};

/// Reads lines of KEY=VALUE. Other keys are ignored, so are lines without '='. Of several usable
/// lines with one key the first counts. NUL bytes end the text, as in C.
[[nodiscard]] Result<Notification> parse_notification(std::string_view datagram);

}  // namespace upkeep::os
