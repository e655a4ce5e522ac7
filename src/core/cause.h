// Why a job is in its state: a chain of causes that leads back to the first one.
//
// A command, an event from outside, or a changed file is a first cause. What follows from it has a
// link to it: a job's event to what moved the job, a started job to its event, a respawn to the end
// of a process. Links are shared, so that a thousand jobs started by one event cost one link each.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "core/types.h"

namespace upkeep::core {

class Cause;
using CausePtr = std::shared_ptr<const Cause>;

/// How a process came to its end.
struct ProcessEnd {
  std::optional<int> exit_status = std::nullopt;
  std::optional<int> exit_signal = std::nullopt;  ///< neither: it vanished

  [[nodiscard]] bool clean() const { return exit_status == 0; }
  /// As `normal exit` and the Failed signal count it: status, or signal × 256.
  [[nodiscard]] int encoded() const;
};

/// One link of the chain.
class Cause : public std::enable_shared_from_this<Cause> {
  struct Private {};

 public:
  /// A client's command on an instance. `caller` is unknown if the connection did not tell.
  struct Command {
    Verb verb{};
    std::string instance;
    std::optional<Caller> caller;
  };
  /// An event from outside; without a caller from the manager itself, as `startup`.
  struct Emission {
    std::string event;
    std::optional<Caller> caller;
  };
  /// An event that an instance emitted.
  struct JobEvent {
    std::string event;  ///< starting, started, stopping or stopped
    JobKey job;
    std::string instance;  ///< as people read it: "job", or "job (instance)"
  };
  /// The event that tells that the event before has failed (spec/runtime.md 3.4).
  struct EventFailed {
    std::string event;  ///< "starting/failed"
  };
  /// Several events made a condition true; the chain goes on with the last of them.
  struct Condition {
    std::string events;  ///< names, separated by blanks
  };
  /// What the end of a process meant to its instance.
  enum class Verdict { Finished, Respawned, RespawnLimit, Failed };
  struct ProcessEnded {
    std::string instance;
    ProcessType process{};
    ProcessEnd end;
    Verdict verdict{};
  };
  struct SpawnFailed {
    std::string instance;
    ProcessType process{};
    std::string reason;
  };
  /// The processes did not end within the kill timeout and got KILL.
  struct KillTimeout {
    std::string instance;
    bool main = true;  ///< main itself lived; else only what it had left behind (`kill mode tree`)
  };
  /// Main did not become ready in time.
  struct NotReady {
    std::string instance;
    std::string lacking;  ///< what had not happened
  };
  /// Main gave no sign of life.
  struct WatchdogExpired {
    std::string instance;
  };
  /// A new definition was complete with the events its predecessor had seen.
  struct DefinitionChanged {
    std::string job;
  };
  struct SessionEnded {
    std::optional<Caller> caller;
  };
  /// So many links were left out here, to bound the chain.
  struct Skipped {
    std::size_t links = 0;
  };
  using What = std::variant<Command, Emission, JobEvent, EventFailed, Condition, ProcessEnded,
                            SpawnFailed, KillTimeout, NotReady, WatchdogExpired, DefinitionChanged,
                            SessionEnded, Skipped>;

  /// Most links that hang on one another; beyond, the middle of the chain is left out.
  static constexpr std::size_t kLongestChain = 128;

  /// A new link. Without `previous` it is a first cause.
  [[nodiscard]] static CausePtr create(What what, TimePoint when, CausePtr previous = nullptr);

  [[nodiscard]] const What& what() const { return what_; }
  [[nodiscard]] TimePoint when() const { return when_; }
  /// What this followed from; null for a first cause.
  [[nodiscard]] const CausePtr& previous() const { return previous_; }
  /// Links that came before this one, those left out included.
  [[nodiscard]] std::size_t depth() const { return depth_; }

  /// Where the chain begins; this itself if it is a first cause.
  [[nodiscard]] const Cause& first() const { return first_ == nullptr ? *this : *first_; }

  /// One line for a person: "event started from db", "start by uid 0, pid 17".
  [[nodiscard]] std::string text() const;

  /// For create() alone.
  Cause(Private, What what, TimePoint when, CausePtr previous);

 private:
  static CausePtr shorten(const CausePtr& chain);

  What what_;
  TimePoint when_;
  CausePtr previous_;
  const Cause* first_ = nullptr;  ///< kept alive by the chain
  std::size_t depth_ = 0;
  std::size_t links_ = 0;  ///< that hang on this one
};

/// The whole chain as lines, the newest first.
[[nodiscard]] std::vector<std::string> explain(const CausePtr& cause);

}  // namespace upkeep::core
