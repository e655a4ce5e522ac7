// How an instance is shown (spec/control.md 2.4). Scripts read this.
#pragma once

#include <string>
#include <string_view>

#include "client/upstart.h"

namespace upkeep::tools {

/// `JOB[ (INSTANCE)] GOAL/STATE[, process PID]`, with further processes on lines of their own.
[[nodiscard]] std::string status_line(std::string_view job, const client::InstanceStatus& status);

/// The line of a job that has no instance.
[[nodiscard]] std::string stopped_line(std::string_view job);

}  // namespace upkeep::tools
