// What the daemon decides for all processes of jobs.
#pragma once

#include <optional>
#include <string>

#include <sys/resource.h>
#include <sys/types.h>

#include "conf/job_definition.h"

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
  bool apparmor_usable = false;                 ///< see apparmor.h; else `apparmor switch` does not
  bool cgroups = true;  ///< false (--no-cgroups): jobs get none, `cgroup` stanzas have no effect
  bool share_memory = true;  ///< false: every child gets a copy of the manager's memory
};

}  // namespace upkeep::os
