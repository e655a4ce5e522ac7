// When main counts as started, and which process main is (`expect`, spec/runtime.md 4.5).
//
// `fork` and `daemon` count the forks that the platform reports, as the original does. Where that
// leads to the wrong process, or to none, the survivors tell: a process of the job that has become
// the manager's child when the one before it ended. What never becomes ready is taken as started
// once it rests, or fails when `expect timeout` is over; so no wrong `expect` holds up anybody for
// ever (Q13).
#include <algorithm>
#include <csignal>
#include <optional>

#include "core/service_manager.h"

namespace upkeep::core {
namespace {

using conf::Expect;
using std::chrono::seconds;

/// How long a program that says when it is ready may take for it.
constexpr seconds kNotifyTimeout{90};
/// How long a wrong `expect` is waited for at most, and at least.
constexpr seconds kLongestRest{5};
constexpr seconds kShortestRest{1};
/// `expect auto`: what rests for so long stays in the foreground, and so it does if it is still
/// there so long after its start.
constexpr seconds kAutoRest{1};
constexpr seconds kAutoAtLatest{10};
/// Up to so long after its start `expect auto` follows a program into the background.
constexpr seconds kAutoFollows{90};
/// Far beyond any real use; keeps sums from overflowing.
constexpr std::int64_t kLongestTimeout = 100LL * 365 * 24 * 3600;
/// A watchdog that fires faster than this would keep the manager busy.
constexpr std::chrono::milliseconds kShortestWatchdog{10};
constexpr std::chrono::hours kMostTime{24};

/// Forks after which the main process is found; 0 if they are not what counts.
int forks_expected(Expect expect) {
  if (expect == Expect::Fork) return 1;
  return expect == Expect::Daemon ? 2 : 0;
}

std::string forks(int count) {
  return fmt::format("{} fork{}", count, count == 1 ? "" : "s");
}

/// What has not happened yet.
std::string lacking(const conf::JobDefinition& definition, const ProcessSlot& main) {
  if (main.pid == 0) return "it is still being set up";
  switch (definition.expect) {
    case Expect::None: return "it is still being set up";
    case Expect::Stop: return "expected it to stop itself by SIGSTOP, which it has not";
    case Expect::Fork:
    case Expect::Daemon:
      return fmt::format("expected {}, saw {}", forks(forks_expected(definition.expect)),
                         main.forks == 0 ? "none" : std::to_string(main.forks));
    case Expect::Auto: return "it neither rests nor says that it is ready";
    case Expect::Notify: return "expected READY=1 on $NOTIFY_SOCKET, which has not come";
    case Expect::Fd:
      return fmt::format("expected a newline on descriptor {}, which has not come",
                         definition.expect_fd);
  }
  return {};
}

/// The `expect` for a program that forks so often.
std::string_view advice(int forks) {
  if (forks == 0) return "expect none";
  return forks == 1 ? "expect fork" : "expect daemon";
}

}  // namespace

// ---- From the start to ready -----------------------------------------------------------------

/// Begins to wait for main, which is about to be started.
void ServiceManager::expect_main(JobInstance& instance) {
  forget_expectations(instance);
  const auto& definition = instance.job().definition();
  const bool plain = definition.expect == Expect::None && !definition.expect_timeout_seconds;
  if (plain) return;
  instance.watch_ = std::make_unique<MainWatch>();
  auto& watch = *instance.watch_;
  watch.asked_for = now_;
  // Only these have a socket to give signs of life on.
  const bool has_socket = definition.expect == Expect::Notify || definition.expect == Expect::Auto;
  if (has_socket && definition.watchdog_seconds) {
    watch.watchdog_interval = seconds(std::min(*definition.watchdog_seconds, kLongestTimeout));
  }
  const bool says_so = definition.expect == Expect::Notify || definition.expect == Expect::Fd;
  auto timeout = says_so ? kNotifyTimeout : seconds(0);
  if (definition.expect_timeout_seconds) {
    timeout = seconds(std::min(*definition.expect_timeout_seconds, kLongestTimeout));
  }
  if (timeout > seconds(0)) {
    watch.expect_timer = timers_.arm(now_ + timeout, ExpectTimer{&instance});
  }
}

/// Has the platform tell when a program rests that will perhaps never do what `expect` says.
void ServiceManager::watch_for_rest(SpawnRequest& request) {
  const auto& definition = *request.definition;
  switch (definition.expect) {
    case Expect::Stop:
    case Expect::Fork:
    case Expect::Daemon:
      if (definition.expect_timeout_seconds) return;  // then it is for that to decide
      request.settles_after =
          std::clamp(seconds(std::min(definition.kill_timeout_seconds.value(), kLongestTimeout)),
                     kShortestRest, kLongestRest);
      return;
    case Expect::Auto:
      request.settles_after = kAutoRest;
      request.settles_at_latest = kAutoAtLatest;
      return;
    case Expect::None:
    case Expect::Notify:
    case Expect::Fd: return;
  }
}

/// Main is what it should be.
void ServiceManager::main_is_ready(JobInstance& instance) {
  if (instance.watch_) instance.watch_->ready = true;
  feed_watchdog(instance);
  advance(instance);
}

/// Called when `spawned` is left, and when main has ended.
void ServiceManager::disarm_expect_timer(JobInstance& instance) {
  if (!instance.watch_) return;
  const auto key = std::exchange(instance.watch_->expect_timer, std::nullopt);
  if (key) timers_.cancel(*key);
}

void ServiceManager::forget_expectations(JobInstance& instance) {
  disarm_expect_timer(instance);
  disarm_watchdog(instance);
  instance.watch_.reset();
}

void ServiceManager::expect_timer_fired(JobInstance& instance) {
  instance.watch_->expect_timer.reset();
  const auto& main = instance.process(ProcessType::Main);
  const auto what = lacking(instance.job().definition(), main);
  const auto since = std::chrono::duration_cast<seconds>(now_ - instance.watch_->asked_for);
  const auto pid = main.pid == 0 ? std::string() : fmt::format(" ({})", main.pid);
  log(Priority::Warning, "{} main process{} is not ready after {} s: {}", instance.title(), pid,
      since.count(), what);
  blame(instance, Cause::NotReady{instance.title(), what});
  fail(instance, {ProcessType::Main, std::nullopt, std::nullopt});
  change_goal(instance, Goal::Stop);
}

// ---- What the process does -------------------------------------------------------------------

void ServiceManager::main_stopped(JobInstance& instance, int signal) {
  const bool waiting = instance.state_ == State::Spawned;
  // It was told to stop before it was ready; stopped it would not act on that.
  const bool leaving = instance.state_ == State::Stopping || instance.state_ == State::Killed;
  const auto& expect = instance.job().definition().expect;
  const bool expected = expect == Expect::Stop || expect == Expect::Auto;
  const bool late = instance.watch_ && std::exchange(instance.watch_->rested, false);
  if (!(waiting || leaving || late) || signal != SIGSTOP || !expected) {
    return;  // somebody stopped it by hand: it is theirs to continue
  }
  platform_.resume(instance.process(ProcessType::Main).spawn, Resume::Continue);
  if (waiting) main_is_ready(instance);
}

void ServiceManager::main_forked(JobInstance& instance, pid_t child) {
  auto& main = instance.slot(ProcessType::Main);
  main.pid = child;
  ++main.forks;
  const bool waiting = instance.state_ == State::Spawned;
  const bool found = main.forks > 1 || instance.job().definition().expect == Expect::Fork;
  platform_.resume(main.spawn, found || !waiting ? Resume::Detach : Resume::Continue);
  if (found && waiting) main_is_ready(instance);
}

void ServiceManager::main_executed(JobInstance& instance) {
  const auto& main = instance.process(ProcessType::Main);
  const bool waiting = instance.state_ == State::Spawned;
  const bool found = main.forks > 0;  // before the first fork a script may exec the daemon
  platform_.resume(main.spawn, found || !waiting ? Resume::Detach : Resume::Continue);
  if (found && waiting) main_is_ready(instance);
}

/// It rests without having become ready.
void ServiceManager::main_settled(JobInstance& instance) {
  if (instance.state_ != State::Spawned) return;
  const auto& main = instance.process(ProcessType::Main);
  const auto& definition = instance.job().definition();
  if (definition.expect == Expect::Auto) {
    log(Priority::Info, "{} main process ({}) stays in the foreground, as with \"expect none\"",
        instance.title(), main.pid);
  } else {
    log(Priority::Warning,
        "{} main process ({}) rests and is taken as started: {}; use \"{}\", or \"expect auto\" "
        "to let it be found out",
        instance.title(), main.pid, lacking(definition, main),
        advice(definition.expect == Expect::Stop ? 0 : main.forks));
  }
  platform_.resume(main.spawn, Resume::Detach);
  instance.watch_->rested = true;
  main_is_ready(instance);
}

void ServiceManager::main_replaced(JobInstance& instance, pid_t pid) {
  if (pid <= 1) return;
  auto& main = instance.slot(ProcessType::Main);
  log(Priority::Info, "{} main process is now {}, it was {}", instance.title(), pid, main.pid);
  if (std::exchange(main.pid, pid) != pid) end_successor(instance);
}

// ---- Survivors -------------------------------------------------------------------------------

/// Main has ended and left a process that has become ours: the service, or what it forgot?
void ServiceManager::main_orphaned(JobInstance& instance, const Orphaned& orphaned) {
  auto& main = instance.slot(ProcessType::Main);
  const auto end = end_of(orphaned.end);
  if (!follows(instance, orphaned, end)) {
    const bool failed = tell_of_survivor(instance, orphaned, end);
    platform_.resume(main.spawn, Resume::Detach);
    if (failed) fail(instance, {ProcessType::Main, end.exit_status, end.exit_signal});
    process_ended(instance, ProcessType::Main, end);
    return;
  }

  const auto before = std::exchange(main.pid, orphaned.survivor);
  const auto expected = forks_expected(instance.job().definition().expect);
  if (orphaned.was_helper) {
    main.forks = 0;  // that one did not count
    // A service that fails below a parent such as su is no news: its parent will say so, too.
    const bool told = end.clean() && instance.goal_ == Goal::Start && !instance.restarting_;
    log(told ? Priority::Warning : Priority::Info,
        "{} main process ({}) was a helper and has ended, process {} is followed from now on; "
        "\"expect auto\" tells them apart",
        instance.title(), before, main.pid);
  } else {
    main.forks += orphaned.forks;
    const bool as_said = expected == 0 || main.forks == expected;
    log(as_said ? Priority::Info : Priority::Warning,
        "{} main process ({}) has ended, its child {} runs on and is followed ({} seen)",
        instance.title(), before, main.pid, forks(main.forks));
  }
  platform_.resume(main.spawn, Resume::Continue);
  end_successor(instance);
  if (instance.state_ != State::Spawned) return;
  const bool by_forking = expected > 0 || instance.job().definition().expect == Expect::Auto;
  if (by_forking && main.forks >= expected) main_is_ready(instance);
}

/// Another process has become main. What its predecessor was told, it has not been told; and what
/// the watchdog held against that one is not its fault.
void ServiceManager::end_successor(JobInstance& instance) {
  if (instance.tree_is_ending_) return;
  if (instance.state_ == State::Killed) {
    kill_successor(instance);
    return;
  }
  disarm_kill_timer(instance);
  if (!instance.watch_) return;
  instance.watch_->hangs = false;
  if (instance.watch_->ready) feed_watchdog(instance);
}

/// Whether the survivor is the service.
bool ServiceManager::follows(const JobInstance& instance, const Orphaned& orphaned,
                             const ProcessEnd& end) const {
  const auto& definition = instance.job().definition();
  const auto& main = instance.process(ProcessType::Main);
  const bool waiting = instance.state_ == State::Spawned;
  const bool leaving = instance.state_ >= State::Stopping;
  switch (definition.expect) {
    case Expect::None:
    case Expect::Stop: return false;
    case Expect::Fork:
    case Expect::Daemon:
      if (orphaned.was_helper) return true;
      if (!end.clean()) return false;
      // One that is to be kept running runs on: a second beside it would not be what is wanted.
      return main.forks < forks_expected(definition.expect) ||
             (definition.respawn && !definition.task && instance.goal_ == Goal::Start && !leaving);
    case Expect::Auto: {
      const auto& watch = *instance.watch_;
      // Once it has been ready and is told to end, what it leaves behind is no service.
      const bool may_follow = now_ - watch.executed <= kAutoFollows && !(watch.ready && leaving);
      return orphaned.was_helper || (end.clean() && may_follow);
    }
    case Expect::Notify:
    case Expect::Fd: return waiting && end.clean();
  }
  return false;
}

/// Main has ended, something else lives on. True if `expect` does not fit, which is a failure.
bool ServiceManager::tell_of_survivor(const JobInstance& instance, const Orphaned& orphaned,
                                      const ProcessEnd& end) {
  const bool leaving =
      instance.goal_ != Goal::Start || instance.restarting_ || instance.state_ >= State::Stopping;
  if (leaving || !end.clean()) return false;
  const auto& main = instance.process(ProcessType::Main);
  const auto expected = forks_expected(instance.job().definition().expect);
  const auto seen = main.forks + orphaned.forks;
  if (expected == 0) {
    log(Priority::Warning,
        "{} main process ({}) has ended, but process {} of the job runs on unsupervised; if the "
        "program puts itself into the background, use \"expect auto\"",
        instance.title(), main.pid, orphaned.survivor);
    return false;
  }
  log(Priority::Warning,
      "{} main process ({}) has ended, but process {} of the job runs on unsupervised: expected "
      "{}, saw {}; use \"{}\", or \"expect auto\" to let it be found out",
      instance.title(), main.pid, orphaned.survivor, forks(expected), seen,
      advice(std::min(seen, 2)));
  return true;
}

// ---- What the process says -------------------------------------------------------------------

void ServiceManager::main_told_ready(JobInstance& instance) {
  if (instance.state_ == State::Spawned) main_is_ready(instance);
}

void ServiceManager::main_told_status(JobInstance& instance, std::string text) {
  log(Priority::Info, "{} main process says: {}", instance.title(), text);
  if (instance.watch_) instance.watch_->status_text = std::move(text);
}

void ServiceManager::main_announced(const JobInstance& instance, Announced::What what) {
  log(Priority::Info, "{} main process says that it is {}", instance.title(),
      what == Announced::What::Stopping ? "stopping" : "reloading");
}

/// Puts off what would end it, from now on and at most by a day.
void ServiceManager::main_wants_time(JobInstance& instance, std::chrono::microseconds time) {
  const auto due = now_ + std::clamp<std::chrono::microseconds>(time, {}, kMostTime);
  const auto put_off = [&](std::optional<TimerKey>& timer, auto payload) {
    if (!timer || timer->first >= due) return;
    timers_.cancel(*timer);
    timer = timers_.arm(due, payload);
  };
  if (instance.watch_) put_off(instance.watch_->expect_timer, ExpectTimer{&instance});
  put_off(instance.kill_timer_, KillTimer{&instance});
}

// ---- Watchdog --------------------------------------------------------------------------------

void ServiceManager::feed_watchdog(JobInstance& instance) {
  disarm_watchdog(instance);
  if (!instance.watch_ || !instance.watch_->watchdog_interval) return;
  const auto interval = *instance.watch_->watchdog_interval;
  instance.watch_->watchdog_timer = timers_.arm(now_ + interval, WatchdogTimer{&instance});
}

void ServiceManager::disarm_watchdog(JobInstance& instance) {
  if (!instance.watch_) return;
  const auto key = std::exchange(instance.watch_->watchdog_timer, std::nullopt);
  if (key) timers_.cancel(*key);
}

/// Before it is ready it need not give signs of life.
void ServiceManager::main_is_alive(JobInstance& instance) {
  if (instance.watch_ && instance.watch_->watchdog_timer) feed_watchdog(instance);
}

void ServiceManager::set_watchdog(JobInstance& instance, std::chrono::microseconds interval) {
  if (!instance.watch_) return;
  auto& watch = *instance.watch_;
  watch.watchdog_interval.reset();
  if (interval.count() > 0) {
    watch.watchdog_interval = std::clamp<std::chrono::microseconds>(interval, kShortestWatchdog,
                                                                    seconds(kLongestTimeout));
  }
  const bool runs = instance.state_ > State::Spawned && instance.state_ < State::Stopping;
  if (runs && !watch.hangs) feed_watchdog(instance);
}

/// It hangs, or says so: it is ended in a way that leaves a trace of where it hung. What its end
/// means is for `respawn` to say.
void ServiceManager::watchdog_fired(JobInstance& instance) {
  disarm_watchdog(instance);
  // Nobody watches it, or its end is under way.
  if (!instance.watch_ || instance.state_ >= State::Stopping) return;
  const auto& main = instance.process(ProcessType::Main);
  if (main.pid == 0 || std::exchange(instance.watch_->hangs, true)) return;
  log(Priority::Warning, "{} main process ({}) gives no sign of life, sending ABRT",
      instance.title(), main.pid);
  blame(instance, Cause::WatchdogExpired{instance.title()});
  instance.last_signal_ = SIGABRT;
  arm_kill_timer(instance);
  platform_.signal(main.spawn, SIGABRT, SignalTarget::Process);
}

}  // namespace upkeep::core
