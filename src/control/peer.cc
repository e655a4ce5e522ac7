#include "control/peer.h"

#include <cstring>

#include <fmt/format.h>

#include "control/objects.h"
#include "dbus/names.h"

namespace upkeep::control {
namespace {

constexpr int kSendBufferBytes = 64 << 10;

/// Calls of one client in one turn; others want their turn too.
constexpr int kMaxCallsInOneTurn = 16;

}  // namespace

Result<std::unique_ptr<Peer>> Peer::create(Context& context, Id id, UniqueFd socket,
                                           const ucred& client) {
  std::unique_ptr<Peer> peer{new Peer{context, id, client}};
  if (const int result = start(*peer, std::move(socket)); result < 0) {
    return failure(fmt::format("unable to serve a connection: {}", std::strerror(-result)));
  }
  return peer;
}

Peer::~Peer() {
  context_.service.pending.forget(bus_.get());
}

int Peer::start(Peer& peer, UniqueFd socket) {
  sd_bus* made = nullptr;
  int result = sd_bus_new(&made);
  peer.bus_.reset(made);
  if (result < 0) return result;
  result = sd_bus_set_fd(made, socket.value(), socket.value());
  if (result < 0) return result;
  [[maybe_unused]] const int owned_by_bus = socket.release();

  result = sd_bus_set_server(made, 1, peer.context_.server_id);
  // Who may connect has been decided; sd-bus need not ask for capabilities at each call.
  if (result >= 0) result = sd_bus_set_trusted(made, 1);
  // gdbus takes signals only from a sender with a name.
  if (result >= 0) result = sd_bus_set_sender(made, dbus::kBusName);
  if (result >= 0) result = sd_bus_add_filter(made, nullptr, filter, &peer);
  if (result >= 0) result = export_objects(made, peer.context_.service);
  if (result >= 0) result = sd_bus_start(made);
  // sd-bus asks for 8 MiB; what a client leaves unread should wait where we can count it.
  ::setsockopt(sd_bus_get_fd(made), SOL_SOCKET, SO_SNDBUF, &kSendBufferBytes,
               sizeof(kSendBufferBytes));
  if (result >= 0) result = sd_bus_attach_event(made, peer.context_.loop, SD_EVENT_PRIORITY_NORMAL);
  if (result < 0) return result;

  sd_event_source* deadline = nullptr;
  const auto time = static_cast<std::uint64_t>(peer.context_.service.options.greeting_time.count());
  result = sd_event_add_time_relative(peer.context_.loop, &deadline, CLOCK_MONOTONIC, time, 0,
                                      greeting_expired, &peer);
  peer.greeting_deadline_.reset(deadline);
  return result;
}

int Peer::greeting_expired(sd_event_source*, std::uint64_t, void* userdata) {
  static_cast<Peer*>(userdata)->end("it did not authenticate in time");
  return 0;
}

int Peer::filter(sd_bus_message* message, void* userdata, sd_bus_error*) {
  auto& peer = *static_cast<Peer*>(userdata);
  if (sd_bus_message_is_signal(message, "org.freedesktop.DBus.Local", "Disconnected") > 0) {
    peer.end({});
    return 1;
  }
  const auto waiting = peer.queued();
  peer.forget_what_was_sent(waiting);
  if (waiting - peer.unread_.size() > kMaxUnreadReplies) {
    peer.end("it sends calls and does not read the replies");
  }
  return peer.over_ ? 1 : 0;
}

Peer::Greeting Peer::finish_greeting() {
  if (over_) return Greeting::Over;
  if (!ready()) return Greeting::Going;
  greeting_deadline_.reset();
  for (int count = 0; count < kMaxCallsInOneTurn; ++count) {
    if (over_ || sd_bus_process(bus_.get(), nullptr) <= 0) return Greeting::Over;
  }
  return Greeting::Draining;
}

void Peer::send(sd_bus_message* signal, std::size_t bytes) {
  const auto before = queued();
  forget_what_was_sent(before);
  if (before >= kMaxUnreadMessages || unread_bytes_ + bytes > kMaxUnreadBytes) {
    end("it does not read its messages");
    return;
  }
  // A failure means that the connection is broken, which the event loop is about to notice.
  if (sd_bus_send(bus_.get(), signal, nullptr) < 0 || queued() == before) return;
  unread_.push_back(bytes);
  unread_bytes_ += bytes;
}

/// At most `queued` signals can still be waiting.
void Peer::forget_what_was_sent(std::uint64_t queued) {
  while (unread_.size() > queued) {
    unread_bytes_ -= unread_.front();
    unread_.pop_front();
  }
}

std::uint64_t Peer::queued() const {
  std::uint64_t messages = 0;
  return sd_bus_get_n_queued_write(bus_.get(), &messages) < 0 ? 0 : messages;
}

void Peer::end(std::string_view reason) {
  if (over_) return;
  over_ = true;
  greeting_deadline_.reset();
  context_.ended(id_, reason);
}

}  // namespace upkeep::control
