// From a call to a request of the core.
#pragma once

#include <systemd/sd-bus.h>

#include "control/errors.h"
#include "control/service.h"

namespace upkeep::control {

/// Who made this call. Whoever asks now is in no chroot session.
[[nodiscard]] core::Requester requester_of(sd_bus_message* call);

/// Hands the core what `make_input` builds from a fresh request id; the reply comes from
/// PendingReplies, perhaps before this returns.
template <typename MakeInput>
[[nodiscard]] int submit(Service& service, sd_bus_message* call, sd_bus_error* error,
                         PendingReplies::Answer answer, MakeInput make_input) {
  const auto id = service.pending.add(call, answer);
  if (!id) {
    return refuse(error, SD_BUS_ERROR_LIMITS_EXCEEDED,
                  "Too many calls of this connection are waiting for their reply");
  }
  service.hooks.handle(make_input(*id));
  return 1;
}

}  // namespace upkeep::control
