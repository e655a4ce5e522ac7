#include "client/endpoint.h"

#include "dbus/names.h"

namespace upkeep::client {

std::expected<Endpoint, EndpointError> choose_endpoint(const EndpointOptions& options,
                                                       const Surroundings& surroundings) {
  const auto& session = surroundings.upstart_session;
  const bool in_session = session && !session->empty() && !options.system && !options.session;
  if (options.user || in_session) {
    if (!session || session->empty()) {
      return std::unexpected(EndpointError{
          EndpointError::Kind::Failure,
          "UPSTART_SESSION isn't set in the environment. Unable to locate the Upstart instance."});
    }
    return Endpoint{Endpoint::Kind::UserSocket, *session, {}};
  }
  const auto destination = options.destination.value_or(dbus::kBusName);
  if (options.system) return Endpoint{Endpoint::Kind::SystemBus, {}, destination};
  if (options.session) return Endpoint{Endpoint::Kind::SessionBus, {}, destination};
  if (!surroundings.root) return Endpoint{Endpoint::Kind::SystemBus, {}, destination};
  if (options.destination) {
    return std::unexpected(
        EndpointError{EndpointError::Kind::Usage, "--dest given without --system"});
  }
  return Endpoint{Endpoint::Kind::SystemSocket, dbus::kSystemAddress, {}};
}

}  // namespace upkeep::client
