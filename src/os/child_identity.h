// The user and groups of a job: steps 15 to 18 of spec/runtime.md 4.3.
#pragma once

#include "os/child_setup.h"
#include "os/setup_report.h"

namespace upkeep::os {

/// Runs in a child with a memory of its own, with the job's environment: looks up the user and the
/// group of `setup`, which may take any time; hands over the script pipe `script` (-1: none) and
/// becomes the user. Adds HOME, USER, LOGNAME and SHELL of the user to the environment where it
/// lacks them. The error of the result is 0 if all went well.
[[nodiscard]] SetupReport assume_identity(const ChildSetup& setup, int script) noexcept;

}  // namespace upkeep::os
