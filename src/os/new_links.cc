#include "os/new_links.h"

#include <ctime>
#include <utility>

namespace upkeep::os {
namespace {

// In microseconds.
constexpr std::uint64_t kDelay = 2'000'000;
constexpr std::uint64_t kAccuracy = 1000;

}  // namespace

bool NewLinks::add(Link link) {
  std::uint64_t now = 0;
  if (sd_event_now(loop_, CLOCK_MONOTONIC, &now) < 0) return false;
  waiting_.push_back({now + kDelay, std::move(link)});
  if (waiting_.size() > 1 || arm()) return true;
  waiting_.clear();
  return false;
}

/// Sets the timer for the first that waits.
bool NewLinks::arm() {
  const auto due = waiting_.front().due;
  if (timer_) {
    return sd_event_source_set_time(timer_.get(), due) >= 0 &&
           sd_event_source_set_enabled(timer_.get(), SD_EVENT_ONESHOT) >= 0;
  }
  sd_event_source* source = nullptr;
  const int result =
      sd_event_add_time(loop_, &source, CLOCK_MONOTONIC, due, kAccuracy, on_timer, this);
  timer_.reset(source);
  return result >= 0;
}

int NewLinks::on_timer(sd_event_source*, std::uint64_t now, void* self) noexcept {
  static_cast<NewLinks*>(self)->take_due(now);
  return 0;
}

void NewLinks::take_due(std::uint64_t now) {
  // Without a timer for those left they are due as well.
  while (!waiting_.empty() && (waiting_.front().due <= now || !arm())) {
    const auto link = std::move(waiting_.front().link);
    waiting_.pop_front();
    on_due_(link);
  }
  on_end_();
}

}  // namespace upkeep::os
