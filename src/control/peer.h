// One connection to a client, from accept to the end.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>

#include <sys/socket.h>
#include <sys/types.h>

#include "base/result.h"
#include "base/unique_fd.h"
#include "control/service.h"
#include "dbus/handles.h"

namespace upkeep::control {

class Peer {
 public:
  using Id = std::uint64_t;

  /// What a peer needs of its surroundings; all of it outlives the peer.
  struct Context {
    sd_event* loop;
    sd_id128_t server_id;
    Service& service;
    /// The connection is over, for the given reason (empty: the client left). Called once; the
    /// peer must be destroyed, but not before control is back in the event loop.
    std::function<void(Id, std::string_view reason)> ended;
  };

  /// What may wait for a client that does not read: messages in all, and bytes of signals. One
  /// event can start thousands of jobs, with a score of signals each, before the client has had
  /// a chance to read any of them.
  static constexpr std::uint64_t kMaxUnreadMessages = 65536;
  static constexpr std::size_t kMaxUnreadBytes = 32U << 20;
  /// Replies it has asked for and does not read; those can be large.
  static constexpr std::uint64_t kMaxUnreadReplies = 4096;

  static Result<std::unique_ptr<Peer>> create(Context& context, Id id, UniqueFd socket,
                                              const ucred& client);
  ~Peer();
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  [[nodiscard]] sd_bus* connection() const { return bus_.get(); }
  [[nodiscard]] const ucred& client() const { return client_; }

  /// Whether the client has authenticated and is to get signals.
  [[nodiscard]] bool ready() const { return !over_ && sd_bus_is_ready(bus_.get()) > 0; }

  enum class Greeting {
    Going,     ///< not authenticated yet
    Draining,  ///< there may be more to process at once
    Over,
  };
  /// Once ready: processes some of the calls that came together with the end of the greeting,
  /// which the event loop does not know of (they have been read already).
  [[nodiscard]] Greeting finish_greeting();

  /// Queues a signal that takes about `bytes`.
  void send(sd_bus_message* signal, std::size_t bytes);

 private:
  Peer(Context& context, Id id, const ucred& client)
      : context_(context), id_(id), client_(client) {}

  static int start(Peer& peer, UniqueFd socket);
  static int filter(sd_bus_message* message, void* userdata, sd_bus_error* error);
  static int greeting_expired(sd_event_source* source, std::uint64_t now, void* userdata);

  [[nodiscard]] std::uint64_t queued() const;
  void forget_what_was_sent(std::uint64_t queued);
  void end(std::string_view reason);

  Context& context_;
  Id id_;
  ucred client_;
  dbus::Bus bus_;
  loop::EventSource greeting_deadline_;
  std::deque<std::size_t> unread_;  ///< sizes of the signals that are still queued, oldest first
  std::size_t unread_bytes_ = 0;
  bool over_ = false;
};

}  // namespace upkeep::control
