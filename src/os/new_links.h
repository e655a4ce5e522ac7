// Links just made in a directory of job files, and the time to look at them.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <string>

#include <sys/types.h>
#include <systemd/sd-event.h>

#include "loop/handles.h"
#include "os/job_file_names.h"

namespace upkeep::os {

/// The original sees a link at the next reload only, and who makes a link and then reloads may
/// count on that. Here a link is seen by itself as well, but two seconds later.
class NewLinks {
 public:
  /// Inode numbers are used again at once, but hardly for a file of the same type.
  struct FileIdentity {
    ino_t inode = 0;
    mode_t type = 0;  ///< S_IF...
    friend bool operator==(const FileIdentity&, const FileIdentity&) = default;
  };
  struct Link {
    JobDirectory directory;
    std::string name;
    FileIdentity identity;  ///< of the link itself: another file may have its name by then
  };
  using OnDue = std::function<void(const Link&)>;

  /// `on_due` is called from the loop for each link, `on_end` once after those that were due
  /// together.
  NewLinks(sd_event* loop, OnDue on_due, std::function<void()> on_end)
      : loop_(loop), on_due_(std::move(on_due)), on_end_(std::move(on_end)) {}
  NewLinks(const NewLinks&) = delete;
  NewLinks& operator=(const NewLinks&) = delete;

  /// False if there can be no timer: the link should be looked at now.
  [[nodiscard]] bool add(Link link);

  /// Forgets all of them: everything is looked at anyway.
  void clear() { waiting_.clear(); }

 private:
  struct Waiting {
    std::uint64_t due;
    Link link;
  };

  static int on_timer(sd_event_source*, std::uint64_t now, void* self) noexcept;
  [[nodiscard]] bool arm();
  void take_due(std::uint64_t now);

  sd_event* loop_;
  OnDue on_due_;
  std::function<void()> on_end_;
  std::deque<Waiting> waiting_;  ///< by time, since all wait equally long
  loop::EventSource timer_;
};

}  // namespace upkeep::os
