// The ptrace calls behind `expect fork` and `expect daemon` (spec/runtime.md 4.5). All need the
// process to be in a trace stop; where it has been killed meanwhile they do nothing, since its end
// is reported anyway.
#pragma once

#include <optional>
#include <unordered_map>
#include <vector>

#include <sys/types.h>

namespace upkeep::os::tracer {

/// From now on forks and execs stop the process. Does not let it go on.
void report_forks_and_execs(pid_t pid);

/// Lets the process go on, with `signal` delivered (0: none), to its next event.
void go_on(pid_t pid, int signal);

/// Lets the process go on, traced no more.
void detach(pid_t pid, int signal = 0);

/// The child, when the process is stopped because it has forked.
[[nodiscard]] std::optional<pid_t> forked_child(pid_t pid);

/// A forked child can be seen to stop before its parent is seen to fork. Such children wait here
/// until the parent's event names them.
class EarlyChildren {
 public:
  /// `signal` is what the child has stopped with, `parent` may be 0 for unknown.
  void add(pid_t child, pid_t parent, int signal) { children_[child] = {parent, signal}; }

  /// The signal, if this child has already stopped. It waits no longer.
  [[nodiscard]] std::optional<int> claim(pid_t child);

  /// The child has ended.
  void forget(pid_t child) { children_.erase(child); }

  /// The children of a process that can no longer name them.
  [[nodiscard]] std::vector<pid_t> abandon(pid_t parent);

 private:
  struct Early {
    pid_t parent = 0;
    int signal = 0;
  };
  std::unordered_map<pid_t, Early> children_;
};

}  // namespace upkeep::os::tracer
