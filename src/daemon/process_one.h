// What only an init of a machine or a namespace has to do (spec/runtime.md 6.1, 6.4).
#pragma once

#include "base/result.h"

namespace upkeep::daemon {

/// PATH of system roles and of their jobs.
inline constexpr const char* kSystemPath =
    "/usr/local/sbin:/usr/local/bin:/usr/bin:/usr/sbin:/sbin:/bin";

/// Makes sure that descriptors 0 to 2 are open, on /dev/null where nobody gave any: what is opened
/// later must not become standard output by accident.
[[nodiscard]] Result<void> open_standard_descriptors();

/// Whether standard error is the console that the kernel gives to its init: then messages belong
/// into the kernel's log. In a container it is somebody's pipe, file or terminal.
[[nodiscard]] bool standard_error_is_console();

/// Leads a session, leaves no directory busy, mounts /proc and /sys if they are missing, and asks
/// the kernel to tell of Ctrl-Alt-Del instead of rebooting. What cannot be done is left out: a
/// namespace does not allow everything.
void become_process_one();

/// Standard descriptors to /dev/null, once all messages go elsewhere; standard error to the
/// kernel's log, for what upkeep-logger has to say.
void release_console();

}  // namespace upkeep::daemon
