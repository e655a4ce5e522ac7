// The pipe on which a process says that it is ready by writing a newline (`expect fd`), as s6 has
// it.
#pragma once

#include <functional>
#include <memory>

#include <systemd/sd-event.h>

#include "base/result.h"
#include "base/unique_fd.h"
#include "loop/handles.h"

namespace upkeep::os {

/// After the first newline whatever else comes is read and dropped, so that a service which goes on
/// writing is neither held up nor killed by SIGPIPE. The pipe is closed when its last writer has
/// closed it, or with this object. A flood is held back to a rate that leaves the loop almost idle.
class ReadyPipe {
 public:
  struct Hooks {
    std::function<void()> on_ready;   ///< the first newline has come
    std::function<void()> on_closed;  ///< nobody is left who could write one
  };

  /// Makes `reading_end` non-blocking. At most one hook is called, once, from the event loop or
  /// from look(); it may destroy the pipe.
  [[nodiscard]] static Result<std::unique_ptr<ReadyPipe>> create(sd_event* loop,
                                                                 UniqueFd reading_end, Hooks hooks);

  /// Reads now what is waiting, within a bound: for the moment when the writer is known to have
  /// ended, since what it has said comes before its end. Not from inside a hook.
  void look();

 private:
  ReadyPipe(UniqueFd reading_end, Hooks hooks)
      : hooks_(std::move(hooks)), reading_end_(std::move(reading_end)) {}
  static int on_readable(sd_event_source*, int, uint32_t, void* self) noexcept;
  void read_some(int reads);
  void close();

  Hooks hooks_;  ///< empty once one of them has been called
  UniqueFd reading_end_;
  loop::EventSource source_;
};

}  // namespace upkeep::os
