// The jobs whose states are explored: every pair of features occurs in one of them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "conf/job_definition.h"

namespace upkeep::statespace {

/// What matters for the states of one job. Everything else of its file has no influence on them.
struct Shape {
  enum class Kind { Service, Task };
  enum class Respawn { No, Once, Always };  ///< Once: a second end within 2 s is refused
  enum class Expect { NoMain, None, Stop, Fork, Daemon, Auto, Notify };
  enum class Conditions {
    Plain,       ///< up starts it, down stops it, both does both
    StopAnd,     ///< down stops it only together with also
    StartAnd,    ///< up starts it only together with also
    StopOnOwn,   ///< down stops it only together with its own `stopping` (Q16)
    StartOnOwn,  ///< its own `stopping` starts it, too (Q16)
  };
  /// Which of its events a task hooks on, which keeps the job waiting until the explorer ends it.
  enum class Guard { No, Starting, Stopping, Both };
  enum class Changes { No, Definition, Shutdown, Logout };

  Kind kind = Kind::Service;
  Expect expect = Expect::None;  ///< of the main process, or that there is none
  Respawn respawn = Respawn::No;
  bool tmpfiles = false;
  bool pre_start = false;
  bool post_start = false;
  bool pre_stop = false;
  bool post_stop = false;
  bool kill_at_once = false;  ///< kill timeout 0, else 2
  bool normal_exit = false;   ///< exit status 1 and TERM are normal
  bool kill_tree = false;     ///< all that the job has started is ended with it
  bool timeout = false;       ///< main has to be ready in 3 s
  Conditions conditions = Conditions::Plain;
  Guard guard = Guard::No;
  Changes changes = Changes::No;

  [[nodiscard]] bool has_main() const { return expect != Expect::NoMain; }
  /// Whether forks are counted, and whether main says itself that it is ready.
  [[nodiscard]] bool counts_forks() const {
    return expect == Expect::Fork || expect == Expect::Daemon;
  }
  [[nodiscard]] bool says_ready() const {
    return expect == Expect::Auto || expect == Expect::Notify;
  }
  [[nodiscard]] bool stops_itself() const {
    return expect == Expect::Stop || expect == Expect::Auto;
  }
  [[nodiscard]] bool has_guard() const { return guard != Guard::No || changes == Changes::Logout; }

  /// Values of all features, as small numbers, in the order above.
  [[nodiscard]] std::vector<int> features() const;
  /// A word for each feature, joined by '_': the name of the test.
  [[nodiscard]] std::string name() const;

  /// The job file. `other`: of the definition that may replace it, without hooks and with plain
  /// conditions.
  [[nodiscard]] std::string job_text(bool other) const;
  [[nodiscard]] std::string guard_text() const;
};

/// How many values each feature has, in the order of Shape::features().
[[nodiscard]] const std::vector<int>& feature_sizes();

/// Whether a shape may have both values; a job without main can tell nobody that it is ready.
[[nodiscard]] bool may_meet(std::size_t feature, int value, std::size_t other, int other_value);

/// The shapes that are explored.
[[nodiscard]] const std::vector<Shape>& shapes();

/// Parsed by the real parser; dies with a message if the text is not a job.
[[nodiscard]] std::shared_ptr<const conf::JobDefinition> parse(const std::string& name,
                                                               const std::string& text);

}  // namespace upkeep::statespace
