#include "os/linux_platform.h"

#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/signals.h"
#include "os/log_path.h"
#include "os/proc_file.h"

// glibc 2.36 forgets to tell C++ that these are C.
extern "C" {
#include <sys/pidfd.h>
}

namespace upkeep::os {
namespace {

/// The process as messages name it: "web (eu) main".
std::string name_of(const core::SpawnRequest& request) {
  const auto instance =
      request.instance.empty() ? "" : fmt::format(" ({})", printable(request.instance));
  return fmt::format("{}{} {}", printable(request.definition->name), instance,
                     conf::to_string(request.type));
}

/// Whether `group` may be signalled as a whole: not everybody (1, 0), not the manager.
bool is_safe_group(pid_t group) {
  return group > 1 && group != ::getpgrp();
}

}  // namespace

// ---- Construction ----------------------------------------------------------------------------

LinuxPlatform::LinuxPlatform(sd_event* loop, PlatformOptions options, log::StreamSink* logs,
                             Deliver deliver, OnMessage on_message)
    : loop_(loop),
      options_(std::move(options)),
      logs_(logs),
      deliver_(std::move(deliver)),
      on_message_(std::move(on_message)),
      scripts_(loop) {}

Result<std::unique_ptr<LinuxPlatform>> LinuxPlatform::create(sd_event* loop,
                                                             PlatformOptions options,
                                                             log::StreamSink* logs, Deliver deliver,
                                                             OnMessage on_message) {
  std::unique_ptr<LinuxPlatform> platform(
      new LinuxPlatform(loop, std::move(options), logs, std::move(deliver), std::move(on_message)));
  // A shell that ends before it has read its script must not take the manager with it.
  if (::signal(SIGPIPE, SIG_IGN) == SIG_ERR) return failure("unable to ignore SIGPIPE");

  auto reaper = Reaper::create(
      loop, [self = platform.get()](const ChildStatus& status) { self->on_status(status); });
  if (!reaper) return std::unexpected(reaper.error());
  platform->reaper_ = std::move(*reaper);

  sd_event_source* source = nullptr;
  int result = sd_event_add_defer(loop, &source, on_later, platform.get());
  if (result < 0) {
    return failure(fmt::format("unable to defer work: {}", std::strerror(-result)));
  }
  platform->later_source_.reset(source);
  sd_event_source_set_enabled(source, SD_EVENT_OFF);

  return platform;
}

// ---- Starting --------------------------------------------------------------------------------

void LinuxPlatform::spawn(core::SpawnRequest request) {
  auto launched = launch(request, options_, logs_ != nullptr);
  if (launched) return supervise(std::move(request), std::move(*launched));
  const auto& reason = launched.error();
  later(request.id, {.error = reason.error,
                     .description = reason.description,
                     .temporary = is_temporary(reason.error)});
}

void LinuxPlatform::supervise(core::SpawnRequest request, Launched launched) {
  if (!launched.notice.empty()) {
    on_message_(core::Priority::Warning, fmt::format("{}: {}", name_of(request), launched.notice));
  }
  if (launched.output) open_log(request, std::move(launched.output));

  const auto id = request.id;
  auto process = std::make_unique<Process>();
  process->platform = this;
  process->pid = launched.pid;
  process->trace = request.trace ? Trace::AwaitingExec : Trace::No;
  process->request = std::move(request);
  process->program = std::move(launched.program);
  process->script_pipe = std::move(launched.script_pipe);
  process->script = std::move(launched.script);
  process->report = std::move(launched.report);
  if (!watch_report(*process)) {
    ::kill(process->pid, SIGKILL);  // better no process than one whose fate is not known
    collect_log(id);
    return later(id, {.error = ENOMEM,
                      .description = "unable to watch the set-up of the process",
                      .temporary = true});
  }
  by_pid_[process->pid] = id;
  processes_[id] = std::move(process);
}

bool LinuxPlatform::watch_report(Process& process) {
  sd_event_source* source = nullptr;
  const int result =
      sd_event_add_io(loop_, &source, process.report.value(), EPOLLIN, on_report, &process);
  if (result < 0) return false;
  process.report_source.reset(source);
  return true;
}

void LinuxPlatform::open_log(const core::SpawnRequest& request, UniqueFd output) {
  open_logs_.insert(request.id);
  logs_->open({request.id.value}, std::move(output),
              log_path(options_.log_directory, request.definition->name, request.instance));
}

void LinuxPlatform::collect_log(core::SpawnId id) {
  if (open_logs_.erase(id) > 0) logs_->close({id.value});
}

// ---- Set-up ----------------------------------------------------------------------------------

int LinuxPlatform::on_report(sd_event_source*, int, uint32_t, void* process) noexcept {
  auto& self = *static_cast<Process*>(process);
  self.platform->read_reports(self.request.id);
  return 0;
}

/// Reads what there is. The end of the pipe is the exec, which closes it.
LinuxPlatform::Process* LinuxPlatform::read_reports(core::SpawnId id) {
  for (;;) {
    auto* process = find(id);
    if (process == nullptr || !process->report) return process;

    SetupReport report;
    const auto size = ::read(process->report.value(), &report, sizeof report);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && errno == EAGAIN) return process;
    if (size != static_cast<ssize_t>(sizeof report)) return confirm_exec(id);

    if (!is_warning(report.step)) {
      setup_failed(*process, report);
      return nullptr;
    }
    const auto text = describe(report, *process->request.definition, process->program, {});
    on_message_(core::Priority::Warning,
                fmt::format("{}: {}", name_of(process->request), text.description));
  }
}

