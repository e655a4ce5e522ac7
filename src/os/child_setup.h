// What a new child does before it becomes the program of a job (spec/runtime.md 4.3).
#pragma once

#include <optional>
#include <span>

#include <sys/resource.h>
#include <sys/types.h>

#include "conf/job_definition.h"

namespace upkeep::os {

/// Everything the child needs, made by the manager before the fork. Nothing is owned.
struct ChildSetup {
  char* const* arguments = nullptr;    ///< of the program, ending in nullptr
  char* const* environment = nullptr;  ///< the whole of it, ending in nullptr
  const conf::JobDefinition* definition = nullptr;
  conf::Console console = conf::Console::None;
  int report = -1;             ///< writing end of the error pipe
  int script = -1;             ///< reading end of the script pipe, or -1
  int terminal = -1;           ///< console log: master of the pty, or -1
  int output = -1;             ///< console log where there is no pty: writing end of a pipe, or -1
  std::span<const int> files;  ///< to be inherited under their own numbers; all of them past
                               ///< kScriptDescriptor, in ascending order
  std::optional<mode_t> umask;
  std::optional<rlimit> descriptor_limit;  ///< RLIMIT_NOFILE where the manager has raised its own
  const char* directory = nullptr;         ///< where to run; nullptr stays
  bool attributes = true;  ///< apply what the job says of limits, user and so on; the security
                           ///< process goes without
  bool trace = false;      ///< let the manager follow forks
  bool debug_stop = false;
};

/// Runs in the child, with all signals blocked, and never comes back: ends in the program, or in
/// exit status 255 after a SetupReport. Looks up users and groups, which may take any time: that is
/// why it is done here and not in the manager. The process must have had one thread.
[[noreturn]] void run_child(const ChildSetup& setup) noexcept;

}  // namespace upkeep::os
