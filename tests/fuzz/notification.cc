// Whatever a program says of itself is bounded and can be shown, and saying it again in one's own
// words says the same.
#include "os/notification.h"

#include "fuzz.h"
#include <fmt/format.h>

#include "base/strings.h"

using namespace upkeep;
using fuzz::check;

namespace {

void check_time(const std::optional<std::chrono::microseconds>& time) {
  check(!time || (time->count() >= 0 && *time <= os::kLongestNotifiedTime));
}

std::string in_own_words(const os::Notification& said) {
  std::string text;
  const auto line = [&](bool wanted, std::string_view words) {
    if (wanted) text += fmt::format("{}\n", words);
  };
  line(said.ready, "READY=1");
  line(said.stopping, "STOPPING=1");
  line(said.reloading, "RELOADING=1");
  line(said.keep_alive, "WATCHDOG=1");
  line(said.watchdog_trigger, "WATCHDOG=trigger");
  if (said.main_pid) text += fmt::format("MAINPID={}\n", *said.main_pid);
  if (said.watchdog_interval) {
    text += fmt::format("WATCHDOG_USEC={}\n", said.watchdog_interval->count());
  }
  if (said.more_time) text += fmt::format("EXTEND_TIMEOUT_USEC={}\n", said.more_time->count());
  return text;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  auto said = os::parse_notification(fuzz::as_text(data, size));
  check(said.has_value() == (size <= os::kMaxNotificationBytes));
  if (!said) return 0;

  check(!said->main_pid || *said->main_pid > 1);
  check_time(said->watchdog_interval);
  check_time(said->more_time);
  check(said->remark.size() < 250 && printable(said->remark) == said->remark);
  if (said->status) {
    check(said->status->size() <= 4 * os::kMaxStatusBytes);
    check(printable(*said->status) == *said->status);
  }

  said->status.reset();
  said->remark.clear();
  check(os::parse_notification(in_own_words(*said)) == *said);
  return 0;
}
