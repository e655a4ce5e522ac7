#include "control/call_checks.h"

#include <algorithm>
#include <optional>
#include <string_view>

#include <fmt/format.h>

#include "control/errors.h"
#include "control/objects.h"
#include "dbus/handles.h"
#include "dbus/names.h"

namespace upkeep::control {
namespace {

std::string_view text_or_empty(const char* text) {
  return text ? text : "";
}

bool is_method(const sd_bus_vtable& row, std::string_view member) {
  return row.type == _SD_BUS_VTABLE_METHOD && row.x.method.member == member;
}

bool is_property(const sd_bus_vtable& row, std::string_view member) {
  const bool property =
      row.type == _SD_BUS_VTABLE_PROPERTY || row.type == _SD_BUS_VTABLE_WRITABLE_PROPERTY;
  return property && row.x.property.member == member;
}

/// A member of an object, and the interface that has it.
struct Member {
  const char* interface;
  const sd_bus_vtable* row;
};

/// Looks in the interface that is named, or in all of the object if none is.
std::optional<Member> find_member(const Object& object, std::string_view interface,
                                  std::string_view name,
                                  bool (*is_meant)(const sd_bus_vtable&, std::string_view)) {
  for (const auto& one : object.interfaces) {
    if (!interface.empty() && interface != one.name) continue;
    for (const auto* row = one.vtable; row->type != _SD_BUS_VTABLE_END; ++row) {
      if (is_meant(*row, name)) return Member{one.name, row};
    }
  }
  return std::nullopt;
}

int refuse_arguments(sd_bus_message* call, sd_bus_error* error) {
  return refuse(error, SD_BUS_ERROR_INVALID_ARGS,
                fmt::format("Invalid arguments to {} method", sd_bus_message_get_member(call)));
}

/// One call of org.freedesktop.DBus.Properties on an object of ours.
class PropertyCall {
 public:
  PropertyCall(sd_bus_message* call, const Object& object, void* userdata, sd_bus_error* error)
      : call_(call), object_(object), userdata_(userdata), error_(error) {}

  int check() {
    const std::string_view member = sd_bus_message_get_member(call_);
    if (member == "GetAll") return check_get_all();
    if (member == "Get") return check_get();
    if (member == "Set") return check_set();
    return 0;
  }

 private:
  int check_get_all() {
    if (!sd_bus_message_has_signature(call_, "s")) return refuse_arguments(call_, error_);
    const char* interface = nullptr;
    if (const int result = sd_bus_message_read(call_, "s", &interface); result < 0) return result;
    const auto is_meant = [&](const Interface& one) {
      return *interface == '\0' || text_or_empty(interface) == one.name;
    };
    if (std::ranges::any_of(object_.interfaces, is_meant)) return 0;
    return sd_bus_reply_method_return(call_, "a{sv}", 0);
  }

  int check_get() {
    if (!sd_bus_message_has_signature(call_, "ss")) return refuse_arguments(call_, error_);
    const auto property = read_property();
    if (!property || !any_interface_) return 0;
    sd_bus_message* made = nullptr;
    int result = sd_bus_message_new_method_return(call_, &made);
    const dbus::Message reply{made};
    const auto& row = property->row->x.property;
    if (result >= 0) {
      result = sd_bus_message_open_container(made, SD_BUS_TYPE_VARIANT, row.signature);
    }
    if (result >= 0) {
      result = row.get(sd_bus_message_get_bus(call_), sd_bus_message_get_path(call_),
                       property->interface, row.member, made, userdata_, error_);
    }
    if (result >= 0) result = sd_bus_message_close_container(made);
    if (result >= 0) result = sd_bus_send(nullptr, made, nullptr);
    return result < 0 ? result : 1;
  }

  int check_set() {
    if (!sd_bus_message_has_signature(call_, "ssv")) return refuse_arguments(call_, error_);
    const auto property = read_property();
    if (!property) return 0;
    const auto& row = property->row->x.property;
    if (property->row->type != _SD_BUS_VTABLE_WRITABLE_PROPERTY) {
      return refuse(error_, SD_BUS_ERROR_ACCESS_DENIED,
                    fmt::format("The {} property is read-only", row.member));
    }
    if (sd_bus_message_verify_type(call_, SD_BUS_TYPE_VARIANT, row.signature) <= 0) {
      return refuse_arguments(call_, error_);
    }
    if (!any_interface_) return 0;
    int result = sd_bus_message_enter_container(call_, SD_BUS_TYPE_VARIANT, row.signature);
    if (result >= 0) {
      result = row.set(sd_bus_message_get_bus(call_), sd_bus_message_get_path(call_),
                       property->interface, row.member, call_, userdata_, error_);
    }
    if (result >= 0) result = sd_bus_reply_method_return(call_, "");
    return result < 0 ? result : 1;
  }

  /// The property that is meant; nothing if sd-bus and refuse_call() are to deal with it.
  std::optional<Member> read_property() {
    const char* interface = nullptr;
    const char* name = nullptr;
    if (sd_bus_message_read(call_, "ss", &interface, &name) < 0) return std::nullopt;
    any_interface_ = *interface == '\0';
    return find_member(object_, interface, name, is_property);
  }

  sd_bus_message* call_;
  const Object& object_;
  void* userdata_;
  sd_bus_error* error_;
  bool any_interface_ = false;
};

}  // namespace

int check_call(sd_bus_message* message, void* userdata, sd_bus_error* error) {
  std::uint8_t type = 0;
  sd_bus_message_get_type(message, &type);
  if (type != SD_BUS_MESSAGE_METHOD_CALL) return 0;
  const auto object =
      find_object(*static_cast<Service*>(userdata), sd_bus_message_get_path(message));
  if (!object) return 0;

  const auto interface = text_or_empty(sd_bus_message_get_interface(message));
  if (interface == dbus::kPropertiesInterface) {
    return PropertyCall{message, *object, userdata, error}.check();
  }
  const auto found = find_member(*object, interface, sd_bus_message_get_member(message), is_method);
  if (!found) return 0;
  const auto& method = found->row->x.method;
  if (!sd_bus_message_has_signature(message, method.signature)) {
    return refuse_arguments(message, error);
  }
  // sd-bus finds no method for a call without an interface.
  return interface.empty() ? method.handler(message, userdata, error) : 0;
}

int refuse_call(sd_bus_message* call, void*, sd_bus_error* error) {
  // sd-bus answers this one after us: it lists the way down to our objects.
  if (std::string_view{sd_bus_message_get_path(call)} == "/" &&
      sd_bus_message_is_method_call(call, "org.freedesktop.DBus.Introspectable", "Introspect") >
          0) {
    return 0;
  }
  return refuse(error, SD_BUS_ERROR_UNKNOWN_METHOD,
                fmt::format(R"(Method "{}" with signature "{}" on interface "{}" doesn't exist)",
                            sd_bus_message_get_member(call),
                            text_or_empty(sd_bus_message_get_signature(call, true)),
                            text_or_empty(sd_bus_message_get_interface(call))));
}

}  // namespace upkeep::control
