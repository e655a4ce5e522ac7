// The interfaces of spec/control.md 1.4 to 1.6, ours beside them, and the one of the bus driver, as
// tables. The handlers behind them live in manager_object.cc, job_object.cc, instance_object.cc
// and driver_object.cc; each gets the Service as its userdata.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include <systemd/sd-bus.h>

#include "control/service.h"

namespace upkeep::control {

[[nodiscard]] const sd_bus_vtable* manager_vtable();
[[nodiscard]] const sd_bus_vtable* job_vtable();
/// What a job says in stanzas that are not Upstart's.
[[nodiscard]] const sd_bus_vtable* job_extension_vtable();
[[nodiscard]] const sd_bus_vtable* instance_vtable();
/// What busctl, gdbus and dbus-send expect of the other end even without a bus.
[[nodiscard]] const sd_bus_vtable* driver_vtable();

/// Some members of an object, by the name they have on the wire.
struct Interface {
  const char* name;
  const sd_bus_vtable* vtable;
};

/// An object that exists now.
struct Object {
  std::span<const Interface> interfaces;        ///< Upstart's, then ours
  const core::JobClass* job = nullptr;          ///< jobs and instances
  const core::JobInstance* instance = nullptr;  ///< instances only
};

[[nodiscard]] std::optional<Object> find_object(const Service& service, std::string_view path);

/// The object a handler was called on; sd-bus has made sure that it exists.
[[nodiscard]] const core::JobClass& job_at(const Service& service, const char* path);
[[nodiscard]] const core::JobInstance& instance_at(const Service& service, const char* path);

/// Makes every object reachable through `connection`. Below 0: an errno.
[[nodiscard]] int export_objects(sd_bus* connection, Service& service);

}  // namespace upkeep::control
