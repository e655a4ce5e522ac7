// What the platform knows of one process of a job.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include <sys/types.h>

#include "base/unique_fd.h"
#include "core/input.h"
#include "core/platform.h"
#include "loop/handles.h"
#include "os/child_memory.h"
#include "os/readiness.h"
#include "os/setup_report.h"

namespace upkeep::os {

class LinuxPlatform;

/// How far the following of forks has come.
enum class Trace {
  No,
  AwaitingExec,   ///< the set-up has asked for it; the first exec will stop the process
  Running,        ///< until it forks or executes
  AwaitingChild,  ///< the parent has been let go, the child has not stopped yet
  Halted,         ///< stopped after a fork or exec, until resume()
  LettingGo,      ///< to be let go of as soon as it stops, which it has been told to
};

struct SupervisedProcess {
  LinuxPlatform* platform = nullptr;
  core::SpawnRequest request;
  pid_t launched_pid = 0;  ///< that was started
  pid_t pid = 0;           ///< that is meant now
  UniqueFd pidfd;          ///< of that; empty only where the kernel has none
  loop::EventSource pidfd_source;
  bool executing = false;  ///< a successful SpawnResult has been delivered
  bool adopted = false;    ///< perhaps not our child
  Trace trace = Trace::No;
  SetupNames names;
  ChildMemoryHandle memory;
  UniqueFd script_pipe;
  std::string script;
  UniqueFd report;
  loop::EventSource report_source;
  std::unique_ptr<Readiness> readiness;  ///< of main, if it has more to tell than its exec
  pid_t survivor = 0;                    ///< it has ended and left this one; until resume()
};

}  // namespace upkeep::os
