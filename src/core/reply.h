// The one answer to a request (spec/control.md 1.7, 1.9).
#pragma once

#include <expected>
#include <string>
#include <utility>

#include "core/types.h"

namespace upkeep::core {

enum class RequestErrorCode {
  InvalidArguments,
  UnknownJob,
  UnknownInstance,
  UnknownJobInstance,  ///< of an environment request
  PermissionDenied,
  AlreadyStarted,
  AlreadyStopped,
  NotRunning,
  JobFailed,
  EventFailed,
};

/// Why a request was refused or failed; `message` is the text clients print.
struct RequestError {
  RequestErrorCode code{};
  std::string message;
};

/// No job has this name in this session.
[[nodiscard]] inline std::unexpected<RequestError> unknown_job(const JobKey& key) {
  return std::unexpected(RequestError{RequestErrorCode::UnknownJob, "Unknown job: " + key.name});
}

/// Which instance a job request acted on; both empty for other requests.
struct RequestTarget {
  JobKey job{""};
  std::string instance = {};
};

using Reply = std::expected<RequestTarget, RequestError>;

}  // namespace upkeep::core
