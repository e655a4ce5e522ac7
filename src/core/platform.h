// The four things the core asks of the system. None blocks, none calls back: every result comes
// later, as an Input.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/strings.h"
#include "core/event_file.h"
#include "core/types.h"

namespace upkeep::core {

/// One process to start.
struct SpawnRequest {
  SpawnId id;
  std::shared_ptr<const conf::JobDefinition> definition;
  ProcessType type{};
  std::string session = {};  ///< the root of a chroot session, or empty
  std::string instance;
  Environment environment;  ///< complete: what the program will see
  bool trace = false;       ///< report forks and execs (`expect fork`, `expect daemon`)
  /// To be inherited under their own numbers, which UPSTART_FDS names.
  std::vector<std::shared_ptr<const EventFile>> files = {};
};

enum class SignalTarget {
  Process,  ///< the main process alone
  Group,    ///< its process group
};

enum class Resume {
  Continue,  ///< go on, reporting what happens next
  Detach,    ///< go on untraced
};

class Platform {
 public:
  virtual ~Platform() = default;

  /// Starts a process; answered by exactly one SpawnResult.
  virtual void spawn(SpawnRequest request) = 0;

  /// Sends a signal. If there is no such process, a Vanished follows.
  virtual void signal(SpawnId id, int signal, SignalTarget target) = 0;

  /// Lets a process that reported Stopped, Forked or Executed go on. After Forked the child is
  /// meant, which has taken the place of its parent.
  virtual void resume(SpawnId id, Resume how) = 0;

  /// The process has ended: no more output will be started in its name.
  virtual void collect_log(SpawnId id) = 0;
};

}  // namespace upkeep::core
