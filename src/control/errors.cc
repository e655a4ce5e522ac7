#include "control/errors.h"

#include <fmt/format.h>

#include "control/wire_text.h"
#include "dbus/names.h"

namespace upkeep::control {

const char* error_name(core::RequestErrorCode code) {
  using enum core::RequestErrorCode;
  switch (code) {
    case InvalidArguments: return SD_BUS_ERROR_INVALID_ARGS;
    case UnknownJob: return dbus::kErrorUnknownJob;
    case UnknownInstance: return dbus::kErrorUnknownInstance;
    case UnknownJobInstance: return dbus::kErrorUnknownJobInstance;
    case PermissionDenied: return dbus::kErrorPermissionDenied;
    case AlreadyStarted: return dbus::kErrorAlreadyStarted;
    case AlreadyStopped: return dbus::kErrorAlreadyStopped;
    case NotRunning: return dbus::kErrorNotRunning;
    case JobFailed: return dbus::kErrorJobFailed;
    case EventFailed: return dbus::kErrorEventFailed;
  }
  return SD_BUS_ERROR_FAILED;
}

int refuse(sd_bus_error* error, const char* name, std::string_view message) {
  return sd_bus_error_set(error, name, wire_text(message).c_str());
}

int refuse(sd_bus_error* error, const core::RequestError& reason) {
  return refuse(error, error_name(reason.code), reason.message);
}

int refuse_unknown_job(sd_bus_error* error, std::string_view name) {
  return refuse(error, dbus::kErrorUnknownJob, fmt::format("Unknown job: {}", name));
}

void send_error(sd_bus_message* call, const core::RequestError& reason) {
  const auto text = wire_text(reason.message);
  const sd_bus_error error{error_name(reason.code), text.c_str(), 0};
  sd_bus_reply_method_error(call, &error);
}

}  // namespace upkeep::control
