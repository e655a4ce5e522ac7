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
#include <utility>
#include <variant>
#include <vector>

#include <fmt/format.h>

#include "base/result.h"
#include "core/cause.h"
#include "core/event.h"
#include "core/input.h"
#include "core/job_class.h"
#include "core/job_instance.h"
#include "core/listeners.h"
#include "core/observer.h"
#include "core/platform.h"
#include "core/state_machine.h"
#include "core/timer_queue.h"
#include "core/types.h"

namespace upkeep::core {

/// What the core is told about its surroundings once.
struct ManagerOptions {
  /// What every job starts with: PATH and TERM, or more (spec/job-language.md 5.4 step 1).
  Environment job_environment = {};
  /// The daemon's own environment, which `env KEY` without a value copies from.
  Environment daemon_environment = {};
  /// Set as UPSTART_SESSION for every process unless empty.
  std::string session_address = {};
  /// Whether profiles of `apparmor load` can be loaded; else the stanza does nothing
  /// (spec/runtime.md 4.11).
  bool apparmor_usable = false;
};

/// How a process has ended, as it is told further.
[[nodiscard]] ProcessEnd end_of(const Death& death);

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

  using Jobs = std::map<JobKey, std::unique_ptr<JobClass>>;
  /// Every job, by session and name.
  [[nodiscard]] const Jobs& jobs() const { return jobs_; }
  [[nodiscard]] const JobClass* find_job(const JobKey& key) const;
  [[nodiscard]] const JobInstance* find_instance(const InstanceKey& key) const;

  /// The job environment table (spec/job-language.md 5.4 step 1): what every job starts with.
  [[nodiscard]] const Environment& job_environment() const { return job_environment_; }
  /// The table that an environment request means: that one, or the environment of an instance; or
  /// the error that the request gets.
  [[nodiscard]] std::expected<const Environment*, RequestError> environment_table(
      const std::optional<InstanceKey>& instance) const;

  /// The instance name that a command with these variables means (spec/control.md 1.5), or the
  /// error it gets; with the job's `usage` as a second line if `with_usage`.
  [[nodiscard]] std::expected<std::string, RequestError> instance_name(const JobClass& job,
                                                                       const Environment& variables,
                                                                       bool with_usage) const;

  /// Every event alive, pending or held by jobs, by sequence.
  using Events = std::map<std::uint64_t, std::unique_ptr<Event>>;
  [[nodiscard]] const Events& events() const { return events_; }
  /// Requests that have no reply yet.
  [[nodiscard]] std::size_t waiting_requests() const { return waiting_requests_.size(); }

  /// A deadline that is armed: the KILL of an instance, another try to start one of its processes,
  /// the end of its time to become ready or to give a sign of life, or (null) the next check of a
  /// session that is being ended.
  struct Deadline {
    TimePoint due;
    const JobInstance* instance = nullptr;
  };
  /// All of them, in the order in which they will come.
  [[nodiscard]] std::vector<Deadline> deadlines() const;

  /// How far ending the session has come, and until when the present phase may last.
  enum class SessionPhase { Up, Waiting, Killing, Over };
  [[nodiscard]] SessionPhase session_phase() const { return session_phase_; }
  [[nodiscard]] TimePoint session_deadline() const { return session_deadline_; }

  /// What the simulator checks after every turn; the text names the broken invariant.
  [[nodiscard]] Result<void> check_invariants() const;

 private:
  enum class Release { Success, Failure };

  struct SpawnedProcess {
    JobInstance* instance = nullptr;
    ProcessType type{};
  };
  struct KillTimer {
    JobInstance* instance = nullptr;
  };
  /// Try again to make the child of this process.
  struct RetryTimer {
    JobInstance* instance = nullptr;
    ProcessType type{};
  };
  /// Main should have become ready.
  struct ExpectTimer {
    JobInstance* instance = nullptr;
  };
  /// Main should have given a sign of life.
  struct WatchdogTimer {
    JobInstance* instance = nullptr;
  };
  struct SessionTimer {};
  using Timer = std::variant<KillTimer, RetryTimer, ExpectTimer, WatchdogTimer, SessionTimer>;

  // service_manager.cc: one turn
  void accept(EmitEvent&& input);
  void accept(JobRequest&& request);
  void accept(InstanceRequest&& request);
  void accept(ReloadRequest&& request);
  void accept(EnvironmentRequest&& request);
  void accept(ClientGone&& gone);
  void accept(SpawnResult&& result);
  void accept(const ProcessChange& change);
  void accept(const TreeEmptied& emptied);
  void accept(ConfChange&& change);
  void accept(EndSession&& input);
  void accept(Tick&&) {}
  void fire_timers();
  void settle();

