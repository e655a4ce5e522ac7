// core::Platform on Linux: processes by clone and exec, their ends by waitid, forks by ptrace, what
// belongs together by marks and cgroups (spec/runtime.md section 4).
#pragma once

#include <deque>
#include <expected>
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
#include "os/fork_follower.h"
#include "os/launcher.h"
#include "os/login_records.h"
#include "os/process_trees.h"
#include "os/readiness.h"
#include "os/reaper.h"
#include "os/script_feeder.h"
#include "os/setup_report.h"
#include "os/supervised_process.h"

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
  void end_tree(core::TreeId tree, int signal) override;
  void forget_tree(core::TreeId tree) override;
  void collect_log(core::SpawnId id) override;

 private:
  using Process = SupervisedProcess;
  using Change = decltype(core::ProcessChange::what);

  LinuxPlatform(sd_event* loop, PlatformOptions options, log::StreamSink* logs, Deliver deliver,
                OnMessage on_message);

  // Starting
  [[nodiscard]] std::expected<void, core::SpawnFailure> try_spawn(core::SpawnRequest& request);
  [[nodiscard]] std::expected<std::unique_ptr<Readiness>, core::SpawnFailure> make_readiness(
      const core::SpawnRequest& request);
  void supervise(core::SpawnRequest request, Launched launched,
                 std::unique_ptr<Readiness> readiness);
  [[nodiscard]] bool watch_set_up(Process& process, UniqueFd ready);
  void open_log(const core::SpawnRequest& request, UniqueFd output);

  // Set-up: both return the process if it is still supervised
  Process* read_reports(core::SpawnId id);
  Process* confirm_exec(core::SpawnId id);
  void setup_failed(Process& process, const SetupReport& report);
  [[nodiscard]] static bool is_in_set_up(const Process& process);

  // Who speaks for main
  [[nodiscard]] bool may_speak(core::SpawnId id, const NotifySender& sender);
  [[nodiscard]] bool replace_main(core::SpawnId id, pid_t pid);

  // What becomes of processes
  void on_status(const ChildStatus& status);
  void act_on(const ChildStatus& status);
  void on_end(core::SpawnId id, core::Death death, bool of_anothers_child);
  void follow(Process& process, pid_t pid);
  void watch_end(Process& process);
  void look_after_adopted(core::SpawnId id);
  void end_of_anothers_child(core::SpawnId id);

  // Survivors
  [[nodiscard]] pid_t survivor_of(const Process& process, const core::Death& death,
                                  bool of_anothers_child);
  [[nodiscard]] static int forks_between(const Process& process, pid_t survivor);
  void resume_orphaned(Process& process, core::Resume how);

  [[nodiscard]] static int send(const Process& process, int signal, core::SignalTarget target);

  [[nodiscard]] Process* find(core::SpawnId id);
  [[nodiscard]] Process* find_pid(pid_t pid);
  void forget_pid(const Process& process);
  void forget(core::SpawnId id);

  void later(core::Input input);
  void later(core::SpawnId id, core::SpawnFailure failure);
  void changed(core::SpawnId id, Change what);

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
  std::unordered_map<core::TreeId, std::string> tree_names_;  ///< "web (eu)"
  ForkFollower forks_;
  ScriptFeeder scripts_;
  LoginRecords logins_;
  std::unique_ptr<ProcessTrees> trees_;
  std::unique_ptr<Reaper> reaper_;
  std::deque<core::Input> later_;
  loop::EventSource later_source_;
};

}  // namespace upkeep::os
