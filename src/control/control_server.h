// The D-Bus face of the manager on its private socket (spec/control.md 1): who may connect, the
// object tree for every connection, signals, and replies that come later.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "control/listening_socket.h"
#include "control/peer.h"
#include "control/service.h"
#include "core/observer.h"
#include "dbus/handles.h"

namespace upkeep::control {

class ControlServer final : public core::Observer {
 public:
  /// More clients than this are turned away.
  static constexpr std::size_t kMaxConnections = 512;

  /// Listens at once. `loop` must outlive the server.
  static Result<std::unique_ptr<ControlServer>> create(sd_event* loop, ControlOptions options,
                                                       ControlHooks hooks);
  ~ControlServer() override;

  /// Whose jobs are shown; before the first turn of the loop. The manager must outlive the last.
  void attach(const core::ServiceManager& manager) { service_.manager = &manager; }

  [[nodiscard]] std::size_t connections() const { return peers_.size(); }
  /// Calls that wait for the core.
  [[nodiscard]] std::size_t pending_replies() const { return service_.pending.size(); }

  void job_added(const core::JobClass& job) override;
  void job_removed(const core::JobClass& job) override;
  void instance_added(const core::JobInstance& instance) override;
  void instance_removed(const core::JobInstance& instance) override;
  void goal_changed(const core::JobInstance& instance) override;
  void state_changed(const core::JobInstance& instance, core::State from) override;
  void failed(const core::JobInstance& instance, int status) override;
  void event_emitted(const core::Event& event) override;
  void replied(core::RequestId id, const core::Reply& reply) override;

 private:
  using Append = std::function<int(sd_bus_message*)>;

  ControlServer(sd_event* loop, ListeningSocket socket, ControlOptions options, ControlHooks hooks);

  [[nodiscard]] int start();
  static int on_connect(sd_event_source* source, int fd, std::uint32_t events, void* userdata);
  static int on_accept_again(sd_event_source* source, std::uint64_t now, void* userdata);
  static int after_dispatch(sd_event_source* source, void* userdata);
  static int do_chores(sd_event_source* source, void* userdata);

  void accept_clients();
  void pause_accepting(int error);
  void admit(UniqueFd socket);
  void peer_ended(Peer::Id id, std::string_view reason);
  void turn_again();
  void warn(std::string_view text);

  void announce(const char* path, const char* interface, const char* member, std::size_t bytes,
                const Append& append);
  void announce_path(const char* path, const char* interface, const char* member,
                     const std::string& object);
  void announce_of_job(const core::JobInstance& instance, const char* member);
  void announce_instance(const core::JobInstance& instance, const char* member,
                         const Append& append);

  sd_event* loop_;
  Service service_;
  Peer::Context context_;
  ListeningSocket socket_;

  std::map<Peer::Id, std::unique_ptr<Peer>> peers_;
  std::vector<Peer::Id> greeting_;  ///< not authenticated yet
  std::vector<Peer::Id> ended_;     ///< to be destroyed by the loop, not by their own callbacks
  Peer::Id last_peer_ = 0;

  std::optional<std::uint64_t> last_warning_;  ///< microseconds, monotonic
  std::size_t unsaid_warnings_ = 0;

  loop::EventSource listener_;
  loop::EventSource accept_again_;
  loop::EventSource post_;
  loop::EventSource chores_;  ///< enabled when the loop must turn although nothing has arrived
};

}  // namespace upkeep::control
