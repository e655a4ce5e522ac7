// Where the daemon's own messages go: standard error, or the kernel's log (spec/runtime.md 6.1,
// job-language.md 7.1).
#pragma once

#include <string>
#include <string_view>

#include "base/unique_fd.h"
#include "core/types.h"
#include "log/standard_error.h"

namespace upkeep::daemon {

class MessageLog {
 public:
  enum class Target {
    StandardError,
    Kernel,  ///< /dev/kmsg, for a process 1 whose console will be closed
  };
  /// Falls back to standard error if the kernel's log cannot be opened.
  MessageLog(Target target, core::Priority threshold);

  [[nodiscard]] core::Priority threshold() const { return threshold_; }
  void set_threshold(core::Priority threshold) { threshold_ = threshold; }
  [[nodiscard]] bool wants(core::Priority priority) const { return priority >= threshold_; }

  /// What a terminal would obey is shown as \xNN. Never blocks: with nobody reading, text is lost.
  void write(core::Priority priority, std::string_view text);

  /// `init: TEXT`, or `init:TEXT` if the text begins with a word that has a colon, a path with
  /// its line for example: tools look for that shape.
  [[nodiscard]] static std::string prefixed(std::string_view text);

 private:
  UniqueFd kernel_;
  log::StandardError standard_error_;
  core::Priority threshold_;
};

}  // namespace upkeep::daemon
