// Links just made in a directory of job files, and the time to look at them.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <string>

#include <systemd/sd-event.h>

#include "loop/handles.h"
#include "os/job_file_names.h"

namespace upkeep::os {

/// The original sees a link at the next reload only, and who makes a link and then reloads may
/// count on that. Here a link is seen by itself as well, but two seconds later.
class NewLinks {
 public:
  using OnDue = std::function<void(const JobDirectory&, const std::string&)>;

  /// `on_due` is called from the loop for each link, `on_end` once after those that were due
  /// together.
  NewLinks(sd_event* loop, OnDue on_due, std::function<void()> on_end)
      : loop_(loop), on_due_(std::move(on_due)), on_end_(std::move(on_end)) {}
  NewLinks(const NewLinks&) = delete;
  NewLinks& operator=(const NewLinks&) = delete;

  /// False if there can be no timer: the link should be looked at now.
  [[nodiscard]] bool add(const JobDirectory& directory, const std::string& name);

  /// Forgets all of them: everything is looked at anyway.
  void clear() { waiting_.clear(); }

 private:
  struct Link {
    std::uint64_t due;
    JobDirectory directory;
    std::string name;
  };

  static int on_timer(sd_event_source*, std::uint64_t now, void* self) noexcept;
  [[nodiscard]] bool arm();
  void take_due(std::uint64_t now);

  sd_event* loop_;
  OnDue on_due_;
  std::function<void()> on_end_;
  std::deque<Link> waiting_;  ///< by time, since all wait equally long
  loop::EventSource timer_;
};

}  // namespace upkeep::os
