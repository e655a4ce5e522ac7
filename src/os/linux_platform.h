// core::Platform on Linux: processes by fork and exec, their ends by waitid, forks by ptrace
// (spec/runtime.md section 4). cgroups, AppArmor and utmp are not part of it yet.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include <sys/types.h>
#include <systemd/sd-event.h>

#include "base/result.h"
#include "base/unique_fd.h"
#include "core/input.h"
#include "core/platform.h"
#include "log/stream_sink.h"
#include "loop/handles.h"
#include "os/launcher.h"
#include "os/reaper.h"
#include "os/script_feeder.h"
#include "os/setup_report.h"
#include "os/tracer.h"

namespace upkeep::os {

class LinuxPlatform final : public core::Platform {
 public:
  /// Called from the event loop only, never from inside a verb; may call verbs itself.
  using Deliver = std::function<void(core::Input)>;
  /// Something for the administrator. May be called from inside a verb.
  using OnMessage = std::function<void(core::Priority, std::string)>;

  /// Blocks SIGCHLD and ignores SIGPIPE in the calling process, which must have one thread, and
  /// reaps all its children from now on. `loop` and `logs` must outlive the platform; without
  /// `logs` console log behaves as none.
  [[nodiscard]] static Result<std::unique_ptr<LinuxPlatform>> create(sd_event* loop,
                                                                     PlatformOptions options,
                                                                     log::StreamSink* logs,
                                                                     Deliver deliver,
                                                                     OnMessage on_message);

  void spawn(core::SpawnRequest request) override;
  void signal(core::SpawnId id, int signal, core::SignalTarget target) override;
  void resume(core::SpawnId id, core::Resume how) override;
  void collect_log(core::SpawnId id) override;

 private:
  /// How far the following of forks has come.
  enum class Trace {
    No,
    AwaitingExec,   ///< the set-up has asked for it; the first exec will stop the process
    Running,        ///< until it forks or executes
    AwaitingChild,  ///< the parent has been let go, the child has not stopped yet
    Halted,         ///< stopped after a fork or exec, until resume()
  };

  struct Process {
    LinuxPlatform* platform = nullptr;
    core::SpawnRequest request;
    pid_t pid = 0;
    bool executing = false;  ///< a successful SpawnResult has been delivered
    bool adopted = false;    ///< follows a fork: perhaps not our child
    Trace trace = Trace::No;
    std::string program;
    UniqueFd script_pipe;
    std::string script;
    UniqueFd report;
    loop::EventSource report_source;
    UniqueFd pidfd;  ///< of an adopted process
    loop::EventSource pidfd_source;
  };

  LinuxPlatform(sd_event* loop, PlatformOptions options, log::StreamSink* logs, Deliver deliver,
                OnMessage on_message);

  // Starting
  void supervise(core::SpawnRequest request, Launched launched);
  [[nodiscard]] bool watch_report(Process& process);
  void open_log(const core::SpawnRequest& request, UniqueFd output);

  // Set-up: both return the process if it is still supervised
  Process* read_reports(core::SpawnId id);
  Process* confirm_exec(core::SpawnId id);
  void setup_failed(Process& process, const SetupReport& report);

  // What becomes of processes
  void on_status(const ChildStatus& status);
  void on_end(core::SpawnId id, const ChildStatus& status);
  void on_unknown(const ChildStatus& status);
  void on_trapped(Process& process, int value);
  void on_trap_of_stranger(pid_t pid, int signal);
  void on_fork(Process& process);
  void on_child_stop(Process& process, int signal);
  void follow(Process& process, pid_t child);
  void watch_pidfd(Process& process);
  void look_after_adopted(core::SpawnId id);
  void end_of_anothers_child(core::SpawnId id);
  [[nodiscard]] int send(const Process& process, int signal, core::SignalTarget target);

  [[nodiscard]] Process* find(core::SpawnId id);
  [[nodiscard]] Process* find_pid(pid_t pid);
  void forget_pid(const Process& process);
  void forget(core::SpawnId id);

  void later(core::Input input);
  void later(core::SpawnId id, core::SpawnFailure failure);
  void changed(core::SpawnId id, decltype(core::ProcessChange::what) what);

  static int on_report(sd_event_source*, int, uint32_t, void* process) noexcept;
  static int on_pidfd(sd_event_source*, int, uint32_t, void* process) noexcept;
  static int on_later(sd_event_source*, void* self) noexcept;

  sd_event* loop_;
  PlatformOptions options_;
  log::StreamSink* logs_;
  Deliver deliver_;
  OnMessage on_message_;

  std::unordered_map<core::SpawnId, std::unique_ptr<Process>> processes_;
  std::unordered_map<pid_t, core::SpawnId> by_pid_;
  std::unordered_set<core::SpawnId> open_logs_;
  tracer::EarlyChildren early_children_;
  ScriptFeeder scripts_;
  std::unique_ptr<Reaper> reaper_;
  std::deque<core::Input> later_;
  loop::EventSource later_source_;
};

}  // namespace upkeep::os
