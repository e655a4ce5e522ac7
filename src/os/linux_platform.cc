#include "os/linux_platform.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

#include <fmt/format.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/overloaded.h"
#include "base/signals.h"
#include "os/log_path.h"
#include "os/proc_file.h"

// glibc 2.36 forgets to tell C++ that these are C.
extern "C" {
#include <sys/pidfd.h>
}

namespace upkeep::os {
namespace {

/// The instance as messages name it: "web (eu)".
std::string title_of(const core::SpawnRequest& request) {
  const auto instance =
      request.instance.empty() ? "" : fmt::format(" ({})", printable(request.instance));
  return printable(request.definition->name) + instance;
}

/// The process: "web (eu) main".
std::string name_of(const core::SpawnRequest& request) {
  return fmt::format("{} {}", title_of(request), conf::to_string(request.type));
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
      forks_(
          {.find = [this](pid_t pid) { return find_pid(pid); },
           .follow = [this](SupervisedProcess& process, pid_t pid) { follow(process, pid); },
           .on_change = [this](core::SpawnId id, Change what) { changed(id, std::move(what)); }}),
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

  auto trees = ProcessTrees::create(
      loop, {.cgroups = platform->options_.cgroups},
      [self = platform.get()](core::TreeId tree) { self->deliver_(core::TreeEmptied{tree}); },
      platform->on_message_);
  if (!trees) return std::unexpected(trees.error());
  platform->trees_ = std::move(*trees);

  sd_event_source* source = nullptr;
  const int result = sd_event_add_defer(loop, &source, on_later, platform.get());
  if (result < 0) {
    return failure(fmt::format("unable to defer work: {}", std::strerror(-result)));
  }
  platform->later_source_.reset(source);
  sd_event_source_set_enabled(source, SD_EVENT_OFF);

  return platform;
}

// ---- Starting --------------------------------------------------------------------------------

void LinuxPlatform::spawn(core::SpawnRequest request) {
  const auto id = request.id;
  auto done = try_spawn(request);
  if (!done) later(id, std::move(done.error()));
}

std::expected<void, core::SpawnFailure> LinuxPlatform::try_spawn(core::SpawnRequest& request) {
  auto readiness = make_readiness(request);
  if (!readiness) return std::unexpected(std::move(readiness.error()));
  auto place = trees_->place(request);
  if (!place) return std::unexpected(std::move(place.error()));
  Surroundings surroundings{.logged = logs_ != nullptr,
                            .mark = place->mark.value_or(0),
                            .cgroup = place->cgroup.value(),
                            .notify_address = *readiness ? (*readiness)->address() : ""};
  for (const auto& file : place->joins) surroundings.joins.push_back(file.value());

  auto launched = launch(request, options_, surroundings);
  if (!launched) {
    const auto& reason = launched.error();
    return std::unexpected(core::SpawnFailure{.error = reason.error,
                                              .description = reason.description,
                                              .temporary = is_temporary(reason.error)});
  }
  trees_->started(request.tree, launched->pid);
  tree_names_.try_emplace(request.tree, title_of(request));
  supervise(std::move(request), std::move(*launched), std::move(*readiness));
  return {};
}

/// Null if the exec is all that is waited for.
std::expected<std::unique_ptr<Readiness>, core::SpawnFailure> LinuxPlatform::make_readiness(
    const core::SpawnRequest& request) {
  if (!Readiness::is_needed(request)) return nullptr;
  const auto id = request.id;
  const auto roots = [this, id] {
    const auto* process = find(id);
    return process == nullptr ? std::vector<pid_t>() : std::vector<pid_t>{process->pid};
  };
  return Readiness::create(
      loop_, request,
      {.may_speak = [this, id](const NotifySender& sender) { return may_speak(id, sender); },
       .replace_main = [this, id](pid_t pid) { return replace_main(id, pid); },
       .on_change = [this, id](Change what) { changed(id, std::move(what)); },
       .on_message =
           [this, name = name_of(request)](const std::string& text) {
             on_message_(core::Priority::Warning, fmt::format("{}: {}", name, text));
           },
       .roots = roots});
}

void LinuxPlatform::supervise(core::SpawnRequest request, Launched launched,
                              std::unique_ptr<Readiness> readiness) {
  if (!launched.notice.empty()) {
    on_message_(core::Priority::Warning, fmt::format("{}: {}", name_of(request), launched.notice));
  }
  if (launched.output) open_log(request, std::move(launched.output));

  const auto id = request.id;
  auto process = std::make_unique<Process>();
  process->platform = this;
  process->launched_pid = launched.pid;
  process->pid = launched.pid;
  process->pidfd = std::move(launched.pidfd);
  process->trace = launched.traced ? Trace::AwaitingExec : Trace::No;
  process->request = std::move(request);
  process->names = std::move(launched.names);
  process->memory = std::move(launched.memory);
  process->script_pipe = std::move(launched.script_pipe);
  process->script = std::move(launched.script);
  process->report = std::move(launched.report);
  process->readiness = std::move(readiness);
  if (!watch_set_up(*process, std::move(launched.ready))) {
    ::kill(process->pid, SIGKILL);  // better no process than one whose fate is not known
    collect_log(id);
    return later(id, {.error = ENOMEM,
                      .description = "unable to watch the set-up of the process",
                      .temporary = true});
  }
  by_pid_[process->pid] = id;
  processes_[id] = std::move(process);
}

bool LinuxPlatform::watch_set_up(Process& process, UniqueFd ready) {
  sd_event_source* source = nullptr;
  const int result =
      sd_event_add_io(loop_, &source, process.report.value(), EPOLLIN, on_report, &process);
  if (result < 0) return false;
  process.report_source.reset(source);
  return !ready || !process.readiness || process.readiness->watch_pipe(std::move(ready));
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
    if (report.step == SetupStep::TraceRefused) process->trace = Trace::No;
    const auto text = describe(report, *process->request.definition, process->names);
    on_message_(core::Priority::Warning,
                fmt::format("{}: {}", name_of(process->request), text.description));
  }
}

void LinuxPlatform::setup_failed(Process& process, const SetupReport& report) {
  const auto& request = process.request;
  const auto id = request.id;
  auto failure = describe(report, *request.definition, process.names);
  // No supervision any more: the exit status 255 of the child is nobody's business (Q4).
  forget(id);
  collect_log(id);
  deliver_(core::SpawnResult{id, std::unexpected(std::move(failure))});
}

LinuxPlatform::Process* LinuxPlatform::confirm_exec(core::SpawnId id) {
  auto* process = find(id);
  process->report_source.reset();
  process->report.reset();
  process->memory.reset();
  process->executing = true;
  if (process->readiness) {
    const auto watched = process->readiness->watch_rest(process->request);
    if (!watched) {
      on_message_(core::Priority::Warning,
                  fmt::format("{}: {}", name_of(process->request), watched.error().message));
    }
  }
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

/// The end of the pipe is the exec, which may not have been read yet.
bool LinuxPlatform::is_in_set_up(const Process& process) {
  if (process.executing || !process.report) return false;
  pollfd pipe{process.report.value(), POLLIN, 0};
  return ::poll(&pipe, 1, 0) == 0;
}

// ---- Who speaks for main ---------------------------------------------------------------------

/// A process of the job. One that has ended meanwhile can only be told by its user, who then is
/// that of main, of the manager, or root; without the name of the socket it could not have spoken.
bool LinuxPlatform::may_speak(core::SpawnId id, const NotifySender& sender) {
  const auto* process = find(id);
  if (process == nullptr) return false;
  if (sender.exists) {
    return sender.pid == process->pid || trees_->contains(process->request.tree, sender.pid);
  }
  return sender.uid == 0 || sender.uid == ::geteuid() || sender.uid == user_of(process->pid);
}

bool LinuxPlatform::replace_main(core::SpawnId id, pid_t pid) {
  auto* process = find(id);
  if (process == nullptr) return false;
  if (pid == process->pid) return true;
  if (by_pid_.contains(pid) || !trees_->contains(process->request.tree, pid)) return false;
  process->trace = Trace::No;  // nothing is traced for `expect notify`
  follow(*process, pid);
  return true;
}

// ---- What becomes of processes ---------------------------------------------------------------

void LinuxPlatform::on_status(const ChildStatus& status) {
  const bool ends =
      status.kind == ChildStatus::Kind::Exited || status.kind == ChildStatus::Kind::Killed;
  act_on(status);
  if (ends) trees_->ended(status.pid);
}

void LinuxPlatform::act_on(const ChildStatus& status) {
  const auto known = by_pid_.find(status.pid);
  if (known == by_pid_.end()) {
    if (status.kind == ChildStatus::Kind::Trapped) {
      forks_.on_trap_of_stranger(status.pid, status.value);
    } else if (status.kind != ChildStatus::Kind::Stopped) {
      forks_.forget(status.pid);
    }
    return;
  }
  const auto id = known->second;

  // The result of the spawn comes before anything else that is said of the process (Q2, Q4).
  auto* process = read_reports(id);
  if (process == nullptr) return;

  switch (status.kind) {
    case ChildStatus::Kind::Exited:
    case ChildStatus::Kind::Killed:
      // Dead with the pipe still open: somebody has inherited it. Nothing more will be written.
      if (!process->executing) process = confirm_exec(id);
      if (process == nullptr) return;
      if (status.kind == ChildStatus::Kind::Exited) {
        on_end(id, core::Exited{status.value}, false);
      } else {
        on_end(id, core::Signalled{status.value}, false);
      }
      return;
    case ChildStatus::Kind::Stopped:
      if (process->executing) changed(id, core::Stopped{status.value});
      return;
    case ChildStatus::Kind::Trapped: return forks_.on_trapped(*process, status.value);
  }
}

void LinuxPlatform::on_end(core::SpawnId id, core::Death death, bool of_anothers_child) {
  // What it has said comes before its end.
  if (auto& readiness = find(id)->readiness) {
    Readiness::look(std::shared_ptr(readiness->alive()), *readiness);
  }
  auto* process = find(id);
  if (process == nullptr) return;
  logins_.process_ended(process->pid);
  forks_.ended(*process);
  process->trace = Trace::No;
  if (const pid_t survivor = survivor_of(*process, death, of_anothers_child)) {
    process->survivor = survivor;
    core::Orphaned orphaned;
    orphaned.end = death;
    orphaned.survivor = survivor;
    orphaned.forks = forks_between(*process, survivor);
    orphaned.was_helper = of_anothers_child;
    changed(id, orphaned);
    process = find(id);
    // Nobody wants it.
    if (process != nullptr && process->survivor != 0) {
      resume_orphaned(*process, core::Resume::Detach);
    }
    return;
  }
  // The parent of an adopted process may still read the script.
  if (!process->adopted) scripts_.stop(id);
  forget(id);
  std::visit([&](const auto& end) { changed(id, end); }, death);
}

/// This process is meant from now on. It belongs to its parent for as long as that lives: without
/// the pidfd we would not hear of its end (Q13c).
void LinuxPlatform::follow(Process& process, pid_t pid) {
  forget_pid(process);
  process.pid = pid;
  process.adopted = parent_of(pid) != ::getpid();
  by_pid_[pid] = process.request.id;
  process.pidfd_source.reset();
  process.pidfd.reset(::pidfd_open(pid, 0));
  if (process.adopted) watch_end(process);
}

void LinuxPlatform::watch_end(Process& process) {
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
  if (!status) return on_end(id, core::Vanished{}, true);
  if (WIFSIGNALED(*status)) return on_end(id, core::Signalled{WTERMSIG(*status)}, true);
  on_end(id, core::Exited{WEXITSTATUS(*status)}, true);
}

// ---- Survivors -------------------------------------------------------------------------------

/// Looked for only where the core can make use of one: not when a task has ended, as tasks do, and
/// not when main has failed. 0 if there is none.
pid_t LinuxPlatform::survivor_of(const Process& process, const core::Death& death,
                                 bool of_anothers_child) {
  const auto& request = process.request;
  if (request.type != core::ProcessType::Main || request.definition->task) return 0;
  const auto* exited = std::get_if<core::Exited>(&death);
  const bool clean = exited != nullptr && exited->status == 0;
  if (!clean && !of_anothers_child) return 0;
  const auto is_known = [&](pid_t pid) { return by_pid_.contains(pid); };
  return trees_->oldest_orphan(request.tree, is_known).value_or(0);
}

/// Who has left its session without leading one of its own is a grandchild at least.
int LinuxPlatform::forks_between(const Process& process, pid_t survivor) {
  const pid_t session = ::getsid(survivor);
  const bool one = session == survivor || session == process.launched_pid || session == process.pid;
  return one ? 1 : 2;
}

void LinuxPlatform::resume_orphaned(Process& process, core::Resume how) {
  const pid_t survivor = std::exchange(process.survivor, 0);
  if (how == core::Resume::Continue) return follow(process, survivor);
  scripts_.stop(process.request.id);
  forget(process.request.id);
}

void LinuxPlatform::end_tree(core::TreeId tree, int signal) {
  if (signal == SIGKILL) {
    const auto left = trees_->survivors(tree);
    if (left.count > 0) {
      const auto others = left.count - std::min(left.count, left.names.size());
      on_message_(core::Priority::Warning,
                  fmt::format("{}: KILL for what is left: {}{}", tree_names_[tree],
                              fmt::join(left.names, ", "),
                              others == 0 ? "" : fmt::format(" and {} more", others)));
    }
  }
  for (const auto& [id, process] : processes_) {
    // In its set-up nothing but KILL can end it.
    if (process->request.tree == tree && is_in_set_up(*process)) ::kill(process->pid, SIGKILL);
  }
  trees_->end(tree, signal);
}

void LinuxPlatform::forget_tree(core::TreeId tree) {
  trees_->forget(tree);
  tree_names_.erase(tree);
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

/// An errno, or 0. The pidfd is of the process that is meant, whatever has become of its number.
int LinuxPlatform::send(const Process& process, int signal, core::SignalTarget target) {
  const auto kill = [](pid_t pid, int number) { return ::kill(pid, number) < 0 ? errno : 0; };
  if (is_in_set_up(process)) return kill(process.pid, SIGKILL);

  const bool group_wanted = target == core::SignalTarget::Group;
  const pid_t group = group_wanted ? ::getpgid(process.pid) : 0;
  const bool whole_group = group_wanted && is_safe_group(group);
  // A child of ours keeps its number until it is reaped, which ends the supervision.
  if (!process.pidfd) return kill(whole_group ? -group : process.pid, signal);

  const int fd = process.pidfd.value();
  if (!whole_group) return ::pidfd_send_signal(fd, signal, nullptr, 0) < 0 ? errno : 0;
  if (group == process.pid) {
    constexpr unsigned kProcessGroup = 1U << 2U;  // PIDFD_SIGNAL_PROCESS_GROUP, since Linux 6.9
    if (::pidfd_send_signal(fd, signal, nullptr, kProcessGroup) == 0) return 0;
    if (errno != EINVAL) return errno;
  }
  // Asked after the group: if it lives the group is its own and not that of a successor.
  if (::pidfd_send_signal(fd, 0, nullptr, 0) < 0) return errno;
  return kill(-group, signal);
}

void LinuxPlatform::resume(core::SpawnId id, core::Resume how) {
  auto* process = find(id);
  if (process == nullptr) return;
  if (process->survivor != 0) return resume_orphaned(*process, how);
  if (how == core::Resume::Detach && process->readiness) process->readiness->found();
  if (forks_.resume(*process, how)) return;
  if (how == core::Resume::Continue) {
    if (process->readiness) process->readiness->found();
    ::kill(process->pid, SIGCONT);
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

void LinuxPlatform::changed(core::SpawnId id, Change what) {
  deliver_(core::ProcessChange{id, std::move(what)});
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
