// What /proc says of a process that is not our child.
#pragma once

#include <optional>
#include <string>

#include <sys/types.h>

namespace upkeep::os {

/// What an open file of /proc says, up to 4096 bytes; nothing if its process has gone meanwhile.
[[nodiscard]] std::string read_proc_file(int file);

/// The parent of a process; 0 if that cannot be told.
[[nodiscard]] pid_t parent_of(pid_t pid);

/// Its real user; nothing if it has gone.
[[nodiscard]] std::optional<uid_t> user_of(pid_t pid);

/// The wait status of a process that has ended and that its parent has not yet reaped. Nothing if
/// it has been reaped, or if we may not know: the kernel shows strangers a 0.
[[nodiscard]] std::optional<int> zombie_status(pid_t pid);

}  // namespace upkeep::os
