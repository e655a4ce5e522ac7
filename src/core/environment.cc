// The job environment table and what it makes of a job's environment (spec/job-language.md 5.4,
// spec/control.md 1.11).
#include <algorithm>
#include <unordered_set>

#include "core/service_manager.h"

namespace upkeep::core {
namespace {

/// What one variable of a program may be at most (the kernel's MAX_ARG_STRLEN, with its end).
constexpr std::size_t kLongestVariable = (128U << 10U) - 1;
/// Beyond, no program could be executed.
constexpr std::size_t kLargestTable = 1U << 20U;

std::unexpected<RequestError> invalid(std::string message) {
  return std::unexpected(RequestError{RequestErrorCode::InvalidArguments, std::move(message)});
}

std::size_t bytes(const Environment& table) {
  std::size_t sum = 0;
  for (const auto& entry : table) sum += entry.size() + 1;
  return sum;
}

using Names = std::unordered_set<std::string_view>;

Names names_of(const Environment& table) {
  Names names;
  for (const auto& entry : table) names.insert(variable_name(entry));
  return names;
}

using Changed = std::expected<void, RequestError>;

/// All of the variables, or none.
Changed set(Environment& table, const SetVariables& change) {
  Environment assignments;
  auto taken = change.replace ? Names{} : names_of(table);
  for (const auto& variable : change.variables) {
    const auto name = variable_name(variable);
    if (name.empty()) return invalid("Variable may not be empty string");
    if (variable.size() > kLongestVariable) {
      return invalid(fmt::format("Variable may not be larger than {} bytes", kLongestVariable));
    }
    if (!change.replace && !taken.insert(name).second) continue;
    const bool has_value = name.size() < variable.size();
    assignments.push_back(has_value ? variable : fmt::format("{}=", variable));
  }
  auto changed = table;
  set_variables(changed, assignments);
  if (bytes(changed) > kLargestTable) {
    return invalid(fmt::format("Environment may not be larger than {} bytes", kLargestTable));
  }
  table = std::move(changed);
  return {};
}

/// Whole names only (Q10). A variable that is not there is no error, but in a table that has become
/// empty it is: what stands before it in the list is removed all the same.
Changed unset(Environment& table, const UnsetVariables& change) {
  auto left = names_of(table);
  Names removed;
  Changed outcome;
  for (const auto& name : change.names) {
    if (name.empty()) {
      outcome = invalid("Variable may not be empty string");
      break;
    }
    if (left.empty()) {
      outcome = invalid(fmt::format("No such variable: {}", name));
      break;
    }
    if (left.erase(name) > 0) removed.insert(name);
  }
  std::erase_if(table, [&](const auto& entry) { return removed.contains(variable_name(entry)); });
  return outcome;
}

}  // namespace

void ServiceManager::accept(EnvironmentRequest&& request) {
  auto changed = change_environment(request);
  if (changed) {
    reply(request.id, RequestTarget{});
  } else {
    reply(request.id, std::unexpected(changed.error()));
  }
}

std::expected<const Environment*, RequestError> ServiceManager::environment_table(
    const std::optional<InstanceKey>& instance) const {
  if (!instance) return &job_environment_;
  const auto& [key, name] = *instance;
  if (find_job(key) == nullptr) return unknown_job(key);
  const auto* found = find_instance(*instance);
  if (found == nullptr) {
    return std::unexpected(
        RequestError{RequestErrorCode::UnknownJobInstance,
                     fmt::format("Unknown instance: {} of job {}", name, key.name)});
  }
  return &found->environment_;
}

std::expected<void, RequestError> ServiceManager::change_environment(
    const EnvironmentRequest& request) {
  if (const auto table = environment_table(request.instance); !table) {
    return std::unexpected(table.error());
  }
  const auto apply = [&](Environment& table) -> Changed {
    if (const auto* one = std::get_if<SetVariables>(&request.change)) return set(table, *one);
    return unset(table, std::get<UnsetVariables>(request.change));
  };
  const bool reset = std::holds_alternative<ResetVariables>(request.change);

  if (request.instance) {
    auto& job = *jobs_.at(request.instance->job);
    auto& environment = job.instances_.at(request.instance->instance)->environment_;
    if (!reset) return apply(environment);
    environment = environment_of(job);
    return {};
  }
  if (reset) {  // instances keep what they have
    job_environment_ = options_.job_environment;
    return {};
  }
  if (auto done = apply(job_environment_); !done) return done;
  for (auto& [key, job] : jobs_) {
    for (auto& [name, instance] : job->instances_) {
      // One whose table is too full, or empty, is left as it is.
      [[maybe_unused]] auto done = apply(instance->environment_);
      if (instance->start_environment_) done = apply(*instance->start_environment_);
    }
  }
  return {};
}

Environment ServiceManager::environment_of(const JobClass& job) const {
  // `env KEY` that the daemon cannot fill takes away what stood there: the last entry of a name
  // decides, so a marker takes the place of the name and is swept out at the end.
  constexpr std::string_view kUnset{"=\0", 2};
  Environment assignments;
  for (const auto& entry : job.definition().env) {
    if (entry.find('=') != std::string::npos) {
      assignments.push_back(entry);
    } else if (const auto value = find_variable(options_.daemon_environment, entry)) {
      assignments.push_back(fmt::format("{}={}", entry, *value));
    } else {
      assignments.push_back(fmt::format("{}{}", entry, kUnset));
    }
  }
  auto environment = job_environment_;
  set_variables(environment, assignments);
  std::erase_if(environment, [&](const auto& entry) { return entry.ends_with(kUnset); });
  return environment;
}

}  // namespace upkeep::core
