// Refusals as clients know them (spec/control.md 1.9).
#pragma once

#include <string_view>

#include <systemd/sd-bus.h>

#include "core/reply.h"

namespace upkeep::control {

/// The D-Bus name of an error of the core.
[[nodiscard]] const char* error_name(core::RequestErrorCode code);

/// For a handler to return: fills `error` and yields the negative number sd-bus expects.
[[nodiscard]] int refuse(sd_bus_error* error, const char* name, std::string_view message);
[[nodiscard]] int refuse(sd_bus_error* error, const core::RequestError& reason);

[[nodiscard]] int refuse_unknown_job(sd_bus_error* error, std::string_view name);

/// Answers `call` with an error at a later time.
void send_error(sd_bus_message* call, const core::RequestError& reason);

}  // namespace upkeep::control
