// Reads are answered from the tables of the core, writes go through its door.
//
// Whoever can call may read and write: only root and the manager's own user get a connection
// (spec/control.md 1.8, ControlServer::admit()).
#include "control/environment_methods.h"

#include <cassert>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "control/arguments.h"
#include "control/requests.h"
#include "dbus/handles.h"
#include "dbus/names.h"

namespace upkeep::control {
namespace {

/// The table that a call is about.
struct Table {
  std::optional<core::InstanceKey> instance;  ///< nothing: that of all jobs
  const Environment* variables = nullptr;
};

/// Reads `job_details`: nothing, or a job and an instance. Below 0: refused.
int read_table(sd_bus_message* call, const Service& service, Table& table, sd_bus_error* error) {
  const auto& manager = *service.manager;
  std::vector<std::string> details;
  const int result = read_texts(call, "Job details", details, error);
  if (result < 0) return result;
  if (details.size() > 2) {
    return refuse(error, SD_BUS_ERROR_INVALID_ARGS, "Job details must be a job and an instance");
  }
  if (!details.empty() && details[0].empty()) {
    return refuse(error, SD_BUS_ERROR_INVALID_ARGS, "Job may not be empty string");
  }
  if (details.size() == 1) {  // as the original says it
    if (!manager.find_job(details[0])) return refuse_unknown_job(error, details[0]);
    return refuse(error, dbus::kErrorUnknownJobInstance,
                  fmt::format("Unknown instance: (null) of job {}", details[0]));
  }
  if (!details.empty()) table.instance = core::InstanceKey{details[0], details[1]};
  const auto variables = manager.environment_table(table.instance);
  if (!variables) return refuse(error, variables.error());
  table.variables = *variables;
  return result;
}

using Change = decltype(core::EnvironmentRequest::change);

/// Has the core make the change that `read_change` takes from the call.
template <typename ReadChange>
int modify(sd_bus_message* call, Service& service, sd_bus_error* error, ReadChange read_change) {
  if (service.options.mode == ControlOptions::Mode::ProcessOne) {
    return refuse(error, dbus::kErrorPermissionDenied,
                  "Not permissible to modify PID 1 job environment");
  }
  Table table;
  Change change;
  int result = read_table(call, service, table, error);
  if (result >= 0) result = read_change(change);
  if (result < 0) return result;
  return submit(service, call, error, PendingReplies::Answer::Nothing, [&](core::RequestId id) {
    return core::EnvironmentRequest{id, std::move(table.instance), std::move(change)};
  });
}

}  // namespace

int get_env(sd_bus_message* call, void* userdata, sd_bus_error* error) {
  Table table;
  std::string name;
  int result = read_table(call, service_of(userdata), table, error);
  if (result >= 0) result = read_text(call, name);
  if (result < 0) return result;
  if (name.empty()) {
    return refuse(error, SD_BUS_ERROR_INVALID_ARGS, "Variable may not be empty string");
  }
  assert(table.variables != nullptr);
  const auto value = find_variable(*table.variables, name);
  if (!value) {
    return refuse(error, SD_BUS_ERROR_INVALID_ARGS, fmt::format("No such variable: {}", name));
  }
  return reply_with(call, [&](sd_bus_message* reply) { return append_text(reply, *value); });
}

int list_env(sd_bus_message* call, void* userdata, sd_bus_error* error) {
  Table table;
  const int result = read_table(call, service_of(userdata), table, error);
  if (result < 0) return result;
  return reply_with(call,
                    [&](sd_bus_message* reply) { return append_texts(reply, *table.variables); });
}

int set_env(sd_bus_message* call, void* userdata, sd_bus_error* error) {
  return modify(call, service_of(userdata), error, [&](Change& change) {
    auto& set = change.emplace<core::SetVariables>();
    const int result = read_text(call, set.variables.emplace_back());
    return result < 0 ? result : read_flag(call, set.replace);
  });
}

int set_env_list(sd_bus_message* call, void* userdata, sd_bus_error* error) {
  return modify(call, service_of(userdata), error, [&](Change& change) {
    auto& set = change.emplace<core::SetVariables>();
    const int result = read_environment(call, set.variables, error);
    return result < 0 ? result : read_flag(call, set.replace);
  });
}

int unset_env(sd_bus_message* call, void* userdata, sd_bus_error* error) {
  return modify(call, service_of(userdata), error, [&](Change& change) {
    return read_text(call, change.emplace<core::UnsetVariables>().names.emplace_back());
  });
}

int unset_env_list(sd_bus_message* call, void* userdata, sd_bus_error* error) {
  return modify(call, service_of(userdata), error, [&](Change& change) {
    return read_texts(call, "Names", change.emplace<core::UnsetVariables>().names, error);
  });
}

int reset_env(sd_bus_message* call, void* userdata, sd_bus_error* error) {
  return modify(call, service_of(userdata), error, [](Change& change) {
    change.emplace<core::ResetVariables>();
    return 0;
  });
}

}  // namespace upkeep::control
