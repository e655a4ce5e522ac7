// A job as its file defines it, with its instances (spec/runtime.md 1.1).
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "conf/job_definition.h"
#include "core/event_operator.h"
#include "core/job_instance.h"

namespace upkeep::core {

/// One job name. The definition in force stays while instances exist; a newer one waits.
class JobClass {
 public:
  JobClass(std::string session, std::shared_ptr<const conf::JobDefinition> definition)
      : key_(std::move(session), definition->name),
        definition_(std::move(definition)),
        start_on_(definition_->start_on.get()) {}

  [[nodiscard]] const JobKey& key() const { return key_; }
  [[nodiscard]] const std::string& name() const { return key_.name; }
  [[nodiscard]] const std::string& session() const { return key_.session; }
  [[nodiscard]] const conf::JobDefinition& definition() const { return *definition_; }
  [[nodiscard]] const std::shared_ptr<const conf::JobDefinition>& shared_definition() const {
    return definition_;
  }

  /// By instance name.
  [[nodiscard]] const std::map<std::string, std::unique_ptr<JobInstance>, std::less<>>& instances()
      const {
    return instances_;
  }
  [[nodiscard]] const JobInstance* find_instance(std::string_view name) const {
    const auto found = instances_.find(name);
    return found == instances_.end() ? nullptr : found->second.get();
  }
  /// The instance of this job that ended last, as it was then.
  struct Ended {
    std::string instance;
    CausePtr cause;
    std::optional<Failure> failure;
  };
  [[nodiscard]] const std::optional<Ended>& last_ended() const { return last_ended_; }

  /// The condition, with what has matched so far.
  [[nodiscard]] const EventOperator& start_on() const { return start_on_; }
  /// What takes over when the last instance has gone: engaged if the file changed meanwhile,
  /// holding null if it went away.
  [[nodiscard]] const std::optional<std::shared_ptr<const conf::JobDefinition>>& successor() const {
    return successor_;
  }

 private:
  friend class ServiceManager;

  JobKey key_;
  std::shared_ptr<const conf::JobDefinition> definition_;
  EventOperator start_on_;
  std::map<std::string, std::unique_ptr<JobInstance>, std::less<>> instances_;

  std::optional<Ended> last_ended_;

  /// How often events of jobs have redirected an instance, each a consequence of the one before.
  struct Triggers {
    CausePtr first_cause = nullptr;
    TimePoint since{};
    std::size_t depth = 0;  ///< of the last of them, in its chain
    int count = 0;
  };
  std::vector<Triggers> triggers_;

  std::optional<std::shared_ptr<const conf::JobDefinition>> successor_;
};

}  // namespace upkeep::core
