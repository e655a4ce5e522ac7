// Puts the parts together around one event loop: job files and processes report to the manager,
// the manager asks the platform, control shows it to clients.
#pragma once

#include <memory>
#include <optional>
#include <string_view>

#include <systemd/sd-event.h>

#include "base/result.h"
#include "control/control_server.h"
#include "core/observers.h"
#include "core/service_manager.h"
#include "daemon/configuration.h"
#include "daemon/message_log.h"
#include "daemon/session_file.h"
#include "log/log_streams.h"
#include "loop/handles.h"
#include "os/job_files.h"
#include "os/linux_platform.h"

namespace upkeep::daemon {

class Daemon final : private core::Observer {
 public:
  /// Opens the control socket, so that a second supervisor in the same place fails before it
  /// touches anything. `environment` is the daemon's own.
  [[nodiscard]] static Result<std::unique_ptr<Daemon>> create(Configuration configuration,
                                                              Environment environment);
  ~Daemon() override;

  /// Loads the jobs, emits the startup event, and runs until the session has ended. Returns the
  /// exit status.
  [[nodiscard]] int run();

 private:
  Daemon(Configuration configuration, Environment environment);

  [[nodiscard]] Result<void> open();
  [[nodiscard]] Result<void> open_control();
  [[nodiscard]] Result<void> open_logs();
  [[nodiscard]] Result<void> open_platform();
  [[nodiscard]] Result<void> make_timer();
  [[nodiscard]] Result<void> watch_signals();
  [[nodiscard]] core::ManagerOptions manager_options() const;
  void prepare_directories();
  void become_subreaper();
  void announce_session();

  void handle(core::Input input);
  void arm_timer();
  void on_signal(int signal);
  void emit(const char* event);
  void end_session();
  void reload();

  static int on_timer(sd_event_source*, std::uint64_t, void* self) noexcept;
  static int on_signal_event(sd_event_source*, const signalfd_siginfo*, void* self) noexcept;

  [[nodiscard]] bool wants(core::Priority priority) const override;
  void message(core::Priority priority, std::string_view text) override;
  void session_ended() override;

  Configuration configuration_;
  Environment environment_;
  MessageLog messages_;
  // Destroyed from the last to the first: nobody outlives what it points to.
  loop::EventLoop loop_;
  std::unique_ptr<log::LogStreams> logs_;
  std::unique_ptr<os::LinuxPlatform> platform_;
  std::unique_ptr<control::ControlServer> control_;  ///< null: an init goes on without
  core::Observers observers_;
  std::unique_ptr<core::ServiceManager> manager_;
  std::unique_ptr<os::JobFiles> job_files_;
  std::optional<SessionFile> session_file_;
  std::vector<loop::EventSource> signals_;
  loop::EventSource timer_;
  bool subreaper_failed_ = false;
};

}  // namespace upkeep::daemon
