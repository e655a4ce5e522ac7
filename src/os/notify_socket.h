// The socket on which one process tells the manager how it is (`expect notify`, `expect auto`,
// `expect watchdog`): NOTIFY_SOCKET of the sd_notify protocol.
#pragma once

#include <chrono>
#include <expected>
#include <functional>
#include <memory>
#include <string>

#include <sys/types.h>
#include <systemd/sd-event.h>

#include "core/input.h"
#include "os/notification.h"

namespace upkeep::os {

/// Who has sent a datagram, as the kernel vouches; root may speak in the name of others.
struct NotifySender {
  pid_t pid = 0;  ///< 0 if it is in a pid namespace that cannot be seen from here
  uid_t uid = static_cast<uid_t>(-1);
  gid_t gid = static_cast<gid_t>(-1);
  /// Whether there still is a process (or a zombie) with this pid. Helpers such as systemd-notify
  /// may have ended before they are heard: then only the uid can tell who it was.
  bool exists = false;

  bool operator==(const NotifySender&) const = default;
};

/// Datagrams are read from the event loop, in turn with everything else of ordinary priority and a
/// few at a time; a flood is held back to a rate that leaves the loop almost idle, and its sender
/// waits. (Not below ordinary priority: other people's floods would then hide the signs of life
/// that a watchdog waits for.)
///
/// The address is in the abstract namespace, which reaches into chroots but not into network
/// namespaces. Everybody can find it in /proc/net/unix and send to it, hence `may_speak`.
///
/// Descriptors that come with a datagram never enter this process, where closing them could take as
/// long as their sender likes: a short-lived child receives them (but those of root, which are
/// dropped).
class NotifySocket {
 public:
  struct Hooks {
    /// Whether what this sender says counts. Called for each datagram.
    std::function<bool(const NotifySender&)> may_speak;
    std::function<void(const NotifySender&, Notification)> on_notification;
    /// Something for the administrator, a warning: a refused sender, a datagram that makes no
    /// sense. At most one of each kind in `message_interval`.
    std::function<void(std::string)> on_message;
  };

  /// The hooks are called from the event loop and from look(). Each may destroy the socket: nothing
  /// more is said then. The failure names the step; it may be temporary. Expects one thread, and
  /// somebody who reaps children.
  [[nodiscard]] static std::expected<std::unique_ptr<NotifySocket>, core::SpawnFailure> create(
      sd_event* loop, Hooks hooks,
      std::chrono::microseconds message_interval = std::chrono::minutes(1));
  ~NotifySocket();
  NotifySocket(const NotifySocket&) = delete;
  NotifySocket& operator=(const NotifySocket&) = delete;

  /// The value for NOTIFY_SOCKET: "@upkeep/notify/...".
  [[nodiscard]] const std::string& address() const { return address_; }

  /// Reads now what is waiting, within a bound: for the moment when a sender is known to have
  /// ended, since what it has said comes before its end. Stops after a datagram with descriptors.
  /// Not from inside a hook.
  void look();

 private:
  class Receiver;
  NotifySocket(std::shared_ptr<Receiver> receiver, std::string address);

  std::shared_ptr<Receiver> receiver_;  ///< outlives the socket while a hook runs
  std::string address_;
};

}  // namespace upkeep::os
