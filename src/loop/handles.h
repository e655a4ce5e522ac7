// Owners of what sd-event hands out, for every layer that lives in the event loop.
#pragma once

#include <memory>

#include <systemd/sd-event.h>

namespace upkeep::loop {

template <auto release>
struct Releaser {
  template <typename T>
  void operator()(T* object) const {
    release(object);
  }
};

using EventLoop = std::unique_ptr<sd_event, Releaser<sd_event_unref>>;

/// Disabled and released when it goes, also from inside its own handler. Declare it after the
/// descriptor it watches: it must go first, so that the descriptor leaves the epoll set before it
/// is closed.
using EventSource = std::unique_ptr<sd_event_source, Releaser<sd_event_source_disable_unref>>;

}  // namespace upkeep::loop
