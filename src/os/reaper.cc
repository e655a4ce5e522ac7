#include "os/reaper.h"

#include <csignal>
#include <cstring>
#include <optional>

#include <fmt/format.h>
#include <sys/wait.h>

namespace upkeep::os {
namespace {

constexpr int kChildrenPerTurn = 128;
constexpr std::int64_t kBeforeEverything = SD_EVENT_PRIORITY_IMPORTANT - 50;

/// The next child with news, which stays as it is; nothing if there is none.
std::optional<siginfo_t> peek() {
  siginfo_t info{};
  const int flags = WEXITED | WSTOPPED | WCONTINUED | WNOHANG | WNOWAIT;
  if (::waitid(P_ALL, 0, &info, flags) < 0 || info.si_pid == 0) return std::nullopt;
  return info;
}

/// Takes from the kernel just the news that peek() has shown. It may be gone: a stopped child can
/// have been killed since.
void take(const siginfo_t& info) {
  int kind = WEXITED;
  if (info.si_code == CLD_STOPPED || info.si_code == CLD_TRAPPED) kind = WSTOPPED;
  if (info.si_code == CLD_CONTINUED) kind = WCONTINUED;
  siginfo_t ignored{};
  ::waitid(P_PID, static_cast<id_t>(info.si_pid), &ignored, kind | WNOHANG);
}

std::optional<ChildStatus::Kind> kind_of(const siginfo_t& info) {
  switch (info.si_code) {
    case CLD_EXITED: return ChildStatus::Kind::Exited;
    case CLD_KILLED:
    case CLD_DUMPED: return ChildStatus::Kind::Killed;
    case CLD_STOPPED: return ChildStatus::Kind::Stopped;
    case CLD_TRAPPED: return ChildStatus::Kind::Trapped;
    default: return std::nullopt;  // continued: nobody asks
  }
}

bool is_end(ChildStatus::Kind kind) {
  return kind == ChildStatus::Kind::Exited || kind == ChildStatus::Kind::Killed;
}

}  // namespace

Result<std::unique_ptr<Reaper>> Reaper::create(sd_event* loop, Report report) {
  const auto give_up = [](int error) {
    return failure(fmt::format("unable to watch for children: {}", std::strerror(error)));
  };
  sigset_t child;
  ::sigemptyset(&child);
  ::sigaddset(&child, SIGCHLD);
  if (::sigprocmask(SIG_BLOCK, &child, nullptr) < 0) return give_up(errno);

  std::unique_ptr<Reaper> reaper(new Reaper(std::move(report)));
  // Not sd_event_add_signal(), which needs a new descriptor whenever its source is changed: there
  // may be none.
  reaper->signal_fd_.reset(::signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!reaper->signal_fd_) return give_up(errno);
  sd_event_source* source = nullptr;
  int result =
      sd_event_add_io(loop, &source, reaper->signal_fd_.value(), EPOLLIN, on_signal, reaper.get());
  if (result < 0) return give_up(-result);
  reaper->signal_.reset(source);
  sd_event_source_set_priority(source, kBeforeEverything);

  // A defer source is on at first: children that died before now are found in the first turn.
  result = sd_event_add_defer(loop, &source, on_again, reaper.get());
  if (result < 0) return give_up(-result);
  reaper->again_.reset(source);
  return reaper;
}

int Reaper::on_signal(sd_event_source*, int fd, uint32_t, void* self) noexcept {
  signalfd_siginfo ignored;  // several signals may have become one: only waitid() knows them all
  while (::read(fd, &ignored, sizeof ignored) > 0) {
  }
  static_cast<Reaper*>(self)->look();
  return 0;
}

/// After each look the signal queues with everybody else until everything of ordinary priority has
/// had its turn: otherwise a program next door that forks as fast as it can would stop all other
/// work.
void Reaper::look() {
  reap_some();
  sd_event_source_set_priority(signal_.get(), SD_EVENT_PRIORITY_NORMAL);
  sd_event_source_set_enabled(again_.get(), SD_EVENT_ONESHOT);
}

int Reaper::on_again(sd_event_source*, void* self) noexcept {
  auto& reaper = *static_cast<Reaper*>(self);
  const bool more = reaper.reap_some();
  if (more) {
    sd_event_source_set_enabled(reaper.again_.get(), SD_EVENT_ONESHOT);
  } else {
    sd_event_source_set_priority(reaper.signal_.get(), kBeforeEverything);
  }
  return 0;
}

/// Whether there may be more to do.
bool Reaper::reap_some() {
  for (int i = 0; i < kChildrenPerTurn; ++i) {
    const auto info = peek();
    if (!info) return false;
    const auto kind = kind_of(*info);
    // An end is acted on while the zombie still holds the pid. A stop is taken first: the report
    // may let the process go on and into its next stop, which must not be taken for this one.
    const bool ends = kind && is_end(*kind);
    if (!ends) take(*info);
    if (kind) report_({info->si_pid, *kind, info->si_status});
    if (ends) take(*info);
  }
  return true;
}

}  // namespace upkeep::os
