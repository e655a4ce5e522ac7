// What a child says to the manager when it cannot become the program it should
// (spec/runtime.md 4.4), and how that is put into words.
#pragma once

#include <string>
#include <type_traits>
#include <vector>

#include "conf/job_definition.h"
#include "core/input.h"

namespace upkeep::os {

/// The steps of spec/runtime.md 4.3 that can go wrong.
enum class SetupStep {
  Descriptors,
  Cgroup,
  CgroupJoin,
  Terminal,
  ReadyPipe,
  ScriptPipe,
  Session,
  NullDevice,
  StandardStreams,
  ConsoleMissing,  ///< a warning only: /dev/null is used instead
  ConsoleOwner,
  Profile,
  Limit,
  Nice,
  OomScore,
  SessionRoot,
  Chroot,
  Directory,
  UserLookup,
  UnknownUser,
  GroupLookup,
  UnknownGroup,
  ScriptOwner,
  Groups,
  GroupId,
  UserId,
  TraceRefused,  ///< a warning only: forks are not followed
  Execute,
};

/// Written to the error pipe in one piece, which a pipe never splits at this size.
struct SetupReport {
  SetupStep step{};
  int error = 0;     ///< errno
  int argument = 0;  ///< of Limit: index into JobDefinition::limits; of CgroupJoin: into
                     ///< SetupNames::cgroups; of ReadyPipe: the descriptor
};
static_assert(std::is_trivially_copyable_v<SetupReport>);

/// After a warning the child goes on; after any other report it has given up.
[[nodiscard]] constexpr bool is_warning(SetupStep step) {
  return step == SetupStep::ConsoleMissing || step == SetupStep::TraceRefused;
}

/// What the steps are about, as far as the job file does not say it.
struct SetupNames {
  std::string program = {};               ///< that was to be executed
  std::string directory = {};             ///< to be entered; empty if none
  std::string session = {};               ///< root of a chroot session; empty if none
  std::string cgroup = {};                ///< to be born in
  std::vector<std::string> cgroups = {};  ///< to be entered as well
};

/// The report in the words of what the user can mend.
[[nodiscard]] core::SpawnFailure describe(const SetupReport& report,
                                          const conf::JobDefinition& definition,
                                          const SetupNames& names);

}  // namespace upkeep::os
