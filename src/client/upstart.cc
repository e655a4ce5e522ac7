#include "client/upstart.h"

#include "dbus/names.h"

namespace upkeep::client {
namespace {

using Append = Connection::Append;

Append text(const std::string& value) {
  return [&value](sd_bus_message* call) {
    return sd_bus_message_append_basic(call, SD_BUS_TYPE_STRING, value.c_str());
  };
}

int append_texts(sd_bus_message* call, const std::vector<std::string>& texts) {
  int result = sd_bus_message_open_container(call, SD_BUS_TYPE_ARRAY, "s");
  for (const auto& one : texts) {
    if (result < 0) return result;
    result = sd_bus_message_append_basic(call, SD_BUS_TYPE_STRING, one.c_str());
  }
  return result < 0 ? result : sd_bus_message_close_container(call);
}

int append_owner(sd_bus_message* call, const EnvironmentOwner& owner) {
  return append_texts(
      call, owner ? std::vector{owner->job, owner->instance} : std::vector<std::string>{});
}

int append_wait(sd_bus_message* call, Wait wait) {
  return sd_bus_message_append(call, "b", wait == Wait::Yes ? 1 : 0);
}

Append environment_and_wait(const Environment& environment, Wait wait) {
  return [&environment, wait](sd_bus_message* call) {
    const int result = append_texts(call, environment);
    return result < 0 ? result : append_wait(call, wait);
  };
}

Append only_wait(Wait wait) {
  return [wait](sd_bus_message* call) { return append_wait(call, wait); };
}

// Reading. Each returns below 0 for an errno, like sd-bus itself.

int read(sd_bus_message* reply, std::string& value);
int read(sd_bus_message* reply, std::vector<std::string>& words);
int read(sd_bus_message* reply, Process& process);

int read(sd_bus_message* reply, std::string& value) {
  char type = 0;
  if (const int result = sd_bus_message_peek_type(reply, &type, nullptr); result < 0) return result;
  const char* read = nullptr;
  const int result = sd_bus_message_read_basic(
      reply, type == SD_BUS_TYPE_OBJECT_PATH ? SD_BUS_TYPE_OBJECT_PATH : SD_BUS_TYPE_STRING, &read);
  if (result > 0) value = read;
  return result == 0 ? -ENXIO : result;
}

/// Reads an array of what `inner` is the signature of; read() must know Item.
template <typename Item>
int read_array(sd_bus_message* reply, const char* inner, std::vector<Item>& items) {
  int result = sd_bus_message_enter_container(reply, SD_BUS_TYPE_ARRAY, inner);
  while (result >= 0 && (result = sd_bus_message_at_end(reply, 0)) == 0) {
    result = read(reply, items.emplace_back());
  }
  return result < 0 ? result : sd_bus_message_exit_container(reply);
}

int read(sd_bus_message* reply, std::vector<std::string>& words) {
  return read_array(reply, "s", words);
}

int read(sd_bus_message* reply, Process& process) {
  const char* role = nullptr;
  const int result = sd_bus_message_read(reply, "(si)", &role, &process.pid);
  if (result > 0) process.role = role;
  return result;
}

template <typename Reader>
int read_variant(sd_bus_message* reply, const char* signature, Reader reader) {
  int result = sd_bus_message_enter_container(reply, SD_BUS_TYPE_VARIANT, signature);
  if (result >= 0) result = reader();
  return result < 0 ? result : sd_bus_message_exit_container(reply);
}

/// Goes through an `a{sv}`; `reader` gets each name and must read or skip the variant.
template <typename Reader>
int read_properties(sd_bus_message* reply, Reader reader) {
  int result = sd_bus_message_enter_container(reply, SD_BUS_TYPE_ARRAY, "{sv}");
  while (result >= 0 &&
         (result = sd_bus_message_enter_container(reply, SD_BUS_TYPE_DICT_ENTRY, "sv")) > 0) {
    const char* name = nullptr;
    result = sd_bus_message_read_basic(reply, SD_BUS_TYPE_STRING, &name);
    if (result >= 0) result = reader(std::string_view{name});
    if (result >= 0) result = sd_bus_message_exit_container(reply);
  }
  return result < 0 ? result : sd_bus_message_exit_container(reply);
}

/// The value of a reply, as `reader` takes it from the message.
template <typename T, typename Reader>
Outcome<T> value_of(const Outcome<dbus::Message>& reply, Reader reader) {
  if (!reply) return std::unexpected(reply.error());
  T value{};
  if (const int result = reader(reply->get(), value); result < 0) {
    return std::unexpected(malformed_reply(result));
  }
  return value;
}

Outcome<std::string> text_of(const Outcome<dbus::Message>& reply) {
  return value_of<std::string>(
      reply, [](sd_bus_message* message, std::string& value) { return read(message, value); });
}

Outcome<std::vector<std::string>> paths_of(const Outcome<dbus::Message>& reply) {
  return value_of<std::vector<std::string>>(
      reply, [](sd_bus_message* message, std::vector<std::string>& paths) {
        return read_array(message, "o", paths);
      });
}

Outcome<void> nothing_of(const Outcome<dbus::Message>& reply) {
  if (!reply) return std::unexpected(reply.error());
  return {};
}

int read_status(sd_bus_message* reply, InstanceStatus& status) {
  return read_properties(reply, [&](std::string_view name) {
    std::string* field = name == "name"    ? &status.name
                         : name == "goal"  ? &status.goal
                         : name == "state" ? &status.state
                                           : nullptr;
    if (field) return read_variant(reply, "s", [&] { return read(reply, *field); });
    if (name == "processes") {
      return read_variant(reply, "a(si)",
                          [&] { return read_array(reply, "(si)", status.processes); });
    }
    return sd_bus_message_skip(reply, "v");
  });
}

int read_configuration(sd_bus_message* reply, JobConfiguration& job) {
  return read_properties(reply, [&](std::string_view name) {
    std::string* text = name == "name" ? &job.name : name == "instance" ? &job.instance : nullptr;
    if (text) return read_variant(reply, "s", [&] { return read(reply, *text); });
    auto* list = name == "emits" ? &job.emits : name == "import" ? &job.imports : nullptr;
    if (list) return read_variant(reply, "as", [&] { return read(reply, *list); });
    auto* condition = name == "start_on"  ? &job.start_on
                      : name == "stop_on" ? &job.stop_on
                                          : nullptr;
    if (!condition) return sd_bus_message_skip(reply, "v");
    return read_variant(reply, "aas", [&] { return read_array(reply, "as", *condition); });
  });
}

}  // namespace

Outcome<std::string> Upstart::job(const std::string& name) {
  return text_of(call_manager("GetJobByName", text(name)));
}

Outcome<std::vector<std::string>> Upstart::jobs() {
  return paths_of(call_manager("GetAllJobs"));
}

Outcome<std::string> Upstart::job_name(const std::string& job) {
  return property(job, dbus::kJobInterface, "name");
}

Outcome<std::string> Upstart::job_usage(const std::string& job) {
  return property(job, dbus::kJobInterface, "usage");
}

Outcome<JobConfiguration> Upstart::job_configuration(const std::string& job) {
  // Of all interfaces at once: one call for each job, whether the manager has ours or not.
  return value_of<JobConfiguration>(
      connection_.call(job, dbus::kPropertiesInterface, "GetAll",
                       [](sd_bus_message* call) { return sd_bus_message_append(call, "s", ""); }),
      read_configuration);
}

Outcome<std::string> Upstart::instance(const std::string& job, const Environment& environment) {
  return text_of(
      connection_.call(job, dbus::kJobInterface, "GetInstance",
                       [&](sd_bus_message* call) { return append_texts(call, environment); }));
}

Outcome<std::string> Upstart::instance_by_name(const std::string& job, const std::string& name) {
  return text_of(connection_.call(job, dbus::kJobInterface, "GetInstanceByName", text(name)));
}

Outcome<std::vector<std::string>> Upstart::instances(const std::string& job) {
  return paths_of(connection_.call(job, dbus::kJobInterface, "GetAllInstances"));
}

Outcome<InstanceStatus> Upstart::status(const std::string& instance) {
  return value_of<InstanceStatus>(connection_.call(instance, dbus::kPropertiesInterface, "GetAll",
                                                   [](sd_bus_message* call) {
                                                     return sd_bus_message_append(
                                                         call, "s", dbus::kInstanceInterface);
                                                   }),
                                  read_status);
}

Outcome<std::string> Upstart::start(const std::string& job, const Environment& environment,
                                    Wait wait) {
  return text_of(
      connection_.call(job, dbus::kJobInterface, "Start", environment_and_wait(environment, wait)));
}

Outcome<std::string> Upstart::restart(const std::string& job, const Environment& environment,
                                      Wait wait) {
  return text_of(connection_.call(job, dbus::kJobInterface, "Restart",
                                  environment_and_wait(environment, wait)));
}

Outcome<void> Upstart::stop(const std::string& job, const Environment& environment, Wait wait) {
  return nothing_of(
      connection_.call(job, dbus::kJobInterface, "Stop", environment_and_wait(environment, wait)));
}

Outcome<void> Upstart::start_instance(const std::string& instance, Wait wait) {
  return nothing_of(connection_.call(instance, dbus::kInstanceInterface, "Start", only_wait(wait)));
}

Outcome<void> Upstart::restart_instance(const std::string& instance, Wait wait) {
  return nothing_of(
      connection_.call(instance, dbus::kInstanceInterface, "Restart", only_wait(wait)));
}

Outcome<void> Upstart::stop_instance(const std::string& instance, Wait wait) {
  return nothing_of(connection_.call(instance, dbus::kInstanceInterface, "Stop", only_wait(wait)));
}

Outcome<void> Upstart::reload_instance(const std::string& instance) {
  return nothing_of(connection_.call(instance, dbus::kInstanceInterface, "Reload"));
}

Outcome<void> Upstart::emit(const std::string& event, const Environment& environment, Wait wait) {
  return nothing_of(call_manager("EmitEvent", [&](sd_bus_message* call) {
    const int result = text(event)(call);
    return result < 0 ? result : environment_and_wait(environment, wait)(call);
  }));
}

Outcome<std::string> Upstart::get_environment(const EnvironmentOwner& owner,
                                              const std::string& name) {
  return text_of(call_manager("GetEnv", [&](sd_bus_message* call) {
    const int result = append_owner(call, owner);
    return result < 0 ? result : text(name)(call);
  }));
}

Outcome<Environment> Upstart::list_environment(const EnvironmentOwner& owner) {
  return value_of<Environment>(
      call_manager("ListEnv", [&](sd_bus_message* call) { return append_owner(call, owner); }),
      [](sd_bus_message* reply, Environment& variables) { return read(reply, variables); });
}

Outcome<void> Upstart::set_environment(const EnvironmentOwner& owner, const Environment& variables,
                                       bool replace) {
  return nothing_of(call_manager("SetEnvList", [&](sd_bus_message* call) {
    int result = append_owner(call, owner);
    if (result >= 0) result = append_texts(call, variables);
    return result < 0 ? result : sd_bus_message_append(call, "b", replace ? 1 : 0);
  }));
}

Outcome<void> Upstart::unset_environment(const EnvironmentOwner& owner,
                                         const std::vector<std::string>& names) {
  return nothing_of(call_manager("UnsetEnvList", [&](sd_bus_message* call) {
    const int result = append_owner(call, owner);
    return result < 0 ? result : append_texts(call, names);
  }));
}

Outcome<void> Upstart::reset_environment(const EnvironmentOwner& owner) {
  return nothing_of(
      call_manager("ResetEnv", [&](sd_bus_message* call) { return append_owner(call, owner); }));
}

Outcome<void> Upstart::reload_configuration() {
  return nothing_of(call_manager("ReloadConfiguration"));
}

Outcome<std::string> Upstart::version() {
  return property(dbus::kManagerPath, dbus::kManagerInterface, "version");
}

Outcome<std::string> Upstart::log_priority() {
  return property(dbus::kManagerPath, dbus::kManagerInterface, "log_priority");
}

Outcome<void> Upstart::set_log_priority(const std::string& priority) {
  return nothing_of(connection_.call(
      dbus::kManagerPath, dbus::kPropertiesInterface, "Set", [&](sd_bus_message* call) {
        return sd_bus_message_append(call, "ssv", dbus::kManagerInterface, "log_priority", "s",
                                     priority.c_str());
      }));
}

Outcome<dbus::Message> Upstart::call_manager(const char* method, const Append& append) {
  return connection_.call(dbus::kManagerPath, dbus::kManagerInterface, method, append);
}

Outcome<std::string> Upstart::property(const std::string& path, const char* interface,
                                       const char* name) {
  const auto reply = connection_.call(
      path, dbus::kPropertiesInterface, "Get",
      [&](sd_bus_message* call) { return sd_bus_message_append(call, "ss", interface, name); });
  return value_of<std::string>(reply, [](sd_bus_message* message, std::string& value) {
    return read_variant(message, "s", [&] { return read(message, value); });
  });
}

bool has_gone(const CallError& error) {
  return error.name == SD_BUS_ERROR_UNKNOWN_METHOD || error.name == SD_BUS_ERROR_UNKNOWN_OBJECT;
}

}  // namespace upkeep::client
