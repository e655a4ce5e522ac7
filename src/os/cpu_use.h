// How much processor time a process and its descendants have used, from /proc.
#pragma once

#include <chrono>
#include <vector>

#include <sys/types.h>

namespace upkeep::os {

struct CpuUse {
  /// Together, with what children that have ended and been waited for had used. Goes back when a
  /// process ends that nobody waits for.
  std::chrono::microseconds used{};
  int alive = 0;      ///< processes, without zombies
  bool busy = false;  ///< one of them was running, waiting for a processor, or waiting for a device
};

/// Looks at `roots` and their descendants: at no more than 256 processes, and for children at no
/// more than 256 threads. What cannot be read is left out. Needs CONFIG_PROC_CHILDREN for
/// descendants.
[[nodiscard]] CpuUse cpu_use(const std::vector<pid_t>& roots);

/// The steps in which the kernel tells processor time.
[[nodiscard]] std::chrono::microseconds cpu_use_precision();

}  // namespace upkeep::os
