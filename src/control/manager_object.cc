// com.ubuntu.Upstart0_6 (spec/control.md 1.4).
#include <string>
#include <vector>

#include <fmt/format.h>

#include "control/arguments.h"
#include "control/environment_methods.h"
#include "control/object_path.h"
#include "control/objects.h"
#include "control/requests.h"
#include "dbus/names.h"

namespace upkeep::control {
namespace {

int reload_configuration(sd_bus_message* call, void* userdata, sd_bus_error*) {
  service_of(userdata).hooks.reload_configuration();
  return sd_bus_reply_method_return(call, "");
}

int get_job_by_name(sd_bus_message* call, void* userdata, sd_bus_error* error) {
  const char* name = nullptr;
  if (const int result = sd_bus_message_read_basic(call, 's', &name); result < 0) return result;
  if (*name == '\0')
    return refuse(error, SD_BUS_ERROR_INVALID_ARGS, "Name may not be empty string");
  const auto* job = service_of(userdata).manager->find_job(name);
  if (!job) return refuse_unknown_job(error, name);
  return sd_bus_reply_method_return(call, "o", job_path(job->name()).c_str());
}

int get_all_jobs(sd_bus_message* call, void* userdata, sd_bus_error*) {
  std::vector<std::string> paths;
  for (const auto& [key, job] : service_of(userdata).manager->jobs()) {
    paths.push_back(job_path(key.name));
  }
  return reply_object_paths(call, paths);
}

/// EmitEvent, or EmitEventWithFile.
int emit(sd_bus_message* call, Service& service, sd_bus_error* error, bool with_file) {
  const char* name = nullptr;
  Environment environment;
  core::Wait wait{};
  int descriptor = -1;  // of the message, which closes it
  int result = sd_bus_message_read_basic(call, 's', &name);
  if (result >= 0 && std::string_view{name}.size() > kMaxEventNameBytes) {
    return refuse(error, SD_BUS_ERROR_INVALID_ARGS,
                  fmt::format("Name may not be larger than {} bytes", kMaxEventNameBytes));
  }
  if (result >= 0) result = read_environment(call, environment, error);
  if (result >= 0) result = read_wait(call, wait);
  if (result >= 0 && with_file) {
    result = sd_bus_message_read_basic(call, SD_BUS_TYPE_UNIX_FD, &descriptor);
  }
  if (result < 0) return result;
  std::shared_ptr<const core::EventFile> file;
  if (with_file) {
    auto kept = service.event_files.keep(descriptor);
    if (!kept) return refuse(error, SD_BUS_ERROR_LIMITS_EXCEEDED, kept.error().message);
    file = *std::move(kept);
  }
  return submit(service, call, error, PendingReplies::Answer::Nothing, [&](core::RequestId id) {
    return core::EmitEvent{name, std::move(environment), id,
                           wait, requester_of(call),     std::move(file)};
  });
}

int emit_event(sd_bus_message* call, void* userdata, sd_bus_error* error) {
  return emit(call, service_of(userdata), error, false);
}

int emit_event_with_file(sd_bus_message* call, void* userdata, sd_bus_error* error) {
  return emit(call, service_of(userdata), error, true);
}

/// Answers first: there may be no later.
int end_session(sd_bus_message* call, void* userdata, sd_bus_error*) {
  auto& service = service_of(userdata);
  const int result = sd_bus_reply_method_return(call, "");
  if (service.options.mode == ControlOptions::Mode::User) {
    service.hooks.handle(core::EndSession{core::EndSession::Type::Logout, requester_of(call)});
  }
  return result < 0 ? result : 1;
}

int version(sd_bus*, const char*, const char*, const char*, sd_bus_message* reply, void* userdata,
            sd_bus_error*) {
  return append_text(reply, service_of(userdata).options.version);
}

int log_priority(sd_bus*, const char*, const char*, const char*, sd_bus_message* reply,
                 void* userdata, sd_bus_error*) {
  return append_text(reply, to_string(service_of(userdata).hooks.log_priority()));
}

int set_log_priority(sd_bus*, const char*, const char*, const char*, sd_bus_message* value,
                     void* userdata, sd_bus_error* error) {
  using enum core::Priority;
  const char* name = nullptr;
  if (const int result = sd_bus_message_read_basic(value, 's', &name); result < 0) return result;
  for (const auto priority : {Debug, Info, Message, Warning, Error, Fatal}) {
    if (to_string(priority) != name) continue;
    service_of(userdata).hooks.set_log_priority(priority);
    return 1;
  }
  return refuse(error, SD_BUS_ERROR_INVALID_ARGS, "The log priority given was not recognised");
}

constexpr sd_bus_vtable kVtable[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_METHOD("ReloadConfiguration", "", "", reload_configuration, 0),
    SD_BUS_METHOD_WITH_NAMES("GetJobByName", "s", SD_BUS_PARAM(name), "o", SD_BUS_PARAM(job),
                             get_job_by_name, 0),
    SD_BUS_METHOD_WITH_NAMES("GetAllJobs", "", "", "ao", SD_BUS_PARAM(jobs), get_all_jobs, 0),
    SD_BUS_METHOD_WITH_NAMES("GetEnv", "ass", SD_BUS_PARAM(job_details) SD_BUS_PARAM(name), "s",
                             SD_BUS_PARAM(value), get_env, 0),
    SD_BUS_METHOD_WITH_NAMES("SetEnv", "assb",
                             SD_BUS_PARAM(job_details) SD_BUS_PARAM(var) SD_BUS_PARAM(replace), "",
                             "", set_env, 0),
    SD_BUS_METHOD_WITH_NAMES("SetEnvList", "asasb",
                             SD_BUS_PARAM(job_details) SD_BUS_PARAM(vars) SD_BUS_PARAM(replace), "",
                             "", set_env_list, 0),
    SD_BUS_METHOD_WITH_NAMES("UnsetEnv", "ass", SD_BUS_PARAM(job_details) SD_BUS_PARAM(name), "",
                             "", unset_env, 0),
    SD_BUS_METHOD_WITH_NAMES("UnsetEnvList", "asas", SD_BUS_PARAM(job_details) SD_BUS_PARAM(name),
                             "", "", unset_env_list, 0),
    SD_BUS_METHOD_WITH_NAMES("ListEnv", "as", SD_BUS_PARAM(job_details), "as", SD_BUS_PARAM(env),
                             list_env, 0),
    SD_BUS_METHOD_WITH_NAMES("ResetEnv", "as", SD_BUS_PARAM(job_details), "", "", reset_env, 0),
    SD_BUS_METHOD_WITH_NAMES("EmitEvent", "sasb",
                             SD_BUS_PARAM(name) SD_BUS_PARAM(env) SD_BUS_PARAM(wait), "", "",
                             emit_event, 0),
    SD_BUS_METHOD_WITH_NAMES("EmitEventWithFile", "sasbh",
                             SD_BUS_PARAM(name) SD_BUS_PARAM(env) SD_BUS_PARAM(wait)
                                 SD_BUS_PARAM(file),
                             "", "", emit_event_with_file, 0),
    SD_BUS_METHOD("EndSession", "", "", end_session, 0),
    SD_BUS_SIGNAL_WITH_NAMES("JobAdded", "o", SD_BUS_PARAM(job), 0),
    SD_BUS_SIGNAL_WITH_NAMES("JobRemoved", "o", SD_BUS_PARAM(job), 0),
    SD_BUS_SIGNAL_WITH_NAMES("EventEmitted", "sas", SD_BUS_PARAM(name) SD_BUS_PARAM(env), 0),
    SD_BUS_PROPERTY("version", "s", version, 0, 0),
    SD_BUS_WRITABLE_PROPERTY("log_priority", "s", log_priority, set_log_priority, 0, 0),
    SD_BUS_VTABLE_END,
};

}  // namespace

const sd_bus_vtable* manager_vtable() {
  return kVtable;
}

}  // namespace upkeep::control
