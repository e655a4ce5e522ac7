// A named happening with variables (spec/runtime.md 3).
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "base/strings.h"
#include "core/types.h"

namespace upkeep::core {

class JobInstance;

class Event {
 public:
  enum class Progress { Pending, Handling, Finished };
  /// Who goes on when the event has finished.
  using Waiter = std::variant<JobInstance*, RequestId>;

  Event(std::uint64_t sequence, std::string name, Environment environment)
      : sequence_(sequence), name_(std::move(name)), environment_(std::move(environment)) {}

  [[nodiscard]] std::uint64_t sequence() const { return sequence_; }
  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] const Environment& environment() const { return environment_; }
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
  Progress progress_ = Progress::Pending;
  bool failed_ = false;
  std::size_t blockers_ = 0;
  std::vector<Waiter> waiters_;
};

}  // namespace upkeep::core
