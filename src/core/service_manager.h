// The state machine of all jobs: one door in, four verbs out, no clock, no system call.
//
// handle() takes one Input and carries its consequences as far as they go without waiting:
// requests change goals, goals move states, states queue events, events start and stop jobs.
// What has to wait (a process, a deadline, an event that jobs hold) comes back as a later Input.
// Nothing recurses from one instance into another: changes go on queues that settle() drains with
// a budget, and instances that have ended are freed when the turn is over.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "core/event.h"
#include "core/input.h"
#include "core/job_class.h"
#include "core/job_instance.h"
#include "core/observer.h"
#include "core/platform.h"
#include "core/timer_queue.h"
#include "core/types.h"

namespace upkeep::core {

/// What the core is told about its surroundings once.
struct ManagerOptions {
  /// What every job starts with: PATH and TERM, or more (spec/job-language.md 5.4 step 1).
  Environment job_environment;
  /// The daemon's own environment, which `env KEY` without a value copies from.
  Environment daemon_environment;
  /// Set as UPSTART_SESSION for every process unless empty.
  std::string session_address;
};

class ServiceManager {
 public:
  /// `platform` and `observer` must outlive the manager.
  ServiceManager(Platform& platform, Observer& observer, ManagerOptions options);
  ~ServiceManager();

  ServiceManager(const ServiceManager&) = delete;
  ServiceManager& operator=(const ServiceManager&) = delete;

  /// The only way in. `now` never goes backwards.
  void handle(TimePoint now, Input input);

  /// When to call handle(Tick) at the latest; `TimePoint{}` means at once.
  [[nodiscard]] std::optional<TimePoint> next_deadline() const;

  using Jobs = std::map<std::string, std::unique_ptr<JobClass>, std::less<>>;
  /// Every job, by name.
  [[nodiscard]] const Jobs& jobs() const { return jobs_; }
  [[nodiscard]] const JobClass* find_job(std::string_view name) const;

  /// The instance name that a command with these variables means (spec/control.md 1.5), or the
  /// error it gets; with the job's `usage` as a second line if `with_usage`.
  [[nodiscard]] std::expected<std::string, RequestError> instance_name(
      const JobClass& job, const Environment& variables, bool with_usage) const;

  /// Events in the queue: pending, or held by jobs.
  [[nodiscard]] std::size_t event_count() const { return events_.size(); }
  /// What the simulator checks after every turn; the text names the broken invariant.
  [[nodiscard]] Result<void> check_invariants() const;

 private:
  // (state machine follows)
};

}  // namespace upkeep::core
