// com.ubuntu.Upstart0_6.Job (spec/control.md 1.5), and org.upkeep.Job for the stanzas that Upstart
// does not have or does not show.
#include <string>
#include <vector>

#include <fmt/format.h>

#include "control/arguments.h"
#include "control/objects.h"
#include "control/requests.h"
#include "dbus/names.h"

namespace upkeep::control {
namespace {

int reply_with_instance(sd_bus_message* call, const Service& service, const core::JobClass& job,
                        const std::string& name, sd_bus_error* error) {
  if (!job.find_instance(name)) {
    return refuse(error, dbus::kErrorUnknownInstance, fmt::format("Unknown instance: {}", name));
  }
  return sd_bus_reply_method_return(call, "o", service.paths.path(job.name(), name).c_str());
}

int get_instance(sd_bus_message* call, void* userdata, sd_bus_error* error) {
  const auto& service = service_of(userdata);
  Environment environment;
  if (const int result = read_environment(call, environment, error); result < 0) return result;
  const auto& job = job_at(service, sd_bus_message_get_path(call));
  const auto name = service.manager->instance_name(job, environment, true);
  if (!name) return refuse(error, name.error());
  return reply_with_instance(call, service, job, *name, error);
}

int get_instance_by_name(sd_bus_message* call, void* userdata, sd_bus_error* error) {
  const char* name = nullptr;
  if (const int result = sd_bus_message_read_basic(call, 's', &name); result < 0) return result;
  const auto& service = service_of(userdata);
  const auto& job = job_at(service, sd_bus_message_get_path(call));
  return reply_with_instance(call, service, job, name, error);
}

int get_all_instances(sd_bus_message* call, void* userdata, sd_bus_error*) {
  const auto& service = service_of(userdata);
  const auto& job = job_at(service, sd_bus_message_get_path(call));
  std::vector<std::string> paths;
  for (const auto& [name, instance] : job.instances()) {
    paths.push_back(service.paths.path(job.name(), name));
  }
  return reply_object_paths(call, paths);
}

int request(sd_bus_message* call, Service& service, sd_bus_error* error, core::Verb verb) {
  Environment environment;
  core::Wait wait{};
  int result = read_environment(call, environment, error);
  if (result >= 0) result = read_wait(call, wait);
  if (result < 0) return result;
  const auto& job = job_at(service, sd_bus_message_get_path(call));
  const auto answer = verb == core::Verb::Stop ? PendingReplies::Answer::Nothing
                                               : PendingReplies::Answer::InstancePath;
  return submit(service, call, error, answer, [&](core::RequestId id) {
    return core::JobRequest{id, verb, job.key(), std::move(environment), wait, requester_of(call)};
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

/// A getter for a property: the job of the path, given to `append`.
template <auto append>
int property(sd_bus*, const char* path, const char*, const char*, sd_bus_message* reply,
             void* userdata, sd_bus_error*) {
  return append(reply, job_at(service_of(userdata), path).definition());
}

using conf::JobDefinition;

int append_name(sd_bus_message* reply, const JobDefinition& job) {
  return append_text(reply, job.name);
}

template <std::optional<std::string> JobDefinition::*member>
int append_optional(sd_bus_message* reply, const JobDefinition& job) {
  return append_text(reply, (job.*member).value_or(""));
}

template <conf::Condition JobDefinition::*member>
int append_expression(sd_bus_message* reply, const JobDefinition& job) {
  return append_condition(reply, (job.*member).get());
}

template <std::vector<std::string> JobDefinition::*member>
int append_list(sd_bus_message* reply, const JobDefinition& job) {
  return append_texts(reply, job.*member);
}

int append_instance(sd_bus_message* reply, const JobDefinition& job) {
  return append_text(reply, job.instance.value());
}

constexpr sd_bus_vtable kVtable[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_METHOD_WITH_NAMES("GetInstance", "as", SD_BUS_PARAM(env), "o", SD_BUS_PARAM(instance),
                             get_instance, 0),
    SD_BUS_METHOD_WITH_NAMES("GetInstanceByName", "s", SD_BUS_PARAM(name), "o",
                             SD_BUS_PARAM(instance), get_instance_by_name, 0),
    SD_BUS_METHOD_WITH_NAMES("GetAllInstances", "", "", "ao", SD_BUS_PARAM(instances),
                             get_all_instances, 0),
    SD_BUS_METHOD_WITH_NAMES("Start", "asb", SD_BUS_PARAM(env) SD_BUS_PARAM(wait), "o",
                             SD_BUS_PARAM(instance), start, 0),
    SD_BUS_METHOD_WITH_NAMES("Stop", "asb", SD_BUS_PARAM(env) SD_BUS_PARAM(wait), "", "", stop, 0),
    SD_BUS_METHOD_WITH_NAMES("Restart", "asb", SD_BUS_PARAM(env) SD_BUS_PARAM(wait), "o",
                             SD_BUS_PARAM(instance), restart, 0),
    SD_BUS_SIGNAL_WITH_NAMES("InstanceAdded", "o", SD_BUS_PARAM(instance), 0),
    SD_BUS_SIGNAL_WITH_NAMES("InstanceRemoved", "o", SD_BUS_PARAM(instance), 0),
    SD_BUS_PROPERTY("name", "s", property<append_name>, 0, 0),
    SD_BUS_PROPERTY("description", "s", property<append_optional<&JobDefinition::description>>, 0,
                    0),
    SD_BUS_PROPERTY("author", "s", property<append_optional<&JobDefinition::author>>, 0, 0),
    SD_BUS_PROPERTY("version", "s", property<append_optional<&JobDefinition::version>>, 0, 0),
    SD_BUS_PROPERTY("start_on", "aas", property<append_expression<&JobDefinition::start_on>>, 0, 0),
    SD_BUS_PROPERTY("stop_on", "aas", property<append_expression<&JobDefinition::stop_on>>, 0, 0),
    SD_BUS_PROPERTY("emits", "as", property<append_list<&JobDefinition::emits>>, 0, 0),
    SD_BUS_PROPERTY("usage", "s", property<append_optional<&JobDefinition::usage>>, 0, 0),
    SD_BUS_VTABLE_END,
};

// Properties are named as the stanzas, and unlike any of Upstart's: GetAll without an interface
// returns both.
constexpr sd_bus_vtable kExtensionVtable[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_PROPERTY("instance", "s", property<append_instance>, 0, 0),
    SD_BUS_PROPERTY("import", "as", property<append_list<&JobDefinition::imports>>, 0, 0),
    SD_BUS_PROPERTY("tmpfiles", "as", property<append_list<&JobDefinition::tmpfiles>>, 0, 0),
    SD_BUS_VTABLE_END,
};

}  // namespace

const sd_bus_vtable* job_vtable() {
  return kVtable;
}

const sd_bus_vtable* job_extension_vtable() {
  return kExtensionVtable;
}

}  // namespace upkeep::control
