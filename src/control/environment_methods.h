// The calls on the job environment: handlers for the table of manager_object.cc
// (spec/control.md 1.4, 1.11).
#pragma once

#include <systemd/sd-bus.h>

namespace upkeep::control {

int get_env(sd_bus_message* call, void* userdata, sd_bus_error* error);
int list_env(sd_bus_message* call, void* userdata, sd_bus_error* error);

/// Refused by process 1.
int set_env(sd_bus_message* call, void* userdata, sd_bus_error* error);
int set_env_list(sd_bus_message* call, void* userdata, sd_bus_error* error);
int unset_env(sd_bus_message* call, void* userdata, sd_bus_error* error);
int unset_env_list(sd_bus_message* call, void* userdata, sd_bus_error* error);
int reset_env(sd_bus_message* call, void* userdata, sd_bus_error* error);

}  // namespace upkeep::control
