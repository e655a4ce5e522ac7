// How the text of an `exec` or `script` becomes a program with arguments
// (spec/job-language.md 6). A pure decision: nothing is run here.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "conf/job_definition.h"

namespace upkeep::os {

/// The descriptor through which a shell reads a script of several lines.
inline constexpr int kScriptDescriptor = 9;

struct CommandLine {
  /// Never empty. The first is also the program, looked up in the job's PATH.
  std::vector<std::string> arguments;
  /// What the program is to read from kScriptDescriptor, if anything.
  std::optional<std::string> script;
};

/// Direct execution, `/bin/sh -e -c`, or `/bin/sh -e` on a script fed through a pipe. A command of
/// blanks alone gives the program "", which cannot be executed.
[[nodiscard]] CommandLine command_line(const conf::Command& command);

}  // namespace upkeep::os
