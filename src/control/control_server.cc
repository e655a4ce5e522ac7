#include "control/control_server.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control/arguments.h"
#include "control/object_path.h"
#include "dbus/names.h"

namespace upkeep::control {
namespace {

constexpr std::uint64_t kMicrosecondsPerSecond = 1'000'000;
constexpr std::uint64_t kWarningInterval = 10 * kMicrosecondsPerSecond;
constexpr std::uint64_t kAcceptPause = kMicrosecondsPerSecond;
constexpr int kMaxAcceptsInOneTurn = 64;

/// Header, path and names of a signal; strings come on top.
constexpr std::size_t kSignalBytes = 256;

sd_id128_t new_server_id() {
  sd_id128_t id{};
  // Nobody compares it, so the zero id of a failure does no harm.
  sd_id128_randomize(&id);
  return id;
}

}  // namespace

Result<std::unique_ptr<ControlServer>> ControlServer::create(sd_event* loop, ControlOptions options,
                                                             ControlHooks hooks) {
  auto socket = ListeningSocket::create(options.address);
  if (!socket) return std::unexpected(socket.error());
  std::unique_ptr<ControlServer> server{
      new ControlServer{loop, std::move(*socket), std::move(options), std::move(hooks)}};
  if (const int result = server->start(); result < 0) {
    return failure(fmt::format("unable to watch the control socket: {}", std::strerror(-result)));
  }
  return server;
}

ControlServer::ControlServer(sd_event* loop, ListeningSocket socket, ControlOptions options,
                             ControlHooks hooks)
    : loop_(loop),
      service_{.options = std::move(options), .hooks = std::move(hooks)},
      context_{loop, new_server_id(), service_,
               [this](Peer::Id id, std::string_view reason) { peer_ended(id, reason); }},
      socket_(std::move(socket)) {}

ControlServer::~ControlServer() = default;

int ControlServer::start() {
  sd_event_source* source = nullptr;
  int result = sd_event_add_io(loop_, &source, socket_.fd(), EPOLLIN, on_connect, this);
  listener_.reset(source);
  if (result < 0) return result;
  source = nullptr;
  result = sd_event_add_post(loop_, &source, after_dispatch, this);
  post_.reset(source);
  if (result < 0) return result;
  source = nullptr;
  result = sd_event_add_defer(loop_, &source, do_chores, this);
  chores_.reset(source);
  return result < 0 ? result : sd_event_source_set_enabled(source, SD_EVENT_OFF);
}

// Connections.

int ControlServer::on_connect(sd_event_source*, int, std::uint32_t, void* userdata) {
  static_cast<ControlServer*>(userdata)->accept_clients();
  return 0;
}

void ControlServer::accept_clients() {
  for (int count = 0; count < kMaxAcceptsInOneTurn; ++count) {
    UniqueFd socket{::accept4(socket_.fd(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK)};
    if (socket) {
      admit(std::move(socket));
      continue;
    }
    if (errno == EAGAIN) return;
    if (errno == EINTR || errno == ECONNABORTED) continue;
    pause_accepting(errno);
    return;
  }
}

/// Without descriptors or memory the socket stays readable, and the loop would spin.
void ControlServer::pause_accepting(int error) {
  warn(fmt::format("unable to accept a connection: {}", std::strerror(error)));
  sd_event_source_set_enabled(listener_.get(), SD_EVENT_OFF);
  sd_event_source* source = nullptr;
  const int result = sd_event_add_time_relative(loop_, &source, CLOCK_MONOTONIC, kAcceptPause, 0,
                                                on_accept_again, this);
  accept_again_.reset(source);
  if (result < 0) sd_event_source_set_enabled(listener_.get(), SD_EVENT_ON);
}

int ControlServer::on_accept_again(sd_event_source*, std::uint64_t, void* userdata) {
  auto& server = *static_cast<ControlServer*>(userdata);
  return sd_event_source_set_enabled(server.listener_.get(), SD_EVENT_ON);
}

/// Root and our own user may connect (spec/control.md 1.8); that rule is what the methods rely on.
void ControlServer::admit(UniqueFd socket) {
  ucred client{};
  socklen_t size = sizeof(client);
  if (::getsockopt(socket.value(), SOL_SOCKET, SO_PEERCRED, &client, &size) < 0) return;
  if (client.uid != 0 && client.uid != ::geteuid()) {
    warn(fmt::format("refused a connection of user {} (pid {})", client.uid, client.pid));
    return;
  }
  if (peers_.size() >= kMaxConnections) {
    warn(fmt::format("refused a connection of pid {}: {} clients are connected", client.pid,
                     peers_.size()));
    return;
  }
  auto peer = Peer::create(context_, ++last_peer_, std::move(socket), client);
  if (!peer) {
    warn(peer.error().message);
    return;
  }
  peers_.emplace(last_peer_, std::move(*peer));
  greeting_.push_back(last_peer_);
}

void ControlServer::peer_ended(Peer::Id id, std::string_view reason) {
  ended_.push_back(id);
  turn_again();
  if (reason.empty()) return;
  const auto& client = peers_.at(id)->client();
  warn(
      fmt::format("closed the connection of pid {} (user {}): {}", client.pid, client.uid, reason));
}

/// A hostile client must not fill the log.
void ControlServer::warn(std::string_view text) {
  std::uint64_t now = 0;
  sd_event_now(loop_, CLOCK_MONOTONIC, &now);
  if (last_warning_ && now < *last_warning_ + kWarningInterval) {
    ++unsaid_warnings_;
    return;
  }
  last_warning_ = now;
  const auto unsaid = std::exchange(unsaid_warnings_, 0);
  service_.hooks.log(
      core::Priority::Warning,
      unsaid == 0 ? std::string{text} : fmt::format("{} (and {} similar warnings)", text, unsaid));
}

/// Runs once after whatever the loop has dispatched.
int ControlServer::after_dispatch(sd_event_source*, void* userdata) {
  auto& server = *static_cast<ControlServer*>(userdata);
  std::erase_if(server.greeting_, [&](Peer::Id id) {
    const auto found = server.peers_.find(id);
    if (found == server.peers_.end()) return true;
    const auto greeting = found->second->finish_greeting();
    if (greeting == Peer::Greeting::Draining) server.turn_again();
    return greeting == Peer::Greeting::Over;
  });
  return 0;
}

void ControlServer::turn_again() {
  sd_event_source_set_enabled(chores_.get(), SD_EVENT_ONESHOT);
}

int ControlServer::do_chores(sd_event_source*, void* userdata) {
  auto& server = *static_cast<ControlServer*>(userdata);
  for (const auto id : std::exchange(server.ended_, {})) {
    const auto ended = server.peers_.extract(id);
    const auto unanswered = server.service_.pending.forget(ended.mapped()->connection());
    for (const auto request : unanswered) {
      server.service_.hooks.handle(core::ClientGone{request});
    }
  }
  return 0;
}

// Signals and replies.

/// Built once and shared by all connections: it costs nothing when there are none.
void ControlServer::announce(const char* path, const char* interface, const char* member,
                             std::size_t bytes, const Append& append) {
  dbus::Message signal;
  for (const auto& [id, peer] : peers_) {
    if (!peer->ready()) continue;
    if (!signal) {
      sd_bus_message* made = nullptr;
      if (sd_bus_message_new_signal(peer->connection(), &made, path, interface, member) < 0) return;
      signal.reset(made);
      if (append(made) < 0) return;
    }
    peer->send(signal.get(), kSignalBytes + bytes);
  }
}

void ControlServer::announce_path(const char* path, const char* interface, const char* member,
                                  const std::string& object) {
  announce(path, interface, member, object.size(), [&](sd_bus_message* signal) {
    return sd_bus_message_append_basic(signal, SD_BUS_TYPE_OBJECT_PATH, object.c_str());
  });
}

/// A signal of the job about one of its instances.
void ControlServer::announce_of_job(const core::JobInstance& instance, const char* member) {
  if (peers_.empty()) return;
  const auto& job = instance.job().name();
  announce_path(job_path(job).c_str(), dbus::kJobInterface, member,
                service_.paths.path(job, instance.name()));
}

void ControlServer::announce_instance(const core::JobInstance& instance, const char* member,
                                      const Append& append) {
  if (peers_.empty()) return;
  const auto path = service_.paths.path(instance.job().name(), instance.name());
  announce(path.c_str(), dbus::kInstanceInterface, member, path.size(), append);
}

void ControlServer::job_added(const core::JobClass& job) {
  if (peers_.empty()) return;
  announce_path(dbus::kManagerPath, dbus::kManagerInterface, "JobAdded", job_path(job.name()));
}

void ControlServer::job_removed(const core::JobClass& job) {
  // Its last instance may have gone with it, without a word of its own.
  service_.paths.remove_all(job.name());
  if (peers_.empty()) return;
  announce_path(dbus::kManagerPath, dbus::kManagerInterface, "JobRemoved", job_path(job.name()));
}

void ControlServer::instance_added(const core::JobInstance& instance) {
  service_.paths.add(instance.job().name(), instance.name());
  announce_of_job(instance, "InstanceAdded");
}

void ControlServer::instance_removed(const core::JobInstance& instance) {
  announce_of_job(instance, "InstanceRemoved");
  service_.paths.remove(instance.job().name(), instance.name());
}

void ControlServer::goal_changed(const core::JobInstance& instance) {
  announce_instance(instance, "GoalChanged", [&](sd_bus_message* signal) {
    return append_text(signal, to_string(instance.goal()));
  });
}

void ControlServer::state_changed(const core::JobInstance& instance, core::State) {
  announce_instance(instance, "StateChanged", [&](sd_bus_message* signal) {
    return append_text(signal, to_string(instance.state()));
  });
}

void ControlServer::failed(const core::JobInstance& instance, int status) {
  announce_instance(instance, "Failed", [&](sd_bus_message* signal) {
    return sd_bus_message_append(signal, "i", status);
  });
}

void ControlServer::event_emitted(const core::Event& event) {
  if (peers_.empty()) return;
  std::size_t bytes = event.name().size();
  for (const auto& variable : event.environment()) bytes += variable.size() + sizeof(std::uint64_t);
  announce(dbus::kManagerPath, dbus::kManagerInterface, "EventEmitted", bytes,
           [&](sd_bus_message* signal) {
             const int result = append_text(signal, event.name());
             return result < 0 ? result : append_texts(signal, event.environment());
           });
}

void ControlServer::replied(core::RequestId id, const core::Reply& reply) {
  service_.pending.answer(id, reply, service_.paths);
}

}  // namespace upkeep::control