  // service_manager.cc: classes and instances
  void define(JobDefined&& defined);
  void undefine(const JobKey& key);
  void replace_definition(JobClass& job, std::shared_ptr<const conf::JobDefinition> definition);
  void remove_job(JobClass& job);
  /// The name that the `instance` stanza gives with these variables, of bounded length.
  [[nodiscard]] static Result<std::string> expand_instance(const JobClass& job,
                                                           const Environment& environment);
  /// Whether another instance may be made.
  [[nodiscard]] static bool has_room(const JobClass& job);
  JobInstance& find_or_create(JobClass& job, const std::string& name);
  void destroy(JobInstance& instance);

  // environment.cc: the table of all jobs, and what a job starts with
  [[nodiscard]] Environment environment_of(const JobClass& job) const;
  [[nodiscard]] std::expected<void, RequestError> change_environment(
      const EnvironmentRequest& request);

  // events.cc: the queue
  Event& queue_event(std::string name, Environment environment, std::string session,
                     CausePtr cause);
  void queue_job_event(JobInstance& instance, std::string_view name, bool block);
  void attend(Event& event);
  [[nodiscard]] int visit(Event& event);
  [[nodiscard]] int dispatch(Event& event);
  [[nodiscard]] int dispatch_to(const Listener& listener, Event& event);
  bool stop_by_event(JobInstance& instance, Event& event);
  void start_by_event(JobClass& job, const std::set<std::string, std::less<>>& stopped_now,
                      const CausePtr& cause);
  [[nodiscard]] CausePtr cause_of(const std::vector<Event*>& events, const CausePtr& last) const;
  void finish(Event& event);
  void hold(JobInstance& instance, const std::vector<Event*>& events);
  void unhold(Event& event);
  void let_go(EventOperator& condition, Event& event);
  void reset(EventOperator& condition);

  // cycles.cc: jobs that wait for each other, jobs that trigger each other without end
  [[nodiscard]] bool would_deadlock(const JobInstance& holder, const Event& event);
  void watch_for_cycle(JobInstance& instance);
  void report_cycle(JobClass& job, const Cause& cause, std::size_t gap);
  void forget_cycles(JobClass& job);
  void tell_deadlock(const JobInstance& holder, const JobInstance& first, const Event& event);

  // transitions.cc: goals and states
  void set_goal(JobInstance& instance, Goal goal);
  void change_goal(JobInstance& instance, Goal goal);
  void advance(JobInstance& instance);
  [[nodiscard]] bool enter(JobInstance& instance, State from);
  void enter_starting(JobInstance& instance);
  void enter_running(JobInstance& instance, State from);
  void enter_waiting(JobInstance& instance);
  [[nodiscard]] static Facts facts(const JobInstance& instance);
  void fail(JobInstance& instance, Failure failure);
  void release(JobInstance& instance, Release outcome);

  // processes.cc
  void start_process(JobInstance& instance, ProcessType type);
  void request_spawn(JobInstance& instance, ProcessType type);
  [[nodiscard]] bool retry_later(JobInstance& instance, ProcessType type);
  enum class Abandon { OnStop, Everything };
  [[nodiscard]] bool abandon_retries(JobInstance& instance, Abandon which = Abandon::OnStop);
  void forget_process(JobInstance& instance, ProcessType type);
  void process_ended(JobInstance& instance, ProcessType type, const ProcessEnd& end);
  void main_ended(JobInstance& instance, const ProcessEnd& end);
  [[nodiscard]] std::optional<Cause::Verdict> judge_main_end(JobInstance& instance,
                                                             const ProcessEnd& end);
  void nothing_to_wait_for(JobInstance& instance);
  void main_changed(JobInstance& instance, const ProcessChange& change);
  void spawn_failed(JobInstance& instance, ProcessType type, const SpawnFailure& failure);
  void blame(JobInstance& instance, Cause::What what);
  void log_end(const JobInstance& instance, ProcessType type, pid_t pid, const ProcessEnd& end);

