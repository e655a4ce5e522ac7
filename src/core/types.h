// The words of the model: goals, states, time (spec/runtime.md 1.2, 1.3).
#pragma once

#include <array>
#include <chrono>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <sys/types.h>

#include "base/strong_id.h"
#include "conf/job_definition.h"

namespace upkeep::core {

using conf::ProcessType;

/// Monotonic time, always handed in: there is no now() for the core to call.
struct MonotonicClock {
  using rep = std::int64_t;
  using period = std::nano;
  using duration = std::chrono::nanoseconds;
  using time_point = std::chrono::time_point<MonotonicClock>;
  static constexpr bool is_steady = true;
};
using TimePoint = MonotonicClock::time_point;

/// One attempt to run one process. Never used twice, so that a recycled pid can mislead nobody.
using SpawnId = StrongId<struct SpawnIdTag>;

/// Everything that one instance has started since it exists, with all descendants.
using TreeId = StrongId<struct TreeIdTag>;

/// One request of a client that expects exactly one reply.
using RequestId = StrongId<struct RequestIdTag>;

/// What an instance strives for. Respawn is a marker: main has died and is to be restarted once a
/// post-start or pre-stop process that is still running has ended.
enum class Goal { Stop, Start, Respawn };
[[nodiscard]] std::string_view to_string(Goal goal);

enum class State {
  Waiting,
  Starting,
  SecuritySpawning,
  Security,
  PreStarting,
  PreStart,
  Spawning,
  Spawned,
  PostStarting,
  PostStart,
  Running,
  PreStopping,
  PreStop,
  Stopping,
  Killed,
  PostStopping,
  PostStop,
};
inline constexpr std::size_t kStates = 17;
[[nodiscard]] std::string_view to_string(State state);

/// Names a job class: each session has its own (spec/runtime.md 1.1). The session is the root
/// directory of a chroot session; empty is the null session, where everything else lives.
struct JobKey {
  std::string session;
  std::string name;

  /// In the null session.
  JobKey(std::string job) : name(std::move(job)) {}  // NOLINT: a name is a key
  JobKey(const char* job) : name(job) {}             // NOLINT
  JobKey(std::string session_root, std::string job)
      : session(std::move(session_root)), name(std::move(job)) {}

  friend auto operator<=>(const JobKey&, const JobKey&) = default;
};

/// What a client can ask of a job.
enum class Verb { Start, Stop, Restart };
[[nodiscard]] std::string_view to_string(Verb verb);

/// A client as the kernel vouches for it.
struct Caller {
  uid_t uid = 0;
  pid_t pid = 0;

  friend bool operator==(const Caller&, const Caller&) = default;
};

/// Where a request comes from: the session whose jobs it may change, and who asks, if that is
/// known.
struct Requester {
  std::string session = {};
  std::optional<Caller> caller = std::nullopt;
};

/// Importance of a message, in the order of `initctl log-priority`.
enum class Priority { Debug, Info, Message, Warning, Error, Fatal };
[[nodiscard]] std::string_view to_string(Priority priority);

/// Whether a requester wants its reply when the request is accepted or when it has been carried
/// out.
enum class Wait { No, Yes };

}  // namespace upkeep::core
