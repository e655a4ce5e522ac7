#include "control/requests.h"

#include "dbus/handles.h"

namespace upkeep::control {

core::Requester requester_of(sd_bus_message* call) {
  sd_bus_creds* made = nullptr;
  const int result = sd_bus_get_owner_creds(sd_bus_message_get_bus(call),
                                            SD_BUS_CREDS_EUID | SD_BUS_CREDS_PID, &made);
  const dbus::Credentials credentials{made};
  core::Caller caller;
  if (result < 0 || sd_bus_creds_get_euid(made, &caller.uid) < 0 ||
      sd_bus_creds_get_pid(made, &caller.pid) < 0) {
    return {};
  }
  return {.session = {}, .caller = caller};
}

}  // namespace upkeep::control
