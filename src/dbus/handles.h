// Owners for what libsystemd hands out, for server and clients alike.
#pragma once

#include <memory>

#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

namespace upkeep::dbus {

template <auto release>
struct Releaser {
  template <typename T>
  void operator()(T* object) const {
    release(object);
  }
};

/// Closed when it goes: others may hold references to a bus, but nobody else decides its end.
using Bus = std::unique_ptr<sd_bus, Releaser<sd_bus_close_unref>>;
using Message = std::unique_ptr<sd_bus_message, Releaser<sd_bus_message_unref>>;
/// Disabled when it goes: its callback is not called again.
using EventSource = std::unique_ptr<sd_event_source, Releaser<sd_event_source_disable_unref>>;

}  // namespace upkeep::dbus
