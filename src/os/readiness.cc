#include "os/readiness.h"

#include <fmt/format.h>

namespace upkeep::os {

bool Readiness::is_needed(const core::SpawnRequest& request) {
  if (request.type != core::ProcessType::Main) return false;
  const auto expect = request.definition->expect.value();
  return expect == conf::Expect::Notify || expect == conf::Expect::Fd ||
         expect == conf::Expect::Auto || request.settles_after.count() > 0 ||
         request.settles_at_latest.count() > 0;
}

std::expected<std::unique_ptr<Readiness>, core::SpawnFailure> Readiness::create(
    sd_event* loop, const core::SpawnRequest& request, Hooks hooks) {
  std::unique_ptr<Readiness> readiness(new Readiness(loop, std::move(hooks)));
  readiness->expect_fd_ = request.definition->expect_fd;
  const auto expect = request.definition->expect.value();
  if (expect != conf::Expect::Notify && expect != conf::Expect::Auto) return readiness;
  auto socket = NotifySocket::create(
      loop, {.may_speak = readiness->hooks_.may_speak,
             .on_notification =
                 [self = readiness.get()](const NotifySender&, const Notification& notification) {
                   self->on_notification(notification);
                 },
             .on_message = readiness->hooks_.on_message});
  if (!socket) return std::unexpected(std::move(socket.error()));
  readiness->socket_ = std::move(*socket);
  return readiness;
}

std::string Readiness::address() const {
  return socket_ ? socket_->address() : std::string();
}

Result<void> Readiness::watch_pipe(UniqueFd reading_end) {
  auto pipe = ReadyPipe::create(
      loop_, std::move(reading_end),
      {.on_ready = [this] { tell(core::Ready{}); },
       .on_closed =
           [this] {
             hooks_.on_message(fmt::format(
                 "descriptor {} was closed before a newline came, so it will never be ready",
                 expect_fd_));
           }});
  if (!pipe) return std::unexpected(pipe.error());
  pipe_ = std::move(*pipe);
  return {};
}

Result<void> Readiness::watch_rest(const core::SpawnRequest& request) {
  if (request.settles_after.count() == 0 && request.settles_at_latest.count() == 0) return {};
  auto rest = RestWatch::create(loop_, hooks_.roots, request.settles_after,
                                request.settles_at_latest, [this] { tell(core::Settled{}); });
  if (!rest) return std::unexpected(rest.error());
  rest_ = std::move(*rest);
  return {};
}

void Readiness::tell(decltype(core::ProcessChange::what) what) {
  if (std::holds_alternative<core::Ready>(what)) rest_.reset();
  hooks_.on_change(std::move(what));
}

/// Each thing told may end it all.
void Readiness::on_notification(const Notification& notification) {
  const auto alive = alive_;
  const auto tell_if = [&](bool said, auto what) {
    if (*alive && said) tell(std::move(what));
  };
  if (!notification.remark.empty()) hooks_.on_message("notification: " + notification.remark);
  if (notification.main_pid) {
    const pid_t pid = *notification.main_pid;
    if (hooks_.replace_main(pid)) {
      tell_if(true, core::Replaced{pid});
    } else {
      hooks_.on_message(
          fmt::format("process {} was named as the main one, but is none of the job", pid));
    }
  }
  if (const auto& text = notification.status) tell_if(true, core::StatusText{*text});
  if (const auto& one = notification.watchdog_interval) {
    tell_if(true, core::WatchdogInterval{*one});
  }
  if (const auto& one = notification.more_time) tell_if(true, core::MoreTime{*one});
  tell_if(notification.reloading, core::Announced{core::Announced::What::Reloading});
  tell_if(notification.stopping, core::Announced{core::Announced::What::Stopping});
  tell_if(notification.ready, core::Ready{});
  tell_if(notification.keep_alive, core::KeepAlive{});
  tell_if(notification.watchdog_trigger, core::WatchdogTrigger{});
}

void Readiness::look(const std::shared_ptr<bool>& alive, Readiness& readiness) {
  if (*alive && readiness.socket_) readiness.socket_->look();
  if (*alive && readiness.pipe_) readiness.pipe_->look();
}

}  // namespace upkeep::os
