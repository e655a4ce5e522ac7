#include "os/rest_watch.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/strings.h"
#include "os/cpu_use.h"

namespace upkeep::os {
namespace {

using namespace std::chrono_literals;

constexpr int kLooksInQuiet = 4;  // at least
constexpr std::chrono::microseconds kMostOften = 20ms;
constexpr std::chrono::microseconds kLeastOften = 1s;
constexpr int kShareOfProcessor = 20;  // one twentieth is 5 %

std::uint64_t as_event_time(std::chrono::steady_clock::time_point time) {
  return static_cast<std::uint64_t>(
      std::chrono::ceil<std::chrono::microseconds>(time.time_since_epoch()).count());
}

}  // namespace

Result<std::unique_ptr<RestWatch>> RestWatch::create(sd_event* loop, Roots roots, Duration quiet,
                                                     Duration at_latest,
                                                     std::function<void()> on_rested) {
  std::unique_ptr<RestWatch> watch(
      new RestWatch(std::move(roots), quiet, at_latest, std::move(on_rested)));
  if (quiet == 0us && at_latest == 0us) return watch;

  const auto first = quiet > 0us ? Clock::now() : *watch->deadline_;
  sd_event_source* source = nullptr;
  const int result = sd_event_add_time(loop, &source, CLOCK_MONOTONIC, as_event_time(first),
                                       kMostOften.count(), on_timer, watch.get());
  if (result < 0) {
    return failure(fmt::format("unable to set a timer: {}", system_error_text(-result)));
  }
  watch->timer_.reset(source);
  return watch;
}

RestWatch::RestWatch(Roots roots, Duration quiet, Duration at_latest,
                     std::function<void()> on_rested)
    : roots_(std::move(roots)), quiet_(quiet), on_rested_(std::move(on_rested)) {
  if (at_latest > 0us) deadline_ = Clock::now() + at_latest;
}

int RestWatch::on_timer(sd_event_source*, std::uint64_t, void* self) noexcept {
  static_cast<RestWatch*>(self)->look();
  return 0;
}

void RestWatch::look() {
  const auto now = Clock::now();
  if ((deadline_ && now >= *deadline_) || has_rested(now)) {
    timer_.reset();
    const auto tell = std::exchange(on_rested_, nullptr);
    return tell();  // which may be the end of us
  }
  sd_event_source_set_time(timer_.get(), as_event_time(next_look(now)));
  sd_event_source_set_enabled(timer_.get(), SD_EVENT_ONESHOT);
}

/// Begins to wait anew if they have been busy.
bool RestWatch::has_rested(Clock::time_point now) {
  if (quiet_ == 0us) return false;
  const auto use = cpu_use(roots_());
  const auto is_quiet = [&] {
    // Less than before: one has gone, so there was something to do.
    if (!beginning_ || use.alive == 0 || use.busy || use.used < beginning_->used) return false;
    const auto allowed = (now - beginning_->time) / kShareOfProcessor + cpu_use_precision();
    return use.used - beginning_->used <= allowed;
  };
  if (is_quiet()) return now - beginning_->time >= quiet_;
  beginning_ = {now, use.used};
  return false;
}

RestWatch::Clock::time_point RestWatch::next_look(Clock::time_point now) const {
  const auto pause = std::clamp(quiet_ / kLooksInQuiet, kMostOften, kLeastOften);
  auto next = now + pause;
  if (beginning_) next = std::min(next, std::max(beginning_->time + quiet_, now + kMostOften));
  if (deadline_) next = std::min(next, *deadline_);
  return next;
}

}  // namespace upkeep::os
