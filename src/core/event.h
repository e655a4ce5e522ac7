// A named happening with variables (spec/runtime.md 3).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "base/strings.h"
#include "core/cause.h"
#include "core/event_file.h"
#include "core/types.h"

namespace upkeep::core {

class JobInstance;

class Event {
 public:
  enum class Progress { Pending, Handling, Finished };
  /// Who goes on when the event has finished.
  using Waiter = std::variant<JobInstance*, RequestId>;

  /// `session`: the one whose jobs see it; empty for all jobs.
  Event(std::uint64_t sequence, std::string name, Environment environment, std::string session,
        CausePtr cause)
      : sequence_(sequence),
        name_(std::move(name)),
        environment_(std::move(environment)),
        session_(std::move(session)),
        cause_(std::move(cause)) {}

  [[nodiscard]] std::uint64_t sequence() const { return sequence_; }
  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] const Environment& environment() const { return environment_; }
  [[nodiscard]] const std::string& session() const { return session_; }
  /// Where it came from; never null.
  [[nodiscard]] const CausePtr& cause() const { return cause_; }
  [[nodiscard]] bool failed() const { return failed_; }
  [[nodiscard]] std::size_t blockers() const { return blockers_; }
  [[nodiscard]] Progress progress() const { return progress_; }
  [[nodiscard]] const std::vector<Waiter>& waiters() const { return waiters_; }

 private:
  friend class ServiceManager;
  friend class EventOperator;

  std::uint64_t sequence_;
  std::string name_;
  Environment environment_;
  std::string session_;
  CausePtr cause_;
  std::shared_ptr<const EventFile> file_;
  Progress progress_ = Progress::Pending;
  bool failed_ = false;
  std::size_t blockers_ = 0;
  std::vector<Waiter> waiters_;
};

}  // namespace upkeep::core
