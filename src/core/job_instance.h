// One running (or starting, or stopping) copy of a job (spec/runtime.md 1.1).
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include <sys/types.h>

#include "base/strings.h"
#include "core/cause.h"
#include "core/event_file.h"
#include "core/event_operator.h"
#include "core/input.h"
#include "core/respawn_limiter.h"
#include "core/timer_queue.h"
#include "core/types.h"

namespace upkeep::core {

class Event;
class JobClass;

/// A client that waits for the outcome of its command.
struct WaitingRequest {
  RequestId id;
  Verb verb{};
};

/// Who waits until an instance has settled: an event that started or stopped it, or a client.
using Blocker = std::variant<Event*, WaitingRequest>;

/// What hardly any process needs while it is being started.
struct SpawnTrouble {
  int tries = 0;                             ///< that could not make a child at all
  std::optional<TimerKey> retry_timer = {};  ///< until the next try
  std::vector<ProcessChange> early = {};     ///< reported before the result of the spawn (Q2)
};

/// The process in one role of an instance.
struct ProcessSlot {
  SpawnId spawn;  ///< 0: no process
  pid_t pid = 0;  ///< 0 while the child is being set up
  int forks = 0;  ///< forks followed so far (`expect fork`, `expect daemon`)
  std::unique_ptr<SpawnTrouble> trouble = nullptr;

  [[nodiscard]] bool is_to_be_tried_again() const { return trouble && trouble->retry_timer; }
};

/// The first thing that went wrong since `starting` (spec/runtime.md 2.7).
struct Failure {
  std::optional<ProcessType> process;  ///< nothing: the respawn limit
  std::optional<int> exit_status;      ///< neither status nor signal: the spawn failed
  std::optional<int> exit_signal;
};

/// What is known of a main process of which more is expected than to be executed.
struct MainWatch {
  TimePoint asked_for{};                   ///< when the platform was asked to start it
  TimePoint executed{};                    ///< when it became its program
  bool ready = false;                      ///< it has been ready, or was taken for that
  bool hangs = false;                      ///< the watchdog has expired, its end is under way
  bool rested = false;                     ///< the latter: it may still stop itself
  bool reprieved = false;                  ///< a successor has been given time to end
  std::optional<TimerKey> expect_timer;    ///< until it is ready
  std::optional<TimerKey> watchdog_timer;  ///< until its next sign of life
  std::optional<std::chrono::microseconds> watchdog_interval;
  std::string status_text;  ///< what it says of itself
};

class JobInstance {
 public:
  JobInstance(JobClass& job, std::string name);

  [[nodiscard]] const JobClass& job() const { return *job_; }
  [[nodiscard]] const std::string& name() const { return name_; }
  /// "job", or "job (instance)" if the instance has a name.
  [[nodiscard]] std::string title() const;

  [[nodiscard]] Goal goal() const { return goal_; }
  [[nodiscard]] State state() const { return state_; }
  [[nodiscard]] const Environment& environment() const { return environment_; }
  [[nodiscard]] const std::optional<Failure>& failure() const { return failure_; }

  /// Why it has its goal and state; never null.
  [[nodiscard]] const CausePtr& cause() const { return cause_; }

  [[nodiscard]] const ProcessSlot& process(ProcessType type) const {
    return processes_[static_cast<std::size_t>(type)];
  }
  /// The pid in this role, or 0.
  [[nodiscard]] pid_t pid(ProcessType type) const { return process(type).pid; }
  /// Whether something runs that the present state waits for (spec/runtime.md 2.2, "ends when").
  [[nodiscard]] bool waits_for_process() const;
  /// The same of the process in this role.
  [[nodiscard]] bool waits_for_process(ProcessType type) const;

  /// What main says of itself; mostly nothing.
  [[nodiscard]] std::string_view status_text() const {
    return watch_ ? std::string_view(watch_->status_text) : std::string_view();
  }
  /// Null if no more is expected of main than to be executed, or it has ended.
  [[nodiscard]] const MainWatch* watch() const { return watch_.get(); }

  /// Whether it is on its way down: what its half `stop on` holds will be let go at the end.
  [[nodiscard]] bool stop_on_goes_with_it() const { return state_ >= State::Stopping; }

  /// What it starts belongs to this tree.
  [[nodiscard]] TreeId tree() const { return tree_; }

  /// Whether a restart was asked for that the instance has not begun yet (Q6).
  [[nodiscard]] bool restarting() const { return restarting_; }
  /// The event that must finish before the next transition; null outside starting and stopping.
  [[nodiscard]] const Event* blocker() const { return blocker_; }
  /// Who waits until the instance has settled.
  [[nodiscard]] const std::vector<Blocker>& held() const { return held_; }
  /// Its own copy of the condition, with what has matched so far.
  [[nodiscard]] const EventOperator& stop_on() const { return stop_on_; }
  [[nodiscard]] const RespawnLimiter& respawn_limiter() const { return respawn_limiter_; }

 private:
  friend class ServiceManager;

  [[nodiscard]] ProcessSlot& slot(ProcessType type) {
    return processes_[static_cast<std::size_t>(type)];
  }

  JobClass* job_;
  std::string name_;
  Goal goal_ = Goal::Stop;
  State state_ = State::Waiting;
  bool restarting_ = false;  ///< a restart was asked for, unlike a stop that was cancelled (Q6)

  Environment environment_;                       ///< of the processes, since `starting`
  std::optional<Environment> start_environment_;  ///< takes over at the next `starting`
  Environment stop_environment_;                  ///< added for pre-stop and post-stop
  /// Descriptors that UPSTART_FDS of these two environments names: for the one in force, and for
  /// the one that takes over.
  std::vector<std::shared_ptr<const EventFile>> files_, start_files_;
  EventOperator stop_on_;

  std::array<ProcessSlot, conf::kProcessTypes> processes_;
  Event* blocker_ = nullptr;  ///< while set, no transition happens
  std::vector<Blocker> held_;
  std::optional<Failure> failure_;
  CausePtr cause_;
  RespawnLimiter respawn_limiter_;
  std::unique_ptr<MainWatch> watch_;
  TreeId tree_;                  ///< all that it starts
  bool tree_is_ending_ = false;  ///< the state is left when nothing lives in it
  std::optional<TimerKey> kill_timer_;
  int last_signal_ = 0;  ///< that has started this timer

  // Of a search for deadlocks, the last one that came by.
  std::uint64_t search_ = 0;
  const JobInstance* reached_through_ = nullptr;
};

}  // namespace upkeep::core
