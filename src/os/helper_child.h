// Work that could hold up the manager, done by a child that lives for a moment.
#pragma once

#include <optional>
#include <vector>

#include <sys/types.h>
#include <unistd.h>

#include "base/unique_fd.h"

namespace upkeep::os {

/// Forks a child that does `work` and exits. It holds none of the caller's descriptors but `kept`
/// (or a pipe of the manager would stay open for its sake), and a signal ends it after ten seconds.
/// Whoever reaps the caller's children need not care about the pid, which is returned; nothing if
/// there can be no child now. The caller must have one thread.
template <typename Work>
std::optional<pid_t> start_helper(std::vector<int> kept, Work work);

/// Closes a descriptor whose last close may take long: a lingering TCP socket for example makes it
/// wait, also one that waits to be received from a socket. Does it itself if no child can be made.
void close_by_helper(UniqueFd descriptor);

// ---- Implementation --------------------------------------------------------------------------

/// Makes a new child the helper.
void become_helper(std::vector<int> kept);

template <typename Work>
std::optional<pid_t> start_helper(std::vector<int> kept, Work work) {
  const pid_t pid = ::fork();
  if (pid < 0) return std::nullopt;
  if (pid > 0) return pid;
  become_helper(std::move(kept));
  work();
  ::_exit(0);
}

}  // namespace upkeep::os
