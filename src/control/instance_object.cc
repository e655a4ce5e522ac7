// com.ubuntu.Upstart0_6.Instance (spec/control.md 1.6).
#include <string>

#include "control/arguments.h"
#include "control/objects.h"
#include "control/requests.h"

namespace upkeep::control {
namespace {

int request(sd_bus_message* call, Service& service, sd_bus_error* error, core::Verb verb) {
  core::Wait wait{};
  if (const int result = read_wait(call, wait); result < 0) return result;
  const auto& instance = instance_at(service, sd_bus_message_get_path(call));
  return submit(service, call, error, PendingReplies::Answer::Nothing, [&](core::RequestId id) {
    return core::InstanceRequest{
        id, verb, instance.job().key(), instance.name(), wait, requester_of(call)};
  });
}

int start(sd_bus_message* call, void* userdata, sd_bus_error* error) {
  return request(call, service_of(userdata), error, core::Verb::Start);
}

int stop(sd_bus_message* call, void* userdata, sd_bus_error* error) {
  return request(call, service_of(userdata), error, core::Verb::Stop);
}

int restart(sd_bus_message* call, void* userdata, sd_bus_error* error) {
  return request(call, service_of(userdata), error, core::Verb::Restart);
}

int reload(sd_bus_message* call, void* userdata, sd_bus_error* error) {
  auto& service = service_of(userdata);
  const auto& instance = instance_at(service, sd_bus_message_get_path(call));
  return submit(service, call, error, PendingReplies::Answer::Nothing, [&](core::RequestId id) {
    return core::ReloadRequest{id, instance.job().key(), instance.name(), requester_of(call)};
  });
}

/// A getter for a property: the instance of the path, given to `append`.
template <auto append>
int property(sd_bus*, const char* path, const char*, const char*, sd_bus_message* reply,
             void* userdata, sd_bus_error*) {
  return append(reply, instance_at(service_of(userdata), path));
}

int append_name(sd_bus_message* reply, const core::JobInstance& instance) {
  return append_text(reply, instance.name());
}

int append_goal(sd_bus_message* reply, const core::JobInstance& instance) {
  return append_text(reply, to_string(instance.goal()));
}

int append_state(sd_bus_message* reply, const core::JobInstance& instance) {
  return append_text(reply, to_string(instance.state()));
}

int append_processes(sd_bus_message* reply, const core::JobInstance& instance) {
  int result = sd_bus_message_open_container(reply, SD_BUS_TYPE_ARRAY, "(si)");
  for (const auto type : conf::kAllProcessTypes) {
    if (result < 0) return result;
    const auto pid = instance.pid(type);
    if (pid == 0) continue;
    const std::string role{to_string(type)};
    result = sd_bus_message_append(reply, "(si)", role.c_str(), static_cast<int>(pid));
  }
  return result < 0 ? result : sd_bus_message_close_container(reply);
}

constexpr sd_bus_vtable kVtable[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_METHOD_WITH_NAMES("Start", "b", SD_BUS_PARAM(wait), "", "", start, 0),
    SD_BUS_METHOD_WITH_NAMES("Stop", "b", SD_BUS_PARAM(wait), "", "", stop, 0),
    SD_BUS_METHOD_WITH_NAMES("Restart", "b", SD_BUS_PARAM(wait), "", "", restart, 0),
    SD_BUS_METHOD("Reload", "", "", reload, 0),
    SD_BUS_SIGNAL_WITH_NAMES("GoalChanged", "s", SD_BUS_PARAM(goal), 0),
    SD_BUS_SIGNAL_WITH_NAMES("StateChanged", "s", SD_BUS_PARAM(state), 0),
    SD_BUS_SIGNAL_WITH_NAMES("Failed", "i", SD_BUS_PARAM(status), 0),
    SD_BUS_PROPERTY("name", "s", property<append_name>, 0, 0),
    SD_BUS_PROPERTY("goal", "s", property<append_goal>, 0, 0),
    SD_BUS_PROPERTY("state", "s", property<append_state>, 0, 0),
    SD_BUS_PROPERTY("processes", "a(si)", property<append_processes>, 0, 0),
    SD_BUS_VTABLE_END,
};

}  // namespace

const sd_bus_vtable* instance_vtable() {
  return kVtable;
}

}  // namespace upkeep::control
