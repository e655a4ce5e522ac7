// Follows the forks of main processes by ptrace, for `expect fork` and `expect daemon`
// (spec/runtime.md 4.5): from the parent to the child, as often as the core wants.
#pragma once

#include <functional>

#include <sys/types.h>

#include "core/input.h"
#include "core/platform.h"
#include "os/supervised_process.h"
#include "os/tracer.h"

namespace upkeep::os {

class ForkFollower {
 public:
  struct Hooks {
    /// The process that is supervised under this number, or null.
    std::function<SupervisedProcess*(pid_t)> find;
    /// The child takes the place of its parent, which runs on as a stranger.
    std::function<void(SupervisedProcess&, pid_t child)> follow;
    /// What the core has to hear; it answers by resume(), perhaps at once.
    std::function<void(core::SpawnId, decltype(core::ProcessChange::what))> on_change;
  };

  explicit ForkFollower(Hooks hooks) : hooks_(std::move(hooks)) {}

  /// A trace stop of a supervised process. `value` as ChildStatus has it.
  void on_trapped(SupervisedProcess& process, int value);
  /// Of any other: a child that nobody has named yet, or the leavings of a trace.
  void on_trap_of_stranger(pid_t pid, int value);

  /// Lets a process go on that stands still because of this; false if none does.
  [[nodiscard]] bool resume(SupervisedProcess& process, core::Resume how);

  /// A supervised process has ended.
  void ended(const SupervisedProcess& process);
  /// A stranger has ended.
  void forget(pid_t pid) { early_children_.forget(pid); }

 private:
  void on_fork(SupervisedProcess& process);
  void on_child_stop(SupervisedProcess& process, int signal);

  Hooks hooks_;
  tracer::EarlyChildren early_children_;
};

}  // namespace upkeep::os
