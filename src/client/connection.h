// One connection to a manager, and calls over it.
#pragma once

#include <expected>
#include <functional>
#include <string>

#include "base/result.h"
#include "client/endpoint.h"
#include "dbus/handles.h"

namespace upkeep::client {

/// An error reply. Tools branch on the name and print the message.
struct CallError {
  std::string name;
  std::string message;
};

template <typename T>
using Outcome = std::expected<T, CallError>;

class Connection {
 public:
  /// Adds the arguments of a call; below 0 for an errno.
  using Append = std::function<int(sd_bus_message*)>;

  /// Connects and authenticates. The error is complete: `Unable to connect to Upstart: ...`.
  static Result<Connection> open(const Endpoint& endpoint);

  /// Calls a method and waits for its reply, however long that takes. Signals that arrive
  /// meanwhile are dropped.
  [[nodiscard]] Outcome<dbus::Message> call(const std::string& path, const char* interface,
                                            const char* member, const Append& append = {});

 private:
  Connection(dbus::Bus bus, std::string destination)
      : bus_(std::move(bus)), destination_(std::move(destination)) {}

  dbus::Bus bus_;
  std::string destination_;  ///< empty: there is only the manager at the other end
};

/// The error of a reply that cannot be read.
[[nodiscard]] CallError malformed_reply(int error);

}  // namespace upkeep::client
