// Owners for what libsystemd hands out, for server and clients alike.
#pragma once

#include <memory>

#include <systemd/sd-bus.h>

#include "loop/handles.h"

namespace upkeep::dbus {

/// Closed when it goes: others may hold references to a bus, but nobody else decides its end.
using Bus = std::unique_ptr<sd_bus, loop::Releaser<sd_bus_close_unref>>;
using Message = std::unique_ptr<sd_bus_message, loop::Releaser<sd_bus_message_unref>>;
using Slot = std::unique_ptr<sd_bus_slot, loop::Releaser<sd_bus_slot_unref>>;
using Credentials = std::unique_ptr<sd_bus_creds, loop::Releaser<sd_bus_creds_unref>>;

}  // namespace upkeep::dbus
