// Asks the shell whether it can read a script.
#pragma once

#include <optional>
#include <string>

#include "base/result.h"

namespace upkeep::check {

/// What `/bin/sh -n` says against `script`, as printable lines; nothing if it accepts it. No
/// command of the script is run. The shell has ten seconds, and what it says is cut at some KiB.
/// An Error means that it could not be asked, or did not answer: the script may be valid.
[[nodiscard]] Result<std::optional<std::string>> find_shell_error(const std::string& script);

}  // namespace upkeep::check
