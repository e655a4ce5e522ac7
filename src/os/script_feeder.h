// Writes scripts of several lines into the pipes from which their shells read them
// (spec/job-language.md 6), a pipe's worth at a time.
#pragma once

#include <string>
#include <unordered_map>

#include <systemd/sd-event.h>

#include "base/result.h"
#include "base/unique_fd.h"
#include "core/types.h"
#include "loop/handles.h"

namespace upkeep::os {

class ScriptFeeder {
 public:
  explicit ScriptFeeder(sd_event* loop) : loop_(loop) {}

  /// Writes all of `script` to `pipe` (non-blocking) as the reader makes room, then closes it. A
  /// reader that goes away ends it early. Expects SIGPIPE to be ignored.
  [[nodiscard]] Result<void> feed(core::SpawnId id, UniqueFd pipe, std::string script);

  /// Nobody is left who could want the rest.
  void stop(core::SpawnId id) { deliveries_.erase(id); }

 private:
  struct Delivery {
    ScriptFeeder* feeder = nullptr;
    core::SpawnId id;
    std::string script;
    std::size_t written = 0;
    UniqueFd pipe;
    loop::EventSource source;
  };
  static int on_writable(sd_event_source*, int, uint32_t, void* delivery) noexcept;
  /// Whether there is more to come.
  static bool write_some(Delivery& delivery);

  sd_event* loop_;
  std::unordered_map<core::SpawnId, Delivery> deliveries_;
};

}  // namespace upkeep::os
