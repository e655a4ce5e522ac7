// The session inits that run, by the files they leave (spec/control.md 1.2, 2.8).
#pragma once

#include <expected>
#include <string>
#include <vector>

#include <sys/types.h>

#include "base/result.h"

namespace upkeep::tools {

struct SessionList {
  struct Session {
    pid_t pid;
    std::string address;
  };
  std::vector<Session> sessions;   ///< by pid
  std::vector<std::string> stale;  ///< files whose process has gone
};

/// Reads the folder of session files. Fails with `unable to determine sessions`.
[[nodiscard]] Result<SessionList> read_sessions(const std::string& folder);

}  // namespace upkeep::tools
