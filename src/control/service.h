// What every D-Bus method of ours works with, and what the daemon does for it.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <string_view>

#include "control/event_files.h"
#include "control/object_path.h"
#include "control/pending_replies.h"
#include "core/input.h"
#include "core/service_manager.h"
#include "core/types.h"

namespace upkeep::control {

struct ControlOptions {
  enum class Mode {
    /// EndSession does nothing, and nobody changes the job environment (spec/control.md 1.11).
    ProcessOne,
    /// A supervisor of the system below another init. EndSession does nothing either. The job
    /// environment can be changed: that is refused of process 1, which this one is not, and jobs
    /// in a container have no other way to hand variables on.
    Supervisor,
    User,
  };

  /// `unix:abstract=NAME` or `unix:path=PATH`.
  std::string address;
  /// The text of the `version` property.
  std::string version;
  Mode mode = Mode::User;
  /// How long a client may take to authenticate.
  std::chrono::microseconds greeting_time = std::chrono::seconds{10};
};

/// What the daemon does for a client.
struct ControlHooks {
  /// Hands an input to the manager, with the present time.
  std::function<void(core::Input)> handle;
  std::function<void()> reload_configuration;
  std::function<core::Priority()> log_priority;
  std::function<void(core::Priority)> set_log_priority;
  /// Says something about the control interface itself.
  std::function<void(core::Priority, std::string_view)> log;
};

/// Handlers get this as their userdata.
struct Service {
  ControlOptions options;
  ControlHooks hooks;
  const core::ServiceManager* manager = nullptr;  ///< set before the first call
  PendingReplies pending = {};
  EventFiles event_files = {};
  InstancePaths paths = {};
};

/// The Service behind a handler's userdata.
[[nodiscard]] inline Service& service_of(void* userdata) {
  return *static_cast<Service*>(userdata);
}

}  // namespace upkeep::control
