// Starts upkeep-logger: the code that runs between fork and exec.
#pragma once

#include <string>
#include <vector>

#include <sys/types.h>

#include "base/result.h"
#include "base/unique_fd.h"

namespace upkeep::log {

/// The logger finds its socket here.
inline constexpr int kControlDescriptor = 3;

struct LoggerProcess {
  pid_t pid = 0;
  UniqueFd socket;  ///< SEQPACKET, non-blocking, close-on-exec
};

/// Forks and executes `program` in a session of its own, with default signals, nothing open but
/// its socket and the caller's standard error. Does not wait for the exec: if that fails,
/// StartFailed comes over the socket. The caller must be single-threaded, and reap the process.
[[nodiscard]] Result<LoggerProcess> start_logger(const std::string& program,
                                                 const std::vector<std::string>& arguments);

}  // namespace upkeep::log
