// Turns of the manager, and the tables of jobs and instances.
#include "core/service_manager.h"

#include <cassert>

#include "conf/expansion.h"

namespace upkeep::core {
namespace {

/// Events handled, and instances shown one, before the loop gets a turn to reap, answer and read:
/// jobs that trigger each other for ever must not starve the rest.
constexpr int kWorkPerTurn = 2000;
/// The same where they have been found to do so, and the pause before the next turn.
constexpr int kThrottledWork = 100;
constexpr std::chrono::milliseconds kThrottledPause{100};

/// Instances of one job: each costs memory, and a mistake makes them multiply.
constexpr std::size_t kMostInstances = 10'000;

/// Three times as much, escaped, and the name of the job still fit into an object path of D-Bus,
/// which libsystemd bounds by 64 KiB: an instance without one could not be told about.
constexpr std::size_t kLongestInstanceName = 8192;

}  // namespace

ServiceManager::ServiceManager(Platform& platform, Observer& observer, ManagerOptions options)
    : platform_(platform),
      observer_(observer),
      options_(std::move(options)),
      job_environment_(options_.job_environment) {}

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
  if (attention_.empty()) return timers_.next();
  return std::min(next_turn_, timers_.next().value_or(next_turn_));
}

std::vector<ServiceManager::Deadline> ServiceManager::deadlines() const {
  std::vector<Deadline> out;
  for (const auto& [key, timer] : timers_.armed()) {
    const auto instance_of = [](const auto& one) -> const JobInstance* {
      if constexpr (requires { one.instance; }) return one.instance;
      return nullptr;
    };
    out.push_back({key.first, std::visit(instance_of, timer)});
  }
  return out;
}

void ServiceManager::fire_timers() {
  // A handler may arm a timer that is due at once (`kill timeout 0`): it fires in this turn too.
  while (auto timer = timers_.take_due(now_)) {
    if (const auto* kill = std::get_if<KillTimer>(&*timer)) {
      kill_timer_fired(*kill->instance);
    } else if (const auto* retry = std::get_if<RetryTimer>(&*timer)) {
      request_spawn(*retry->instance, retry->type);
    } else if (const auto* expect = std::get_if<ExpectTimer>(&*timer)) {
      expect_timer_fired(*expect->instance);
    } else if (const auto* watchdog = std::get_if<WatchdogTimer>(&*timer)) {
      watchdog_fired(*watchdog->instance);
    } else {
      session_timer_fired();
    }
  }
}

void ServiceManager::settle() {
  int budget = is_throttled_ ? kThrottledWork : kWorkPerTurn;
  while (budget > 0 && !attention_.empty()) {
    // Oldest first, then again from the start, as the queue is walked (spec/runtime.md 3.1).
    auto next = attention_.upper_bound(walked_to_);
    if (next == attention_.end()) next = attention_.begin();
    walked_to_ = *next;
    attention_.erase(next);
    budget -= visit(*events_.at(walked_to_));
  }
  if (attention_.empty()) {
    walked_to_ = 0;  // the next walk begins with the oldest again
    is_throttled_ = false;
  }
  next_turn_ = is_throttled_ ? now_ + kThrottledPause : TimePoint{};
}

const JobClass* ServiceManager::find_job(const JobKey& key) const {
  const auto found = jobs_.find(key);
  return found == jobs_.end() ? nullptr : found->second.get();
}

const JobInstance* ServiceManager::find_instance(const InstanceKey& key) const {
  const auto* job = find_job(key.job);
  return job == nullptr ? nullptr : job->find_instance(key.instance);
}

// ---------------------------------------------------------------- definitions

void ServiceManager::accept(ConfChange&& change) {
  if (auto* defined = std::get_if<JobDefined>(&change)) {
    define(std::move(*defined));
  } else {
    undefine(std::get<JobUndefined>(change).job);
  }
}

void ServiceManager::define(JobDefined&& defined) {
  const JobKey key(defined.session, defined.definition->name);
  const auto found = jobs_.find(key);
  if (found == jobs_.end()) {
    auto job = std::make_unique<JobClass>(defined.session, std::move(defined.definition));
    auto& added = *jobs_.emplace(key, std::move(job)).first->second;
    listeners_.add(added);
    observer_.job_added(added);
  } else if (found->second->instances_.empty()) {
    replace_definition(*found->second, std::move(defined.definition));
  } else {
    found->second->successor_ = std::move(defined.definition);
  }
}

void ServiceManager::undefine(const JobKey& key) {
  const auto found = jobs_.find(key);
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
  listeners_.remove(job);

  // Events that had matched operands are matched again, so that half of an `and` is not lost.
  EventOperator start_on(definition->start_on.get());
  start_on.take_over(job.start_on_);
  reset(job.start_on_);
  const auto old = std::exchange(job.definition_, std::move(definition));
  job.start_on_ = std::move(start_on);
  forget_cycles(job);  // perhaps it was changed because of them
  job.successor_.reset();

  listeners_.add(job);
  observer_.job_added(job);
  const auto cause = Cause::create(Cause::DefinitionChanged{job.name()}, now_);
  start_by_event(job, {}, cause);
}

void ServiceManager::remove_job(JobClass& job) {
  observer_.job_removed(job);
  listeners_.remove(job);
  reset(job.start_on_);
  forget_cycles(job);
  const auto found = jobs_.find(job.key());
  ended_jobs_.push_back(std::move(found->second));
  jobs_.erase(found);
}

// ---------------------------------------------------------------- instances

std::expected<std::string, RequestError> ServiceManager::instance_name(const JobClass& job,
                                                                       const Environment& variables,
                                                                       bool with_usage) const {
  auto environment = environment_of(job);
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

bool ServiceManager::has_room(const JobClass& job) {
  return job.instances_.size() < kMostInstances;
}

JobInstance& ServiceManager::find_or_create(JobClass& job, const std::string& name) {
  auto& slot = job.instances_[name];
  if (!slot) {
    slot = std::make_unique<JobInstance>(job, name);
    slot->tree_ = TreeId{++last_tree_};
    ++instances_;
    observer_.instance_added(*slot);
  }
  return *slot;
}

void ServiceManager::destroy(JobInstance& instance) {
  auto& job = *instance.job_;
  disarm_kill_timer(instance);
  forget_expectations(instance);
  platform_.forget_tree(instance.tree_);
  reset(instance.stop_on_);
  job.last_ended_ = {instance.name_, instance.cause_, instance.failure_};
  const auto found = job.instances_.find(instance.name_);
  ended_instances_.push_back(std::move(found->second));
  job.instances_.erase(found);
  --instances_;

  if (!job.instances_.empty() || !job.successor_) {
    observer_.instance_removed(instance);
  } else if (const auto successor = *job.successor_) {
    replace_definition(job, successor);
  } else {
    remove_job(job);
  }
}

}  // namespace upkeep::core
