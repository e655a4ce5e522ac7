// A scenario as plain values: jobs, the programs they run, and a timeline of what happens to them.
// As text it is a `.scn` file that reads like a page (tests/sim/README.md). Random schedules are
// the same values, drawn by dice: printed when they fail, and made smaller by leaving out jobs,
// lines, programs and actions.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "sim/program.h"

#include "base/result.h"
#include "base/strings.h"
#include "core/input.h"

namespace upkeep::sim {

/// A job and the lines of its file.
struct JobText {
  std::string name;
  std::vector<std::string> lines;  ///< without their line feeds
  friend bool operator==(const JobText&, const JobText&) = default;
};

/// What one run of a process does. The first entry for a job and a process is its first run, the
/// second its second; the last repeats. Without an entry main runs for ever and the others end.
struct ProgramRun {
  std::string job;
  core::ProcessType process{};
  Program program;
  friend bool operator==(const ProgramRun&, const ProgramRun&) = default;
};

/// A job file appears or changes.
struct Define {
  JobText job;
  friend bool operator==(const Define&, const Define&) = default;
};

/// A job file goes away.
struct Undefine {
  std::string job;
  friend bool operator==(const Undefine&, const Undefine&) = default;
};

/// A client emits an event.
struct Emit {
  std::string event;
  Environment variables;
  core::Wait wait = core::Wait::Yes;
  std::string label = {};  ///< what the trace calls the request; empty: a number
  friend bool operator==(const Emit&, const Emit&) = default;
};

/// A client starts, stops or restarts a job.
struct Command {
  core::Verb verb{};
  std::string job;
  std::optional<std::string> instance = std::nullopt;  ///< exactly this one; then no variables
  Environment variables = {};
  core::Wait wait = core::Wait::Yes;
  std::string label = {};
  friend bool operator==(const Command&, const Command&) = default;
};

/// A client asks for the reload signal.
struct Reload {
  std::string job;
  std::string instance = {};
  std::string label = {};
  friend bool operator==(const Reload&, const Reload&) = default;
};

/// Something outside of the manager sends a signal to a process of a job.
struct Harm {
  enum class Effect {
    Kill,     ///< it dies by the signal
    Suspend,  ///< it is stopped by the signal
  };
  Effect effect{};
  std::string job;
  core::ProcessType process{};
  int signal = 0;
  std::string instance = {};
  friend bool operator==(const Harm&, const Harm&) = default;
};

/// The session ends.
struct End {
  core::EndSession::Type type{};
  friend bool operator==(const End&, const End&) = default;
};

/// The client that sent the request with this label has gone away.
struct ClientGone {
  std::string label;
  friend bool operator==(const ClientGone&, const ClientGone&) = default;
};

/// A client changes the job environment table, or that of one instance.
struct ChangeEnvironment {
  enum class Change { Set, Unset, Reset };
  Change change{};
  Environment variables = {};                     ///< names for Unset, none for Reset
  std::optional<std::string> job = std::nullopt;  ///< nothing: the table of all jobs
  std::string instance = {};                      ///< of that job
  bool replace = true;                            ///< with Set: what is set does not stay
  std::string label = {};
  friend bool operator==(const ChangeEnvironment&, const ChangeEnvironment&) = default;
};

/// At this time an instance has this status; "stop/waiting" is that of one that does not exist.
struct ExpectStatus {
  std::string job;
  std::string status;  ///< goal/state
  std::string instance = {};
  friend bool operator==(const ExpectStatus&, const ExpectStatus&) = default;
};

/// At this time the last request with this label has this outcome.
struct ExpectReply {
  std::string label;
  std::string outcome;  ///< "ok", "waiting", or the message of the error
  friend bool operator==(const ExpectReply&, const ExpectReply&) = default;
};

/// Up to this time a process of a job, of all its instances, was started so many times.
struct ExpectRuns {
  std::string job;
  core::ProcessType process{};
  int count = 0;
  friend bool operator==(const ExpectRuns&, const ExpectRuns&) = default;
};

using Action = std::variant<Define, Undefine, Emit, Command, Reload, Harm, End, ClientGone,
                            ChangeEnvironment, ExpectStatus, ExpectReply, ExpectRuns>;

struct TimedAction {
  Duration at{};  ///< since the beginning; never before the action that stands above
  Action action;
  friend bool operator==(const TimedAction&, const TimedAction&) = default;
};

/// Ends of processes are told of in lots, as after a long turn: at multiples of a time.
struct Lots {
  Duration every{};           ///< over 0
  bool latest_first = false;  ///< within a lot
  friend bool operator==(const Lots&, const Lots&) = default;
};

/// What happens after the timeline.
enum class Finale {
  None,
  /// Everything is stopped, every job undefined: nothing may be left then.
  StopAll,
  /// The same, but jobs may trigger each other without end, if the manager tells of it.
  StopAllCycles,
};

struct ScenarioFile {
  std::vector<std::string> comment;        ///< the lines that open the file, without `# `
  Environment job_environment = {};        ///< what every job starts with (PATH, TERM)
  Environment daemon_environment = {};     ///< what `env KEY` copies from
  std::vector<JobText> jobs = {};          ///< defined at the beginning, in this order
  std::vector<ProgramRun> programs = {};   ///< see ProgramRun
  std::vector<TimedAction> timeline = {};  ///< in the order of time
  /// When to look away. Nothing: when all has come to rest.
  std::optional<Duration> until = std::nullopt;
  Finale finale = Finale::None;             ///< not together with `until`
  bool apparmor = false;                    ///< the system can load profiles
  bool reuses_pids = false;                 ///< the lowest pid that is free is taken next
  std::optional<Lots> lots = std::nullopt;  ///< nothing: each end is told of at once

  friend bool operator==(const ScenarioFile&, const ScenarioFile&) = default;

  /// Reads the text of a `.scn` file. The error begins with `line N: `. Bounds: see the parser.
  [[nodiscard]] static Result<ScenarioFile> parse(std::string_view text);

  /// The text that parse() reads back as these values, for any values within the bounds of
  /// parse() and without line feed or NUL in `comment` and in the lines of jobs.
  [[nodiscard]] std::string print() const;
};

}  // namespace upkeep::sim
