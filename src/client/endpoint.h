// Which manager a tool talks to (spec/control.md 2.2).
#pragma once

#include <expected>
#include <optional>
#include <string>

namespace upkeep::client {

/// What the command line asks for.
struct EndpointOptions {
  bool user = false;                                      ///< --user
  bool session = false;                                   ///< --session
  bool system = false;                                    ///< --system
  std::optional<std::string> destination = std::nullopt;  ///< --dest
};

/// What the choice depends on besides.
struct Surroundings {
  std::optional<std::string> upstart_session = std::nullopt;  ///< the variable UPSTART_SESSION
  bool root = false;
};

struct Endpoint {
  enum class Kind {
    UserSocket,    ///< the private socket of a session init
    SystemSocket,  ///< the private socket of process 1
    SystemBus,
    SessionBus,
  };

  Kind kind = Kind::SystemBus;
  std::string address;      ///< sockets only
  std::string destination;  ///< the bus name; buses only

  friend bool operator==(const Endpoint&, const Endpoint&) = default;
};

struct EndpointError {
  enum class Kind { Usage, Failure };  ///< whether the command line is to blame
  Kind kind = Kind::Failure;
  std::string message;
};

[[nodiscard]] std::expected<Endpoint, EndpointError> choose_endpoint(
    const EndpointOptions& options, const Surroundings& surroundings);

}  // namespace upkeep::client