void LinuxPlatform::setup_failed(Process& process, const SetupReport& report) {
  const auto& request = process.request;
  const auto id = request.id;
  auto failure = describe(report, *request.definition, process.program,
                          start_directory(request, options_).value_or(""));
  // No supervision any more: the exit status 255 of the child is nobody's business (Q4).
  forget(id);
  collect_log(id);
  deliver_(core::SpawnResult{id, std::unexpected(std::move(failure))});
}

LinuxPlatform::Process* LinuxPlatform::confirm_exec(core::SpawnId id) {
  auto* process = find(id);
  process->report_source.reset();
  process->report.reset();
  process->executing = true;
  if (process->script_pipe) {
    const auto fed = scripts_.feed(id, std::move(process->script_pipe), std::move(process->script));
    if (!fed) {
      // Half a script must not run.
      on_message_(core::Priority::Error,
                  fmt::format("{}: killed, {}", name_of(process->request), fed.error().message));
      ::kill(process->pid, SIGKILL);
    }
  }
  deliver_(core::SpawnResult{id, process->pid});
  return find(id);
}

// ---- What becomes of processes ---------------------------------------------------------------

void LinuxPlatform::on_status(const ChildStatus& status) {
  const auto known = by_pid_.find(status.pid);
  if (known == by_pid_.end()) return on_unknown(status);
  const auto id = known->second;

  // The result of the spawn comes before anything else that is said of the process (Q2, Q4).
  auto* process = read_reports(id);
  if (process == nullptr) return;

  switch (status.kind) {
    case ChildStatus::Kind::Exited:
    case ChildStatus::Kind::Killed:
      // Dead with the pipe still open: somebody has inherited it. Nothing more will be written.
      if (!process->executing) process = confirm_exec(id);
      if (process != nullptr) on_end(id, status);
      return;
    case ChildStatus::Kind::Stopped:
      if (process->executing) changed(id, core::Stopped{status.value});
      return;
    case ChildStatus::Kind::Trapped: return on_trapped(*process, status.value);
  }
}

void LinuxPlatform::on_end(core::SpawnId id, const ChildStatus& status) {
  auto& process = *find(id);
  if (process.trace != Trace::No) {
    for (const pid_t child : early_children_.abandon(status.pid)) tracer::detach(child);
  }
  // The parent of an adopted process may still read the script.
  if (!process.adopted) scripts_.stop(id);
  forget(id);
  if (status.kind == ChildStatus::Kind::Exited) {
    changed(id, core::Exited{status.value});
  } else {
    changed(id, core::Signalled{status.value});
  }
}

void LinuxPlatform::on_unknown(const ChildStatus& status) {
  switch (status.kind) {
    case ChildStatus::Kind::Exited:
    case ChildStatus::Kind::Killed: return early_children_.forget(status.pid);
    case ChildStatus::Kind::Stopped: return;
    case ChildStatus::Kind::Trapped: return on_trap_of_stranger(status.pid, status.value);
  }
}

