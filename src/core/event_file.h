// A file descriptor that travels with an event to the jobs that the event starts
// (spec/control.md 1.11, EmitEventWithFile).
#pragma once

namespace upkeep::core {

/// Closed when the last owner lets go: the event, and the instances that it started.
class EventFile {
 public:
  virtual ~EventFile() = default;

  /// Its number in the manager, and in every process that gets it. Never 0 to 2 or 9, which
  /// processes and scripts use for themselves (Q17).
  [[nodiscard]] virtual int number() const = 0;
};

}  // namespace upkeep::core
