// Turns of the manager, and the tables of jobs and instances.
#include "core/service_manager.h"

#include <cassert>

#include "conf/expansion.h"

namespace upkeep::core {
namespace {

/// Events handled before the loop gets a turn to reap, answer and read: jobs that trigger each
/// other for ever must not starve the rest.
constexpr int kEventsPerTurn = 1000;

/// Three times as much, escaped, and the name of the job still fit into an object path of D-Bus,
/// which libsystemd bounds by 64 KiB: an instance without one could not be told about.
constexpr std::size_t kLongestInstanceName = 8192;

}  // namespace

ServiceManager::ServiceManager(Platform& platform, Observer& observer, ManagerOptions options)
    : platform_(platform), observer_(observer), options_(std::move(options)) {}

ServiceManager::~ServiceManager() = default;

void ServiceManager::handle(TimePoint now, Input input) {
  assert(now >= now_);
  now_ = now;
  std::visit([this](auto&& one) { accept(std::forward<decltype(one)>(one)); }, std::move(input));
  fire_timers();
  settle();
  check_session();
  ended_instances_.clear();
  ended_jobs_.clear();
}

std::optional<TimePoint> ServiceManager::next_deadline() const {
  if (!attention_.empty()) return TimePoint{};
  return timers_.next();
}

std::vector<ServiceManager::Deadline> ServiceManager::deadlines() const {
  std::vector<Deadline> out;
  for (const auto& [key, timer] : timers_.armed()) {
    const auto* kill = std::get_if<KillTimer>(&timer);
    out.push_back({key.first, kill == nullptr ? nullptr : kill->instance});
  }
  return out;
}

void ServiceManager::fire_timers() {
  // A handler may arm a timer that is due at once (`kill timeout 0`): it fires in this turn too.
  while (auto timer = timers_.take_due(now_)) {
    if (const auto* kill = std::get_if<KillTimer>(&*timer)) {
      kill_timer_fired(*kill->instance);
    } else {
      session_timer_fired();
    }
  }
}

void ServiceManager::settle() {
  for (int budget = kEventsPerTurn; budget > 0 && !attention_.empty(); --budget) {
    // Oldest first, then again from the start, as the queue is walked (spec/runtime.md 3.1).
    auto next = attention_.upper_bound(walked_to_);
    if (next == attention_.end()) next = attention_.begin();
    walked_to_ = *next;
    attention_.erase(next);
    visit(*events_.at(walked_to_));
  }
  if (attention_.empty()) walked_to_ = 0;  // the next walk begins with the oldest again
}

const JobClass* ServiceManager::find_job(std::string_view name) const {
  const auto found = jobs_.find(name);
  return found == jobs_.end() ? nullptr : found->second.get();
}

// ---------------------------------------------------------------- definitions

void ServiceManager::accept(ConfChange&& change) {
  if (const auto* defined = std::get_if<JobDefined>(&change)) {
    define(defined->definition);
  } else {
    undefine(std::get<JobUndefined>(change).name);
  }
}

void ServiceManager::define(const std::shared_ptr<const conf::JobDefinition>& definition) {
  const auto found = jobs_.find(definition->name);
  if (found == jobs_.end()) {
    auto& job =
        *jobs_.emplace(definition->name, std::make_unique<JobClass>(definition)).first->second;
    add_listener(job);
    observer_.job_added(job);
  } else if (found->second->instances_.empty()) {
    replace_definition(*found->second, definition);
  } else {
    found->second->successor_ = definition;
  }
}

void ServiceManager::undefine(std::string_view name) {
  const auto found = jobs_.find(name);
  if (found == jobs_.end()) return;
  if (found->second->instances_.empty()) {
    remove_job(*found->second);
  } else {
    found->second->successor_ = nullptr;
  }
}

void ServiceManager::replace_definition(JobClass& job,
                                        std::shared_ptr<const conf::JobDefinition> definition) {
  observer_.job_removed(job);
  remove_listener(job);

  // Events that had matched operands are matched again, so that half of an `and` is not lost.
  EventOperator start_on(definition->start_on.get());
  for (auto* event : job.start_on_.held()) start_on.handle(*event, {});
  reset(job.start_on_);
  const auto old = std::exchange(job.definition_, std::move(definition));
  job.start_on_ = std::move(start_on);
  job.successor_.reset();

  add_listener(job);
  observer_.job_added(job);
  start_by_event(job, {});
}

void ServiceManager::remove_job(JobClass& job) {
  observer_.job_removed(job);
  remove_listener(job);
  reset(job.start_on_);
  const auto found = jobs_.find(job.name());
  ended_jobs_.push_back(std::move(found->second));
  jobs_.erase(found);
}

void ServiceManager::add_listener(JobClass& job) {
  for (const auto& name : job.start_on_.event_names()) listeners_[name].insert(job.name());
  for (const auto& name : EventOperator(job.definition().stop_on.get()).event_names()) {
    listeners_[name].insert(job.name());
  }
}

void ServiceManager::remove_listener(JobClass& job) {
  const auto forget = [&](const std::string& event) {
    const auto found = listeners_.find(event);
    if (found == listeners_.end()) return;
    found->second.erase(job.name());
    if (found->second.empty()) listeners_.erase(found);
  };
  for (const auto& name : job.start_on_.event_names()) forget(name);
  for (const auto& name : EventOperator(job.definition().stop_on.get()).event_names()) forget(name);
}

// ---------------------------------------------------------------- instances

std::expected<std::string, RequestError> ServiceManager::instance_name(const JobClass& job,
                                                                       const Environment& variables,
                                                                       bool with_usage) const {
  auto environment = job_environment(job);
  for (const auto& variable : variables) {
    if (variable.find('=') == std::string::npos) {
      return std::unexpected(
          RequestError{RequestErrorCode::InvalidArguments, "Env must be KEY=VALUE pairs"});
    }
  }
  set_variables(environment, variables);
  auto name = expand_instance(job, environment);
  if (name) return *std::move(name);
  auto message = std::move(name.error().message);
  if (with_usage && job.definition().usage) message += "\nUsage: " + *job.definition().usage;
  return std::unexpected(RequestError{RequestErrorCode::InvalidArguments, std::move(message)});
}

Result<std::string> ServiceManager::expand_instance(const JobClass& job,
                                                    const Environment& environment) {
  auto name = conf::expand(job.definition().instance.value(), environment);
  if (name && name->size() > kLongestInstanceName) {
    return failure(fmt::format("Instance name longer than {} bytes", kLongestInstanceName));
  }
  return name;
}

JobInstance& ServiceManager::find_or_create(JobClass& job, const std::string& name) {
  auto& slot = job.instances_[name];
  if (!slot) {
    slot = std::make_unique<JobInstance>(job, name);
    observer_.instance_added(*slot);
  }
  return *slot;
}

void ServiceManager::destroy(JobInstance& instance) {
  auto& job = *instance.job_;
  disarm_kill_timer(instance);
  reset(instance.stop_on_);
  const auto found = job.instances_.find(instance.name_);
  ended_instances_.push_back(std::move(found->second));
  job.instances_.erase(found);

  if (!job.instances_.empty() || !job.successor_) {
    observer_.instance_removed(instance);
  } else if (const auto successor = *job.successor_) {
    replace_definition(job, successor);
  } else {
    remove_job(job);
  }
}

Environment ServiceManager::job_environment(const JobClass& job) const {
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
  auto environment = options_.job_environment;
  set_variables(environment, assignments);
  std::erase_if(environment, [&](const auto& entry) { return entry.ends_with(kUnset); });
  return environment;
}

}  // namespace upkeep::core
