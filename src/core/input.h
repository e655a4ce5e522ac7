// Everything that can happen to the manager. One variant, one door: ServiceManager::handle().
#pragma once

#include <chrono>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include <sys/types.h>

#include "base/strings.h"
#include "core/event_file.h"
#include "core/types.h"

namespace upkeep::core {

/// Queue an event. Without `request` nobody waits for it.
struct EmitEvent {
  std::string name;
  Environment environment;
  std::optional<RequestId> request = std::nullopt;
  Wait wait = Wait::No;
  Requester requester = {};
  /// For the processes of the jobs that the event starts.
  std::shared_ptr<const EventFile> file = nullptr;
};

/// A command on a job: the instance is found by expanding the `instance` stanza over the job's
/// environment and the given variables (spec/runtime.md 2.9).
struct JobRequest {
  RequestId id;
  Verb verb{};
  JobKey job;
  Environment environment;
  Wait wait = Wait::Yes;
  Requester requester = {};
};

/// A command on one instance that exists, named exactly. Its environment is kept.
struct InstanceRequest {
  RequestId id;
  Verb verb{};
  JobKey job;
  std::string instance;
  Wait wait = Wait::Yes;
  Requester requester = {};
};

/// Send the reload signal to the main process of an instance.
struct ReloadRequest {
  RequestId id;
  JobKey job;
  std::string instance;
  Requester requester = {};
};

/// Names one instance.
struct InstanceKey {
  JobKey job;
  std::string instance;
};

/// `KEY=VALUE`, or `KEY` for an empty value. With `replace` false, what is set stays.
struct SetVariables {
  Environment variables;
  bool replace = true;
};
struct UnsetVariables {
  std::vector<std::string> names;
};
/// Back to what the job environment was at first, or for an instance to that and its `env`.
struct ResetVariables {};

/// Change the job environment table, and with it every instance; or that of one instance
/// (spec/control.md 1.11). Processes started from then on see it.
struct EnvironmentRequest {
  RequestId id;
  std::optional<InstanceKey> instance;
  std::variant<SetVariables, UnsetVariables, ResetVariables> change;
};

/// Whoever made this request does not wait for its reply any more, and will get none.
struct ClientGone {
  RequestId id;
};

/// Why a child never came to run its program (spec/runtime.md 4.4).
struct SpawnFailure {
  int error = 0;            ///< errno of the failing step
  std::string description;  ///< the step and the error in words: "unable to change directory to
                            ///< /x: No such file or directory"
  /// The child could not be made at all (no memory, process, descriptor or pty left): worth
  /// another try later.
  bool temporary = false;
};

/// The answer to Platform::spawn(): the program is executing as this pid, or it never will.
/// Should arrive before any ProcessChange of the same process; an end that comes earlier is not
/// acted on before it (quirks Q2 and Q4).
struct SpawnResult {
  SpawnId id;
  std::expected<pid_t, SpawnFailure> outcome;
};

struct Exited {
  int status = 0;
};
struct Signalled {
  int signal = 0;
};
/// Stopped by a signal. Platform leaves it stopped until resume().
struct Stopped {
  int signal = 0;
};
/// A traced process forked; `child` is stopped and followed until resume() says otherwise.
struct Forked {
  pid_t child = 0;
};
/// A traced process executed another program; it is stopped until resume().
struct Executed {};
/// The process is gone and its status will never be known (Q13b).
struct Vanished {};
using Death = std::variant<Exited, Signalled, Vanished>;

/// The main process has ended, but a process that descends from it has become the manager's child:
/// the oldest such. It is watched from now on, and resume() says what becomes of it.
struct Orphaned {
  Death end;
  pid_t survivor = 0;
  int forks = 1;  ///< that led from the one to the other, as far as can be seen
  /// What has ended was the child of another process of the job, which still lives: a helper that
  /// was taken for the service.
  bool was_helper = false;
};
/// The process says that it is ready (`expect notify`, `expect fd`, `expect auto`).
struct Ready {};
/// It has not become ready, but rests (SpawnRequest::settles_after).
struct Settled {};
/// Another process of the tree is the main one from now on: the program has said so.
struct Replaced {
  pid_t pid = 0;
};
/// What the program says of itself, for people.
struct StatusText {
  std::string text;
};
/// It says that it begins to stop, or to reload, by itself.
struct Announced {
  enum class What { Stopping, Reloading };
  What what{};
};
/// A sign of life for the watchdog.
struct KeepAlive {};
/// It wants the watchdog to have this interval from now on.
struct WatchdogInterval {
  std::chrono::microseconds interval{};
};
/// It says that it is in trouble: as if the watchdog had expired.
struct WatchdogTrigger {};
/// It needs so long from now on to become ready, or to stop.
struct MoreTime {
  std::chrono::microseconds time{};
};

struct ProcessChange {
  SpawnId id;
  std::variant<Exited, Signalled, Stopped, Forked, Executed, Vanished, Orphaned, Ready, Settled,
               Replaced, StatusText, Announced, KeepAlive, WatchdogInterval, WatchdogTrigger,
               MoreTime>
      what;
};

/// Nothing is left of a tree that Platform::end_tree() was called for.
struct TreeEmptied {
  TreeId tree;
};

/// The best definition for a job name is now this one.
struct JobDefined {
  std::shared_ptr<const conf::JobDefinition> definition;
  std::string session = {};
};
/// No file defines this job any more.
struct JobUndefined {
  JobKey job;
};
using ConfChange = std::variant<JobDefined, JobUndefined>;

/// End the whole session (spec/runtime.md 6.7): stop every job, then say so through
/// Observer::session_ended().
struct EndSession {
  enum class Type { Logout, Shutdown };
  Type type = Type::Shutdown;
  Requester requester = {};
};

/// A deadline has come, or a turn ended with work left.
struct Tick {};

using Input =
    std::variant<EmitEvent, JobRequest, InstanceRequest, ReloadRequest, EnvironmentRequest,
                 ClientGone, SpawnResult, ProcessChange, TreeEmptied, ConfChange, EndSession, Tick>;

}  // namespace upkeep::core