  // readiness.cc: when main counts as started, and which process it is
  void expect_main(JobInstance& instance);
  static void watch_for_rest(SpawnRequest& request);
  void main_is_ready(JobInstance& instance);
  void disarm_expect_timer(JobInstance& instance);
  void forget_expectations(JobInstance& instance);
  void expect_timer_fired(JobInstance& instance);
  void main_stopped(JobInstance& instance, int signal);
  void main_forked(JobInstance& instance, pid_t child);
  void main_executed(JobInstance& instance);
  void main_settled(JobInstance& instance);
  void main_replaced(JobInstance& instance, pid_t pid);
  void main_orphaned(JobInstance& instance, const Orphaned& orphaned);
  void end_successor(JobInstance& instance);
  void kill_successor(JobInstance& instance);
  [[nodiscard]] bool follows(const JobInstance& instance, const Orphaned& orphaned,
                             const ProcessEnd& end) const;
  [[nodiscard]] bool tell_of_survivor(const JobInstance& instance, const Orphaned& orphaned,
                                      const ProcessEnd& end);
  void main_told_ready(JobInstance& instance);
  void main_told_status(JobInstance& instance, std::string text);
  void main_announced(const JobInstance& instance, Announced::What what);
  void main_wants_time(JobInstance& instance, std::chrono::microseconds time);
  void feed_watchdog(JobInstance& instance);
  void disarm_watchdog(JobInstance& instance);
  void main_is_alive(JobInstance& instance);
  void set_watchdog(JobInstance& instance, std::chrono::microseconds interval);
  void watchdog_fired(JobInstance& instance);

  // killing.cc: how processes are ended
  [[nodiscard]] bool enter_killed(JobInstance& instance);
  void send_kill_signal(JobInstance& instance);
  void end_tree(JobInstance& instance);
  void arm_kill_timer(JobInstance& instance);
  void disarm_kill_timer(JobInstance& instance);
  void kill_timer_fired(JobInstance& instance);

  // requests.cc
  /// What all commands on an instance have in common.
  struct Command {
    RequestId id;
    Verb verb{};
    Wait wait{};
    std::optional<Caller> caller;
  };
  void start(JobClass& job, JobInstance* existing, const std::string& name,
             std::optional<Environment> environment, const Command& command);
  void stop(JobInstance& instance, Environment environment, const Command& command);
  void restart(JobInstance& instance, std::optional<Environment> environment,
               const Command& command);
  void redirect(JobInstance& instance, const Command& command);
  void accepted(const JobInstance& instance, const Command& command);
  [[nodiscard]] std::expected<JobClass*, RequestError> permitted_job(const JobKey& key,
                                                                     const Requester& requester);
  [[nodiscard]] std::expected<JobInstance*, RequestError> permitted_instance(
      const JobKey& key, std::string_view instance, const Requester& requester);
  void wait_for(Event& event, RequestId id);
  void wait_for(JobInstance& instance, const WaitingRequest& request);
  void reply(RequestId id, const Reply& reply);
  void reply_error(RequestId id, RequestErrorCode code, std::string message);

  // session.cc: the end of it all
  void stop_everything();
  void start_killing();
  void session_timer_fired();
  void check_session();
  void end_session();
  [[nodiscard]] bool any_process() const;

  template <typename... Args>
  void log(Priority priority, fmt::format_string<Args...> format, Args&&... args) {
    if (!observer_.wants(priority)) return;
    observer_.message(priority, fmt::format(format, std::forward<Args>(args)...));
  }

  Platform& platform_;
  Observer& observer_;
  ManagerOptions options_;
  Environment job_environment_;
  TimePoint now_{};

  Jobs jobs_;
  Listeners listeners_;

  Events events_;  ///< oldest first
  /// Those of them that have something to do, by sequence; walked round and round by settle().
  std::set<std::uint64_t> attention_;
  std::uint64_t walked_to_ = 0;
  /// Jobs trigger each other without end: until nothing is left to do, the queue is handled with
  /// pauses, so that clients keep up with what they are told.
  bool is_throttled_ = false;
  TimePoint next_turn_{};  ///< then, for work that is left
  std::uint64_t last_event_ = 0;

  /// Where each request waits that has no reply yet.
  std::unordered_map<RequestId, std::variant<Event*, JobInstance*>> waiting_requests_;
  std::uint64_t search_ = 0;        ///< numbers searches for deadlocks
  std::set<JobKey> told_cycles_;    ///< jobs of cycles that have been told of
  std::set<CausePtr> told_chains_;  ///< first causes of cycles too long to be seen whole
  std::set<std::string> told_deadlocks_;

  std::unordered_map<SpawnId, SpawnedProcess> spawned_;
  std::uint64_t last_spawn_ = 0;
  std::unordered_map<TreeId, JobInstance*> ending_trees_;
  std::uint64_t last_tree_ = 0;
  TimerQueue<Timer> timers_;

  std::size_t instances_ = 0;  ///< of all jobs

  SessionPhase session_phase_ = SessionPhase::Up;
  TimePoint session_deadline_{};
  CausePtr session_cause_;

  /// Ended in this turn; callers up the stack may still look at them.
  std::vector<std::unique_ptr<JobInstance>> ended_instances_;
  std::vector<std::unique_ptr<JobClass>> ended_jobs_;
};

}  // namespace upkeep::core