/// Only children of processes we trace are trapped without being known.
void LinuxPlatform::on_trap_of_stranger(pid_t pid, int signal) {
  const pid_t parent = parent_of(pid);
  const auto* process = find_pid(parent);
  const bool will_be_named =
      parent == 0 || (process != nullptr && process->trace == Trace::Running);
  if (will_be_named) return early_children_.add(pid, parent, signal);
  tracer::detach(pid, signal == SIGSTOP ? 0 : signal);
}

void LinuxPlatform::on_trapped(Process& process, int value) {
  const int signal = value & 0xff;
  const int event = value >> 8;
  switch (process.trace) {
    case Trace::AwaitingExec:
      if (!process.executing || signal != SIGTRAP) return tracer::go_on(process.pid, signal);
      process.trace = Trace::Running;
      tracer::report_forks_and_execs(process.pid);
      return tracer::go_on(process.pid, 0);
    case Trace::Running:
      if (event == PTRACE_EVENT_FORK) return on_fork(process);
      if (event == PTRACE_EVENT_EXEC) {
        process.trace = Trace::Halted;
        return changed(process.request.id, core::Executed{});
      }
      return tracer::go_on(process.pid, event == 0 ? signal : 0);
    case Trace::AwaitingChild: return on_child_stop(process, signal);
    case Trace::Halted:
    case Trace::No: return;
  }
}

void LinuxPlatform::on_fork(Process& process) {
  const auto child = tracer::forked_child(process.pid);
  tracer::detach(process.pid);
  if (!child) return;  // killed in this moment; its end comes next
  follow(process, *child);
  if (const auto signal = early_children_.claim(*child)) on_child_stop(process, *signal);
}

/// The child takes the place of its parent, which runs on as a stranger.
void LinuxPlatform::follow(Process& process, pid_t child) {
  forget_pid(process);
  process.pid = child;
  process.trace = Trace::AwaitingChild;
  process.adopted = true;
  by_pid_[child] = process.request.id;
  watch_pidfd(process);
}

/// A new child begins with SIGSTOP, which is ours; other signals may come first.
void LinuxPlatform::on_child_stop(Process& process, int signal) {
  if (signal != SIGSTOP) return tracer::go_on(process.pid, signal);
  process.trace = Trace::Halted;
  changed(process.request.id, core::Forked{process.pid});
}

/// An adopted process belongs to its parent for as long as that lives: without the pidfd we would
/// not hear of its end (Q13c).
void LinuxPlatform::watch_pidfd(Process& process) {
  process.pidfd_source.reset();
  process.pidfd.reset(::pidfd_open(process.pid, 0));
  sd_event_source* source = nullptr;
  // Edge-triggered: where another tracer delays the end we shall be told by SIGCHLD, not by
  // asking over and over.
  const int result = process.pidfd ? sd_event_add_io(loop_, &source, process.pidfd.value(),
                                                     EPOLLIN | EPOLLET, on_pidfd, &process)
                                   : -errno;
  if (result < 0) {
    on_message_(core::Priority::Warning,
                fmt::format("{}: the end of process {} may go unnoticed: {}",
                            name_of(process.request), process.pid, std::strerror(-result)));
    return;
  }
  process.pidfd_source.reset(source);
}

int LinuxPlatform::on_pidfd(sd_event_source*, int, uint32_t, void* process) noexcept {
  auto& self = *static_cast<Process*>(process);
  self.platform->look_after_adopted(self.request.id);
  return 0;
}

void LinuxPlatform::look_after_adopted(core::SpawnId id) {
  reaper_->look();  // if it has become our child its status can be had
  const auto* process = find(id);
  if (process == nullptr) return;
  siginfo_t info{};
  const int result = ::waitid(P_PIDFD, static_cast<id_t>(process->pidfd.value()), &info,
                              WEXITED | WNOHANG | WNOWAIT);
  if (result < 0 && errno == ECHILD) end_of_anothers_child(id);
}

