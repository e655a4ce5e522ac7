// How a main process lets the manager know that it is ready, beyond forking or stopping itself: the
// socket of `expect notify`, the pipe of `expect fd`, and that it rests.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <sys/types.h>
#include <systemd/sd-event.h>

#include "base/unique_fd.h"
#include "core/input.h"
#include "core/platform.h"
#include "os/notify_socket.h"
#include "os/ready_pipe.h"
#include "os/rest_watch.h"

namespace upkeep::os {

class Readiness {
 public:
  struct Hooks {
    /// Whether the sender of a notification belongs to the job.
    std::function<bool(const NotifySender&)> may_speak;
    /// The process should be the main one from now on; false if it does not belong to the job.
    std::function<bool(pid_t)> replace_main;
    /// What the process has said or done. May destroy the Readiness.
    std::function<void(decltype(core::ProcessChange::what))> on_change;
    /// Something for the administrator.
    std::function<void(std::string)> on_message;
    /// The processes that have to rest, with their descendants.
    std::function<std::vector<pid_t>()> roots;
  };

  /// Whether a process of this request has more to tell than its exec.
  [[nodiscard]] static bool is_needed(const core::SpawnRequest& request);

  /// Before the spawn. Fails if there can be no socket; then there should be no process.
  [[nodiscard]] static std::expected<std::unique_ptr<Readiness>, core::SpawnFailure> create(
      sd_event* loop, const core::SpawnRequest& request, Hooks hooks);

  /// For NOTIFY_SOCKET; empty if the job does not ask for it.
  [[nodiscard]] std::string address() const;

  /// After the spawn: the reading end of the pipe of `expect fd`.
  [[nodiscard]] Result<void> watch_pipe(UniqueFd reading_end);

  /// After the exec: whether it rests.
  [[nodiscard]] Result<void> watch_rest(const core::SpawnRequest& request);

  /// Main has been found: whether it rests is of no interest any more.
  void found() { rest_.reset(); }

  /// Takes note of what has been said up to now, before an end is told of. Not from inside a hook.
  /// Destroying this object meanwhile is safe.
  static void look(const std::shared_ptr<bool>& alive, Readiness& readiness);
  [[nodiscard]] const std::shared_ptr<bool>& alive() const { return alive_; }

  ~Readiness() { *alive_ = false; }
  Readiness(const Readiness&) = delete;
  Readiness& operator=(const Readiness&) = delete;

 private:
  Readiness(sd_event* loop, Hooks hooks) : loop_(loop), hooks_(std::move(hooks)) {}
  void on_notification(const Notification& notification);
  void tell(decltype(core::ProcessChange::what) what);

  sd_event* loop_;
  Hooks hooks_;
  int expect_fd_ = 0;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  std::unique_ptr<NotifySocket> socket_;
  std::unique_ptr<ReadyPipe> pipe_;
  std::unique_ptr<RestWatch> rest_;
};

}  // namespace upkeep::os
