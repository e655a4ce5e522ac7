// One attempt to create one process: pipes, pty, fork. Knows no event loop.
#pragma once

#include <expected>
#include <optional>
#include <string>

#include <sys/resource.h>
#include <sys/types.h>

#include "base/unique_fd.h"
#include "core/platform.h"

namespace upkeep::os {

struct PlatformOptions {
  conf::Console default_console = conf::Console::Log;
  bool log_enabled = true;  ///< false (--no-log): console log behaves as none
  std::string log_directory = {};
  std::optional<mode_t> default_umask = 022;  ///< nullopt: the daemon's own (session init)
  bool start_in_root =
      true;  ///< chdir("/") unless the job says otherwise; false for a session init
  std::optional<rlimit> descriptor_limit = {};  ///< of jobs, if the manager's own is another
  bool honour_debug = false;                    ///< the `debug` stanza counts
};

/// A process that exists and is setting itself up.
struct Launched {
  pid_t pid = 0;
  UniqueFd report;  ///< error pipe, non-blocking: SetupReports, or its end when the program runs
  UniqueFd output;  ///< what the process prints, non-blocking; empty unless console log
  UniqueFd script_pipe;  ///< non-blocking; empty unless there is a script to feed
  std::string script;    ///< what to write there once the program runs
  std::string program;   ///< what it is about to execute, for messages
  std::string notice;    ///< something the administrator should know; usually empty
};

struct LaunchFailure {
  int error = 0;
  std::string description;
};

/// Whether the same attempt may well succeed in a moment: no process, descriptor or memory left.
[[nodiscard]] bool is_temporary(int error);

/// Forks. Everything the process shall be is in `request` and `options`; `logged` says that
/// somebody takes the output of console log, which otherwise behaves as none.
[[nodiscard]] std::expected<Launched, LaunchFailure> launch(const core::SpawnRequest& request,
                                                            const PlatformOptions& options,
                                                            bool logged);

/// The directory the process starts in; nothing means that of the manager.
[[nodiscard]] std::optional<std::string> start_directory(const core::SpawnRequest& request,
                                                         const PlatformOptions& options);

}  // namespace upkeep::os
