// The descriptors that came with events (spec/control.md 1.11, EmitEventWithFile).
#pragma once

#include <cstddef>
#include <memory>

#include "base/result.h"
#include "core/event_file.h"

namespace upkeep::control {

class EventFiles {
 public:
  /// More at a time are refused, of all clients together: each is a descriptor that the manager has
  /// not for its own work, for as long as the jobs live that it was given to.
  static constexpr std::size_t kMax = 256;

  /// Keeps a duplicate of `descriptor`, which stays the caller's. The duplicate is close-on-exec
  /// and clear of the numbers that processes and scripts use for themselves (Q17).
  [[nodiscard]] Result<std::shared_ptr<const core::EventFile>> keep(int descriptor);

  /// Those that somebody still owns.
  [[nodiscard]] std::size_t size() const { return *count_; }

 private:
  /// Shared with the files, which may outlive this.
  std::shared_ptr<std::size_t> count_ = std::make_shared<std::size_t>(0);
};

}  // namespace upkeep::control
