// Calls that the core answers later. Each gets exactly one reply, unless its caller has gone.
#pragma once

#include <cstddef>
#include <optional>
#include <unordered_map>
#include <vector>

#include <systemd/sd-bus.h>

#include "control/object_path.h"
#include "core/reply.h"
#include "core/types.h"
#include "dbus/handles.h"

namespace upkeep::control {

/// The only source of request ids.
class PendingReplies {
 public:
  /// What a success carries.
  enum class Answer { Nothing, InstancePath };

  /// More calls of one connection than this are refused: a real client waits for a few.
  static constexpr std::size_t kMaxForOneConnection = 1024;

  /// Keeps what a reply to `call` needs until answer() or forget(); nothing if its connection has
  /// too many already.
  [[nodiscard]] std::optional<core::RequestId> add(sd_bus_message* call, Answer answer);

  void answer(core::RequestId id, const core::Reply& reply, const InstancePaths& paths);

  /// The connection has gone, and nobody waits for its replies. Returns whose they were.
  std::vector<core::RequestId> forget(sd_bus* connection);

  [[nodiscard]] std::size_t size() const { return calls_.size(); }

 private:
  struct Call {
    dbus::Message message;
    Answer answer;
  };

  std::unordered_map<core::RequestId, Call> calls_;
  std::unordered_map<sd_bus*, std::size_t> counts_;  ///< calls of each connection that has any
  core::RequestId last_;
};

}  // namespace upkeep::control
