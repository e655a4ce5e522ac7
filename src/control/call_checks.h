// What sd-bus by itself would answer otherwise than Upstart's clients expect (spec/control.md 1.9,
// 1.10): calls without an interface, wrong arguments, properties of any interface, read-only
// properties, and whatever does not exist.
#pragma once

#include <systemd/sd-bus.h>

namespace upkeep::control {

/// A filter for every message of a connection; the userdata is the Service. Answers what has to be
/// answered our way and leaves the rest to sd-bus.
int check_call(sd_bus_message* message, void* userdata, sd_bus_error* error);

/// For what no object took: UnknownMethod, the one error that old clients take for "it has gone".
int refuse_call(sd_bus_message* call, void* userdata, sd_bus_error* error);

}  // namespace upkeep::control
