// Where the objects are: found by their path at each call, so that nothing is to be kept in step
// with the jobs that come and go.
#include "control/objects.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstdlib>
#include <cstring>

#include "control/call_checks.h"
#include "control/object_path.h"
#include "dbus/names.h"

namespace upkeep::control {
namespace {

const std::array kManagerInterfaces{Interface{dbus::kManagerInterface, manager_vtable()}};
const std::array kJobInterfaces{Interface{dbus::kJobInterface, job_vtable()},
                                Interface{dbus::kJobExtensionInterface, job_extension_vtable()}};
const std::array kInstanceInterfaces{Interface{dbus::kInstanceInterface, instance_vtable()}};

}  // namespace

std::optional<Object> find_object(const Service& service, std::string_view path) {
  if (path == dbus::kManagerPath) return Object{kManagerInterfaces};
  const auto name = service.paths.parse(path);
  if (!name) return std::nullopt;
  const auto* job = service.manager->find_job(name->job);
  if (!job) return std::nullopt;
  if (!name->instance) return Object{kJobInterfaces, job};
  const auto* instance = job->find_instance(*name->instance);
  if (!instance) return std::nullopt;
  return Object{kInstanceInterfaces, job, instance};
}

const core::JobClass& job_at(const Service& service, const char* path) {
  const auto object = find_object(service, path);
  assert(object && object->job);
  return *object->job;
}

const core::JobInstance& instance_at(const Service& service, const char* path) {
  const auto object = find_object(service, path);
  assert(object && object->instance);
  return *object->instance;
}

namespace {

/// For sd-bus: whether `path` has the interface, and the userdata for its handlers.
int find_with_interface(sd_bus*, const char* path, const char* interface, void* userdata,
                        void** found, sd_bus_error*) {
  const auto object = find_object(*static_cast<Service*>(userdata), path);
  const auto is_meant = [&](const Interface& one) { return std::strcmp(one.name, interface) == 0; };
  if (!object || std::ranges::none_of(object->interfaces, is_meant)) return 0;
  *found = userdata;
  return 1;
}

/// A list of strings as sd-bus frees it.
class OwnedStrings {
 public:
  explicit OwnedStrings(std::size_t capacity)
      : strings_(static_cast<char**>(std::calloc(capacity + 1, sizeof(char*)))) {}

  void add(const std::string& text) {
    if (strings_) strings_[count_++] = ::strdup(text.c_str());
  }
  [[nodiscard]] char** release() { return strings_; }

 private:
  char** strings_;
  std::size_t count_ = 0;
};

/// The children of /jobs and of each job, for introspection.
int list_children(sd_bus*, const char* path, void* userdata, char*** nodes, sd_bus_error*) {
  const auto& service = *static_cast<Service*>(userdata);
  if (std::string_view{path} == dbus::kJobsPath) {
    OwnedStrings children{service.manager->jobs().size()};
    for (const auto& [key, job] : service.manager->jobs()) children.add(job_path(key.name));
    *nodes = children.release();
    return 1;
  }
  const auto object = find_object(service, path);
  if (!object || !object->job || object->instance) return 0;
  OwnedStrings children{object->job->instances().size()};
  for (const auto& [name, instance] : object->job->instances()) {
    children.add(service.paths.path(object->job->name(), name));
  }
  *nodes = children.release();
  return 1;
}

}  // namespace

int export_objects(sd_bus* connection, Service& service) {
  int result = sd_bus_add_filter(connection, nullptr, check_call, &service);
  if (result >= 0) {
    result = sd_bus_add_object_vtable(connection, nullptr, dbus::kManagerPath,
                                      dbus::kManagerInterface, manager_vtable(), &service);
  }
  for (const auto& interfaces : {std::span<const Interface>{kJobInterfaces},
                                 std::span<const Interface>{kInstanceInterfaces}}) {
    for (const auto& [name, vtable] : interfaces) {
      if (result < 0) return result;
      result = sd_bus_add_fallback_vtable(connection, nullptr, dbus::kJobsPath, name, vtable,
                                          find_with_interface, &service);
    }
  }
  if (result >= 0) {
    result =
        sd_bus_add_node_enumerator(connection, nullptr, dbus::kJobsPath, list_children, &service);
  }
  if (result >= 0) {
    result = sd_bus_add_object_vtable(connection, nullptr, "/org/freedesktop/DBus",
                                      "org.freedesktop.DBus", driver_vtable(), &service);
  }
  if (result >= 0) result = sd_bus_add_fallback(connection, nullptr, "/", refuse_call, nullptr);
  return result;
}

}  // namespace upkeep::control
