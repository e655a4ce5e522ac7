// What a child says to the manager when it cannot become the program it should
// (spec/runtime.md 4.4), and how that is put into words.
#pragma once

#include <string>
#include <type_traits>

#include "conf/job_definition.h"
#include "core/input.h"

namespace upkeep::os {

/// The steps of spec/runtime.md 4.3 that can go wrong.
enum class SetupStep {
  Descriptors,
  Terminal,
  ScriptPipe,
  Session,
  NullDevice,
  StandardStreams,
  ConsoleMissing,  ///< a warning only: /dev/null is used instead
  ConsoleOwner,
  Limit,
  Nice,
  OomScore,
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
  Trace,
  Execute,
};

/// Written to the error pipe in one piece, which a pipe never splits at this size.
struct SetupReport {
  SetupStep step{};
  int error = 0;     ///< errno
  int argument = 0;  ///< for Limit: index into JobDefinition::limits
};
static_assert(std::is_trivially_copyable_v<SetupReport>);

/// After a warning the child goes on; after any other report it has given up.
[[nodiscard]] constexpr bool is_warning(SetupStep step) {
  return step == SetupStep::ConsoleMissing;
}

/// The report in the words of what the user can mend. `program` and `directory` are what the child
/// was to execute and to enter.
[[nodiscard]] core::SpawnFailure describe(const SetupReport& report,
                                          const conf::JobDefinition& definition,
                                          const std::string& program, const std::string& directory);

}  // namespace upkeep::os
