// Standard error for programs that must never wait for whoever reads it.
#pragma once

#include <string_view>

#include "base/unique_fd.h"

namespace upkeep::log {

/// What finds no room is dropped: a terminal that was halted or a pipe that nobody reads would
/// otherwise stop the manager, and with it every service.
class StandardError {
 public:
  StandardError();
  void write(std::string_view text) const;

 private:
  UniqueFd own_;  ///< of a terminal or pipe, and non-blocking
};

}  // namespace upkeep::log
