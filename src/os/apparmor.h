// Whether AppArmor is there to be used (spec/runtime.md 4.11).
#pragma once

#include <string>

namespace upkeep::os {

/// True if the kernel has it switched on, its parser can be executed, and we are neither in a
/// container nor on an installation medium. `root` comes before all paths, for tests.
[[nodiscard]] bool apparmor_usable(const std::string& root = "");

}  // namespace upkeep::os
