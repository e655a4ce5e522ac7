// One attempt to create one process: pipes, pty, the child. Knows no event loop.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <vector>

#include <sys/types.h>

#include "base/unique_fd.h"
#include "core/platform.h"
#include "os/child_memory.h"
#include "os/platform_options.h"
#include "os/setup_block.h"
#include "os/setup_report.h"

namespace upkeep::os {

/// What is around the process that is neither of the job nor of the daemon.
struct Surroundings {
  bool logged = false;     ///< somebody takes the output of console log; else it behaves as none
  std::uint64_t mark = 0;  ///< to be inherited as RLIMIT_LOCKS, soft and hard; 0: none. Where the
                           ///< hard limit of the manager is lower, that is taken
  int cgroup = -1;         ///< directory of a cgroup (v2) to be born in
  std::vector<int> joins = {};      ///< open files cgroup.procs to enter as well (v1)
  std::string notify_address = {};  ///< becomes NOTIFY_SOCKET of main, if not empty; with it comes
                                    ///< what `expect watchdog` says: WATCHDOG_USEC, WATCHDOG_PID
};

/// A process that exists and is setting itself up.
struct Launched {
  pid_t pid = 0;
  UniqueFd pidfd;   ///< empty only where the kernel has none
  UniqueFd report;  ///< error pipe, non-blocking: SetupReports, or its end when the program runs
  UniqueFd output;  ///< what the process prints, non-blocking; empty unless console log
  UniqueFd script_pipe;      ///< non-blocking; empty unless there is a script to feed
  std::string script;        ///< what to write there once the program runs
  UniqueFd ready;            ///< what main writes for `expect fd`, non-blocking; else empty
  bool traced = false;       ///< main has been told to let us follow its forks; a TraceRefused says
                             ///< that it could not
  ChildMemoryHandle memory;  ///< what a child that shares our memory lives on until its exec; may
                             ///< be dropped at any time, but is best kept until the report ends
  SetupNames names;          ///< for describe()
  std::string notice;        ///< something the administrator should know; usually empty
};

struct LaunchFailure {
  int error = 0;
  std::string description;
};

/// Whether the same attempt may well succeed in a moment: no process, descriptor or memory left.
[[nodiscard]] bool is_temporary(int error);

/// Makes the process that `request`, `options` and `surroundings` describe, and does not wait for
/// any of its set-up. The descriptors of `surroundings` have to be open during the call only.
[[nodiscard]] std::expected<Launched, LaunchFailure> launch(const core::SpawnRequest& request,
                                                            const PlatformOptions& options,
                                                            const Surroundings& surroundings);

}  // namespace upkeep::os
