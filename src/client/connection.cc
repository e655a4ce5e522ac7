#include "client/connection.h"

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string_view>

#include <fmt/format.h>

namespace upkeep::client {
namespace {

constexpr auto kForever = static_cast<std::uint64_t>(-1);

std::string_view party(Endpoint::Kind kind) {
  switch (kind) {
    case Endpoint::Kind::SystemBus: return "system bus";
    case Endpoint::Kind::SessionBus: return "session bus";
    case Endpoint::Kind::UserSocket:
    case Endpoint::Kind::SystemSocket: break;
  }
  return "Upstart";
}

/// What to do about a connection that did not come about.
std::string advice(const Endpoint& endpoint, int error) {
  const std::string_view reason = std::strerror(error);
  const bool absent = error == ECONNREFUSED || error == ENOENT;
  const bool refused = error == ECONNRESET || error == EPIPE || error == ENOTCONN;
  switch (endpoint.kind) {
    case Endpoint::Kind::UserSocket:
      if (absent) {
        return fmt::format(
            "{}: no session init listens at {}; has it ended? (initctl list-sessions "
            "shows those that run)",
            reason, endpoint.address);
      }
      if (refused) {
        return fmt::format(
            "{}: the session init at {} belongs to another user, or has too many clients", reason,
            endpoint.address);
      }
      return fmt::format("{} (UPSTART_SESSION is {})", reason, endpoint.address);
    case Endpoint::Kind::SystemSocket:
      if (absent) {
        return fmt::format("{}: process 1 is not Upstart; set UPSTART_SESSION for a session init",
                           reason);
      }
      return std::string{reason};
    case Endpoint::Kind::SystemBus:
      if (absent) {
        return fmt::format("{}: dbus-daemon is not running; as root no bus is needed", reason);
      }
      return std::string{reason};
    case Endpoint::Kind::SessionBus:
      if (absent || error == ENOMEDIUM) {
        return fmt::format("{}: is DBUS_SESSION_BUS_ADDRESS set?", reason);
      }
      return std::string{reason};
  }
  return std::string{reason};
}

int start(const Endpoint& endpoint, dbus::Bus& bus) {
  sd_bus* made = nullptr;
  int result = 0;
  switch (endpoint.kind) {
    case Endpoint::Kind::SystemBus: result = sd_bus_open_system(&made); break;
    case Endpoint::Kind::SessionBus: result = sd_bus_open_user(&made); break;
    case Endpoint::Kind::UserSocket:
    case Endpoint::Kind::SystemSocket:
      // Not a bus client: the other end knows no Hello.
      result = sd_bus_new(&made);
      if (result >= 0) result = sd_bus_set_address(made, endpoint.address.c_str());
      if (result >= 0) result = sd_bus_start(made);
  }
  bus.reset(made);
  return result;
}

/// Waits until the other end has let us in.
int greet(sd_bus* bus) {
  for (;;) {
    const int ready = sd_bus_is_ready(bus);
    if (ready != 0) return ready;
    int result = sd_bus_process(bus, nullptr);
    if (result == 0) result = sd_bus_wait(bus, kForever);
    if (result == -EINTR) continue;
    if (result < 0) return result;
    if (sd_bus_is_open(bus) <= 0) return -ECONNRESET;
  }
}

int keep_reply(sd_bus_message* reply, void* userdata, sd_bus_error*) {
  static_cast<dbus::Message*>(userdata)->reset(sd_bus_message_ref(reply));
  return 1;
}

std::unexpected<CallError> broken(int error) {
  return std::unexpected(CallError{
      SD_BUS_ERROR_DISCONNECTED, fmt::format("The connection failed: {}", std::strerror(-error))});
}

}  // namespace

Result<Connection> Connection::open(const Endpoint& endpoint) {
  dbus::Bus bus;
  int result = start(endpoint, bus);
  if (result >= 0) result = greet(bus.get());
  if (result < 0) {
    return failure(fmt::format("Unable to connect to {}: {}", party(endpoint.kind),
                               advice(endpoint, -result)));
  }
  return Connection{std::move(bus), endpoint.destination};
}

Outcome<dbus::Message> Connection::call(const std::string& path, const char* interface,
                                        const char* member, const Append& append) {
  sd_bus_message* made = nullptr;
  int result = sd_bus_message_new_method_call(bus_.get(), &made,
                                              destination_.empty() ? nullptr : destination_.c_str(),
                                              path.c_str(), interface, member);
  const dbus::Message message{made};
  if (result >= 0) result = sd_bus_message_set_auto_start(made, 0);
  if (result >= 0 && append) result = append(made);
  if (result < 0) {
    return std::unexpected(CallError{
        SD_BUS_ERROR_INVALID_ARGS,
        result == -EINVAL ? "Names and values must be valid UTF-8"
                          : fmt::format("Unable to send {}: {}", member, std::strerror(-result))});
  }

  // Not sd_bus_call(), which keeps every signal that arrives while it waits.
  dbus::Message reply;
  sd_bus_slot* waiting = nullptr;
  result = sd_bus_call_async(bus_.get(), &waiting, made, keep_reply, &reply, kForever);
  const dbus::Slot slot{waiting};
  while (result >= 0 && !reply) {
    result = sd_bus_process(bus_.get(), nullptr);
    if (result == 0) result = sd_bus_wait(bus_.get(), kForever);
    if (result == -EINTR) result = 0;
  }
  if (!reply) return broken(result);
  if (const auto* error = sd_bus_message_get_error(reply.get())) {
    return std::unexpected(CallError{error->name, error->message ? error->message : error->name});
  }
  return reply;
}

CallError malformed_reply(int error) {
  return {SD_BUS_ERROR_INCONSISTENT_MESSAGE,
          fmt::format("The reply cannot be understood: {}", std::strerror(-error))};
}

}  // namespace upkeep::client
