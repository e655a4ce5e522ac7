// The manager as a program sees it: one function for each method (spec/control.md 1.4 to 1.6).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/strings.h"
#include "client/connection.h"

namespace upkeep::client {

enum class Wait { No, Yes };

/// A condition in reverse Polish order: events with their arguments, and `/AND` and `/OR`.
using Condition = std::vector<std::vector<std::string>>;

struct Process {
  std::string role;  ///< `main`, `pre-start` and so on
  int pid = 0;
};

struct InstanceStatus {
  std::string name;
  std::string goal;
  std::string state;
  std::vector<Process> processes;
};

struct JobConfiguration {
  std::string name;
  std::vector<std::string> emits;
  std::vector<std::string> imports;  ///< none where the manager does not know the stanza
  std::string instance;              ///< the stanza; empty also where the manager does not show it
  Condition start_on;
  Condition stop_on;
};

/// An instance by its names, as the processes of jobs know themselves.
struct InstanceName {
  std::string job;
  std::string instance;
};

/// Whose variables a call is about: one instance, or nothing for the table of all jobs.
using EnvironmentOwner = std::optional<InstanceName>;

/// Jobs and instances are named by their object paths, as the functions return them.
class Upstart {
 public:
  explicit Upstart(Connection connection) : connection_(std::move(connection)) {}

  Outcome<std::string> job(const std::string& name);
  Outcome<std::vector<std::string>> jobs();
  Outcome<std::string> job_name(const std::string& job);
  Outcome<std::string> job_usage(const std::string& job);
  Outcome<JobConfiguration> job_configuration(const std::string& job);

  Outcome<std::string> instance(const std::string& job, const Environment& environment);
  Outcome<std::string> instance_by_name(const std::string& job, const std::string& name);
  Outcome<std::vector<std::string>> instances(const std::string& job);
  Outcome<InstanceStatus> status(const std::string& instance);

  /// These two return the instance.
  Outcome<std::string> start(const std::string& job, const Environment& environment, Wait wait);
  Outcome<std::string> restart(const std::string& job, const Environment& environment, Wait wait);
  Outcome<void> stop(const std::string& job, const Environment& environment, Wait wait);

  Outcome<void> start_instance(const std::string& instance, Wait wait);
  Outcome<void> restart_instance(const std::string& instance, Wait wait);
  Outcome<void> stop_instance(const std::string& instance, Wait wait);
  Outcome<void> reload_instance(const std::string& instance);

  Outcome<void> emit(const std::string& event, const Environment& environment, Wait wait);

  Outcome<std::string> get_environment(const EnvironmentOwner& owner, const std::string& name);
  Outcome<Environment> list_environment(const EnvironmentOwner& owner);
  /// Without `replace`, variables that are set keep their values.
  Outcome<void> set_environment(const EnvironmentOwner& owner, const Environment& variables,
                                bool replace);
  Outcome<void> unset_environment(const EnvironmentOwner& owner,
                                  const std::vector<std::string>& names);
  Outcome<void> reset_environment(const EnvironmentOwner& owner);

  Outcome<void> reload_configuration();
  Outcome<std::string> version();
  Outcome<std::string> log_priority();
  Outcome<void> set_log_priority(const std::string& priority);

 private:
  /// A method of the manager.
  Outcome<dbus::Message> call_manager(const char* method, const Connection::Append& append = {});
  Outcome<std::string> property(const std::string& path, const char* interface, const char* name);

  Connection connection_;
};

/// Whether an error says that an object has gone since its path was obtained (spec/control.md 1.9).
[[nodiscard]] bool has_gone(const CallError& error);

}  // namespace upkeep::client