/// Its parent will reap it or has done so. Until then /proc knows the status.
void LinuxPlatform::end_of_anothers_child(core::SpawnId id) {
  const auto& process = *find(id);
  auto status = zombie_status(process.pid);
  // Asked afterwards: if it is still there the status was its own and not that of a successor.
  if (::pidfd_send_signal(process.pidfd.value(), 0, nullptr, 0) < 0) status.reset();
  forget(id);
  if (!status) return changed(id, core::Vanished{});
  if (WIFSIGNALED(*status)) return changed(id, core::Signalled{WTERMSIG(*status)});
  changed(id, core::Exited{WEXITSTATUS(*status)});
}

// ---- Signals ---------------------------------------------------------------------------------

void LinuxPlatform::signal(core::SpawnId id, int signal, core::SignalTarget target) {
  const auto* process = find(id);
  const int error = process == nullptr ? ESRCH : send(*process, signal, target);
  if (error == ESRCH) {
    if (process != nullptr) forget(id);
    return later(core::ProcessChange{id, core::Vanished{}});
  }
  if (error != 0) {
    on_message_(core::Priority::Warning,
                fmt::format("{}: unable to send {} to process {}: {}", name_of(process->request),
                            signal_name(signal), process->pid, std::strerror(error)));
  }
}

/// An errno, or 0. A child of ours keeps its pid until it is reaped, which ends the supervision;
/// an adopted process is asked for by its pidfd first.
int LinuxPlatform::send(const Process& process, int signal, core::SignalTarget target) {
  if (process.pidfd && ::pidfd_send_signal(process.pidfd.value(), 0, nullptr, 0) < 0 &&
      errno == ESRCH) {
    return ESRCH;
  }
  const pid_t group = ::getpgid(process.pid);
  if (group < 0) return errno;
  // Before its setsid() a child is still in the manager's group.
  const bool whole_group = target == core::SignalTarget::Group && is_safe_group(group);
  return ::kill(whole_group ? -group : process.pid, signal) < 0 ? errno : 0;
}

void LinuxPlatform::resume(core::SpawnId id, core::Resume how) {
  auto* process = find(id);
  if (process == nullptr) return;
  if (process->trace != Trace::Halted) {
    ::kill(process->pid, SIGCONT);
  } else if (how == core::Resume::Detach) {
    process->trace = Trace::No;
    tracer::detach(process->pid);
  } else {
    process->trace = Trace::Running;
    tracer::report_forks_and_execs(process->pid);
    tracer::go_on(process->pid, 0);
  }
}

// ---- Tables and delivery ---------------------------------------------------------------------

LinuxPlatform::Process* LinuxPlatform::find(core::SpawnId id) {
  const auto found = processes_.find(id);
  return found == processes_.end() ? nullptr : found->second.get();
}

LinuxPlatform::Process* LinuxPlatform::find_pid(pid_t pid) {
  const auto found = by_pid_.find(pid);
  return found == by_pid_.end() ? nullptr : find(found->second);
}

/// Only if the pid still means this process: an adopted one can be gone, its pid another's.
void LinuxPlatform::forget_pid(const Process& process) {
  const auto found = by_pid_.find(process.pid);
  if (found != by_pid_.end() && found->second == process.request.id) by_pid_.erase(found);
}

void LinuxPlatform::forget(core::SpawnId id) {
  const auto found = processes_.find(id);
  forget_pid(*found->second);
  processes_.erase(found);
}

void LinuxPlatform::changed(core::SpawnId id, decltype(core::ProcessChange::what) what) {
  deliver_(core::ProcessChange{id, what});
}

void LinuxPlatform::later(core::SpawnId id, core::SpawnFailure failure) {
  later(core::SpawnResult{id, std::unexpected(std::move(failure))});
}

void LinuxPlatform::later(core::Input input) {
  later_.push_back(std::move(input));
  sd_event_source_set_enabled(later_source_.get(), SD_EVENT_ONESHOT);
}

int LinuxPlatform::on_later(sd_event_source*, void* self) noexcept {
  auto& platform = *static_cast<LinuxPlatform*>(self);
  // What is added meanwhile waits for the next turn.
  for (auto batch = std::exchange(platform.later_, {}); !batch.empty(); batch.pop_front()) {
    platform.deliver_(std::move(batch.front()));
  }
  return 0;
}

}  // namespace upkeep::os
