// Owner of an sd_event_source. Declare it after the descriptor it watches: it must go first, so
// that the descriptor leaves the epoll set before it is closed.
#pragma once

#include <memory>

#include <systemd/sd-event.h>

namespace upkeep::os {

struct EventSourceDeleter {
  void operator()(sd_event_source* source) const { sd_event_source_disable_unref(source); }
};

/// Disabled and released when it goes, also from inside its own handler.
using EventSource = std::unique_ptr<sd_event_source, EventSourceDeleter>;

/// What sd_event_add_*() failed with, as an errno.
[[nodiscard]] inline int event_error(int result) {
  return result < 0 ? -result : 0;
}

}  // namespace upkeep::os
