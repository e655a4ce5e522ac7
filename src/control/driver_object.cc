// The part of org.freedesktop.DBus that busctl, gdbus and dbus-send use even where there is no bus:
// they greet, and subscribe to what they get anyway.
#include "control/objects.h"
#include "dbus/names.h"

namespace upkeep::control {
namespace {

int hello(sd_bus_message* call, void*, sd_bus_error*) {
  // Nothing is routed by it, so it need not be unique.
  return sd_bus_reply_method_return(call, "s", ":1.0");
}

int accept_rule(sd_bus_message* call, void*, sd_bus_error*) {
  return sd_bus_reply_method_return(call, "");
}

int name_owner(sd_bus_message* call, void*, sd_bus_error*) {
  return sd_bus_reply_method_return(call, "s", dbus::kBusName);
}

int start_service(sd_bus_message* call, void*, sd_bus_error*) {
  constexpr std::uint32_t kAlreadyRunning = 2;
  return sd_bus_reply_method_return(call, "u", kAlreadyRunning);
}

int bus_id(sd_bus_message* call, void*, sd_bus_error*) {
  sd_id128_t id;
  if (const int result = sd_bus_get_bus_id(sd_bus_message_get_bus(call), &id); result < 0) {
    return result;
  }
  char text[SD_ID128_STRING_MAX];
  return sd_bus_reply_method_return(call, "s", sd_id128_to_string(id, text));
}

constexpr sd_bus_vtable kVtable[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_METHOD("Hello", "", "s", hello, 0),
    SD_BUS_METHOD("AddMatch", "s", "", accept_rule, 0),
    SD_BUS_METHOD("RemoveMatch", "s", "", accept_rule, 0),
    SD_BUS_METHOD("GetNameOwner", "s", "s", name_owner, 0),
    SD_BUS_METHOD("StartServiceByName", "su", "u", start_service, 0),
    SD_BUS_METHOD("GetId", "", "s", bus_id, 0),
    SD_BUS_VTABLE_END,
};

}  // namespace

const sd_bus_vtable* driver_vtable() {
  return kVtable;
}

}  // namespace upkeep::control
