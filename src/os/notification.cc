#include "os/notification.h"

#include <algorithm>
#include <limits>

#include <fmt/format.h>

#include "base/strings.h"

namespace upkeep::os {
namespace {

constexpr std::size_t kMaxShownBytes = 40;

/// The first `limit` bytes of `text`, fewer if a character would be cut.
std::string_view beginning(std::string_view text, std::size_t limit) {
  if (text.size() <= limit) return text;
  // A character has at most four bytes: if one begins just before the end, it stays out.
  for (std::size_t back = 1; back <= std::min<std::size_t>(3, limit); ++back) {
    if (utf8_length(text.substr(limit - back)) > back) return text.substr(0, limit - back);
  }
  return text.substr(0, limit);
}

void remark(Notification& notification, std::string_view line, std::string_view problem) {
  if (!notification.remark.empty()) return;
  notification.remark = fmt::format("{}: {}", printable(beginning(line, kMaxShownBytes)), problem);
}

void take_pid(Notification& notification, std::string_view line, std::string_view value) {
  const auto pid = parse_decimal(value);
  // 1 is what a process that is the first of its own pid namespace would say.
  if (!pid || *pid < 2 || *pid > static_cast<unsigned>(std::numeric_limits<pid_t>::max())) {
    return remark(notification, line, "not the pid of a service");
  }
  if (!notification.main_pid) notification.main_pid = static_cast<pid_t>(*pid);
}

void take_time(std::optional<std::chrono::microseconds>& time, Notification& notification,
               std::string_view line, std::string_view value) {
  constexpr std::chrono::microseconds kLongest = kLongestNotifiedTime;
  const auto number = parse_decimal(value);
  if (!number) return remark(notification, line, "not a number of microseconds");
  const auto longest = static_cast<unsigned long long>(kLongest.count());
  if (!time) time = std::chrono::microseconds(std::min(*number, longest));
}

void take_watchdog(Notification& notification, std::string_view line, std::string_view value) {
  if (value == "1") {
    notification.keep_alive = true;
  } else if (value == "trigger") {
    notification.watchdog_trigger = true;
  } else {
    remark(notification, line, "neither 1 nor trigger");
  }
}

void take_flag(bool& flag, Notification& notification, std::string_view line,
               std::string_view value) {
  if (value != "1") return remark(notification, line, "only the value 1 means something");
  flag = true;
}

void take_line(Notification& notification, std::string_view line) {
  const auto key = variable_name(line);
  if (key.size() == line.size()) return;  // no '='
  const auto value = variable_value(line);
  if (key == "READY") return take_flag(notification.ready, notification, line, value);
  if (key == "STOPPING") return take_flag(notification.stopping, notification, line, value);
  if (key == "RELOADING") return take_flag(notification.reloading, notification, line, value);
  if (key == "WATCHDOG") return take_watchdog(notification, line, value);
  if (key == "MAINPID") return take_pid(notification, line, value);
  if (key == "WATCHDOG_USEC") {
    return take_time(notification.watchdog_interval, notification, line, value);
  }
  if (key == "EXTEND_TIMEOUT_USEC") {
    return take_time(notification.more_time, notification, line, value);
  }
  if (key == "STATUS" && !notification.status) {
    notification.status = printable(beginning(value, kMaxStatusBytes));
  }
}

}  // namespace

Result<Notification> parse_notification(std::string_view datagram) {
  if (datagram.size() > kMaxNotificationBytes) {
    return failure(fmt::format("longer than {} bytes", kMaxNotificationBytes));
  }
  Notification notification;
  for (const auto line : split(datagram.substr(0, datagram.find('\0')), '\n')) {
    take_line(notification, line);
  }
  return notification;
}

}  // namespace upkeep::os
