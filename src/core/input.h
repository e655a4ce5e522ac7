// Everything that can happen to the manager. One variant, one door: ServiceManager::handle().
#pragma once

#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include <sys/types.h>

#include "base/strings.h"
#include "core/types.h"

namespace upkeep::core {

/// Queue an event. Without `request` nobody waits for it.
struct EmitEvent {
  std::string name;
  Environment environment;
  std::optional<RequestId> request = std::nullopt;
  Wait wait = Wait::No;
};

enum class Verb { Start, Stop, Restart };

/// A command on a job: the instance is found by expanding the `instance` stanza over the job's
/// environment and the given variables (spec/runtime.md 2.9).
struct JobRequest {
  RequestId id;
  Verb verb{};
  std::string job;
  Environment environment;
  Wait wait = Wait::Yes;
};

/// A command on one instance that exists, named exactly. Its environment is kept.
struct InstanceRequest {
  RequestId id;
  Verb verb{};
  std::string job;
  std::string instance;
  Wait wait = Wait::Yes;
};

/// Send the reload signal to the main process of an instance.
struct ReloadRequest {
  RequestId id;
  std::string job;
  std::string instance;
};

/// Why a child never came to run its program (spec/runtime.md 4.4).
struct SpawnFailure {
  int error = 0;            ///< errno of the failing step
  std::string description;  ///< the step and the error in words: "unable to change directory to
                            ///< /x: No such file or directory"
};

/// The answer to Platform::spawn(): the program is executing as this pid, or it never will.
/// Always arrives before any ProcessChange of the same process (quirks Q2 and Q4).
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

struct ProcessChange {
  SpawnId id;
  std::variant<Exited, Signalled, Stopped, Forked, Executed, Vanished> what;
};

/// The best definition for a job name is now this one.
struct JobDefined {
  std::shared_ptr<const conf::JobDefinition> definition;
};
/// No file defines this job any more.
struct JobUndefined {
  std::string name;
};
using ConfChange = std::variant<JobDefined, JobUndefined>;

/// End the whole session (spec/runtime.md 6.7): stop every job, then say so through
/// Observer::session_ended().
struct EndSession {
  enum class Type { Logout, Shutdown };
  Type type = Type::Shutdown;
};

/// A deadline has come, or a turn ended with work left.
struct Tick {};

using Input = std::variant<EmitEvent, JobRequest, InstanceRequest, ReloadRequest, SpawnResult,
                           ProcessChange, ConfChange, EndSession, Tick>;

}  // namespace upkeep::core
