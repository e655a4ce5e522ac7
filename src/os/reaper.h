// Asks the kernel what has become of the children (spec/runtime.md 4.7).
#pragma once

#include <functional>
#include <memory>

#include <sys/types.h>
#include <systemd/sd-event.h>

#include "base/result.h"
#include "base/unique_fd.h"
#include "loop/handles.h"

namespace upkeep::os {

/// What happened to a child or to a traced process.
struct ChildStatus {
  enum class Kind { Exited, Killed, Stopped, Trapped };
  pid_t pid = 0;
  Kind kind{};
  int value = 0;  ///< exit status or signal; Trapped: signal, and the ptrace event << 8
};

/// Reports every end, stop and trace stop of every child, known or not. An end is reported before
/// the zombie is collected, so that its pid cannot have been given to anybody else meanwhile.
class Reaper {
 public:
  using Report = std::function<void(const ChildStatus&)>;

  /// Reports are made from the event loop only, ahead of anything else it has to do, but in
  /// portions: dying children cannot keep the loop from other work. Blocks SIGCHLD in the caller.
  [[nodiscard]] static Result<std::unique_ptr<Reaper>> create(sd_event* loop, Report report);

  /// Looks now; only from a handler of the event loop, not from inside a report.
  void look();

 private:
  explicit Reaper(Report report) : report_(std::move(report)) {}
  static int on_signal(sd_event_source*, int, uint32_t, void* self) noexcept;
  static int on_again(sd_event_source*, void* self) noexcept;
  bool reap_some();

  Report report_;
  UniqueFd signal_fd_;
  loop::EventSource signal_;
  loop::EventSource again_;
};

}  // namespace upkeep::os
