// The making of the process itself: one that shares the manager's memory, or has a copy of it.
#pragma once

#include <expected>
#include <memory>

#include <sys/types.h>

#include "base/unique_fd.h"
#include "os/child_memory.h"
#include "os/setup_block.h"

namespace upkeep::os {

struct ChildProcess {
  pid_t pid = 0;
  UniqueFd pidfd;
  ChildMemoryHandle memory;  ///< of a child that shares ours
};

/// Whether this system lets a child share our memory. Found out by trying: a sandbox may refuse.
[[nodiscard]] bool can_share_memory();

/// Makes a child that runs run_child() on `block`, in the cgroup with the directory `cgroup` (-1:
/// ours). With `share` it shares our memory while we run on, unless that is refused. Fails with an
/// errno.
[[nodiscard]] std::expected<ChildProcess, int> create_child(std::unique_ptr<SetupBlock> block,
                                                            bool share, int cgroup);

}  // namespace upkeep::os
