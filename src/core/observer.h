// Who wants to know: D-Bus signals, the log, traces of the simulator. Called in the middle of a
// change, so an observer may look at what it is given but must not call handle().
#pragma once

#include <string_view>

#include "core/reply.h"
#include "core/types.h"

namespace upkeep::core {

class Event;
class JobClass;
class JobInstance;

class Observer {
 public:
  virtual ~Observer() = default;

  virtual void job_added(const JobClass&) {}
  virtual void job_removed(const JobClass&) {}
  virtual void instance_added(const JobInstance&) {}
  virtual void instance_removed(const JobInstance&) {}
  virtual void goal_changed(const JobInstance&) {}
  virtual void state_changed(const JobInstance&, State /*from*/) {}
  /// `status` as spec/control.md 1.6: exit status, signal << 8, or -1 for a spawn failure.
  virtual void failed(const JobInstance&, int /*status*/) {}
  /// The event has finished; its waiters have been answered.
  virtual void event_emitted(const Event&) {}
  virtual void replied(RequestId, const Reply&) {}
  /// Whether messages of this priority are worth composing for this observer.
  [[nodiscard]] virtual bool wants(Priority) const { return false; }
  virtual void message(Priority, std::string_view) {}
  /// Everything that could be stopped has stopped, or time is up; the daemon may exit.
  virtual void session_ended() {}
};

}  // namespace upkeep::core
