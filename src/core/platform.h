// The six things the core asks of the system. None blocks, none calls back: every result comes
// later, as an Input.
#pragma once

#include <chrono>
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
  TreeId tree = {};          ///< what it belongs to, with all its descendants
  std::string session = {};  ///< the root of a chroot session, or empty
  std::string instance;
  Environment environment;  ///< complete: what the program will see
  bool trace = false;       ///< report forks and execs (`expect fork`, `expect daemon`)
  /// Report Settled once it and its descendants have rested for so long (0: never), or at the
  /// latest so long after the exec (0: never).
  std::chrono::seconds settles_after{0};
  std::chrono::seconds settles_at_latest{0};
  /// To be inherited under their own numbers, which UPSTART_FDS names.
  std::vector<std::shared_ptr<const EventFile>> files = {};
};

enum class SignalTarget {
  Process,  ///< the main process alone
  Group,    ///< its process group
};

enum class Resume {
  Continue,  ///< go on, reporting what happens next; after Orphaned: supervise the survivor
  Detach,    ///< go on untraced; after Orphaned: let the survivor go, the process has ended
};

class Platform {
 public:
  virtual ~Platform() = default;

  /// Starts a process; answered by exactly one SpawnResult.
  virtual void spawn(SpawnRequest request) = 0;

  /// Sends a signal. If there is no such process, a Vanished follows.
  virtual void signal(SpawnId id, int signal, SignalTarget target) = 0;

  /// Lets a process that reported Stopped, Forked or Executed go on. After Forked the child is
  /// meant, which has taken the place of its parent. After Orphaned: whether the survivor takes the
  /// place of the process that has ended; if not, nothing more is said of either. After Settled,
  /// Detach ends the tracing.
  virtual void resume(SpawnId id, Resume how) = 0;

  /// Sends a signal to every process of a tree, wherever it has gone: with KILL until nothing is
  /// left. A TreeEmptied follows as soon as the tree is empty, which it may be already; only one,
  /// however often this was called before it.
  virtual void end_tree(TreeId tree, int signal) = 0;

  /// The instance is no more: nothing will be started in the tree or asked about it.
  virtual void forget_tree(TreeId tree) = 0;

  /// The process has ended: no more output will be started in its name.
  virtual void collect_log(SpawnId id) = 0;
};

}  // namespace upkeep::core
