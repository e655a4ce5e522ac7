// How what an instance has started is ended (spec/runtime.md 4.6): first a signal, KILL when its
// time is up. With `kill mode tree` that goes for everything the instance has started, and the
// state is left only when nothing lives any more.
#include <algorithm>
#include <csignal>

#include "base/signals.h"
#include "core/service_manager.h"

namespace upkeep::core {
namespace {

constexpr std::chrono::milliseconds kTimeToLook{100};
constexpr std::chrono::seconds kRespite{1};

SignalTarget target_of(conf::KillMode mode) {
  return mode == conf::KillMode::Main ? SignalTarget::Process : SignalTarget::Group;
}

}  // namespace

/// True if there is nothing to wait for.
bool ServiceManager::enter_killed(JobInstance& instance) {
  const auto& definition = instance.job().definition();
  if (definition.kill_mode == conf::KillMode::Tree) {
    end_tree(instance);
    return false;
  }
  const auto& main = instance.process(ProcessType::Main);
  if (!main.spawn) return true;
  arm_kill_timer(instance);
  send_kill_signal(instance);
  return false;
}

void ServiceManager::send_kill_signal(JobInstance& instance) {
  const auto& definition = instance.job().definition();
  instance.last_signal_ = definition.kill_signal;
  platform_.signal(instance.process(ProcessType::Main).spawn, definition.kill_signal,
                   target_of(definition.kill_mode));
}

/// Asks all that the instance has started to end. The state stays until nothing is left.
void ServiceManager::end_tree(JobInstance& instance) {
  arm_kill_timer(instance);
  instance.last_signal_ = instance.job().definition().kill_signal;
  instance.tree_is_ending_ = true;
  ending_trees_[instance.tree_] = &instance;
  platform_.end_tree(instance.tree_, instance.job().definition().kill_signal);
}

/// Another process has become main while its predecessor was being ended. It has what is left of
/// the kill timeout, and once a little more: whoever hands over again and again gains nothing.
void ServiceManager::kill_successor(JobInstance& instance) {
  const auto& definition = instance.job().definition();
  const auto& main = instance.process(ProcessType::Main);
  if (!std::exchange(instance.watch_->reprieved, true)) {
    const auto timeout = std::chrono::seconds(definition.kill_timeout_seconds.value());
    const auto respite = now_ + std::min<std::chrono::seconds>(timeout, kRespite);
    if (!instance.kill_timer_ || instance.kill_timer_->first < respite) {
      disarm_kill_timer(instance);
      instance.kill_timer_ = timers_.arm(respite, KillTimer{&instance});
    }
  }
  if (instance.kill_timer_) {
    send_kill_signal(instance);
  } else {
    platform_.signal(main.spawn, SIGKILL, target_of(definition.kill_mode));
  }
}

void ServiceManager::accept(const TreeEmptied& emptied) {
  const auto found = ending_trees_.find(emptied.tree);
  if (found == ending_trees_.end()) return;
  auto& instance = *found->second;
  ending_trees_.erase(found);
  instance.tree_is_ending_ = false;
  if (instance.waits_for_process()) return;  // the end of main is still to be told
  disarm_kill_timer(instance);
  advance(instance);
}

void ServiceManager::arm_kill_timer(JobInstance& instance) {
  disarm_kill_timer(instance);
  // Far beyond any real use; keeps the sum below from overflowing.
  constexpr std::int64_t kLongest = 100LL * 365 * 24 * 3600;
  const auto& definition = instance.job().definition();
  MonotonicClock::duration timeout =
      std::chrono::seconds(std::min(definition.kill_timeout_seconds.value(), kLongest));
  // With main dead there is mostly nothing left: time for the platform to say so.
  const bool main_is_dead = !instance.process(ProcessType::Main).spawn;
  if (main_is_dead) timeout = std::max<MonotonicClock::duration>(timeout, kTimeToLook);
  instance.kill_timer_ = timers_.arm(now_ + timeout, KillTimer{&instance});
}

void ServiceManager::disarm_kill_timer(JobInstance& instance) {
  if (const auto key = std::exchange(instance.kill_timer_, std::nullopt)) timers_.cancel(*key);
}

void ServiceManager::kill_timer_fired(JobInstance& instance) {
  instance.kill_timer_.reset();
  const auto& main = instance.process(ProcessType::Main);
  const auto& definition = instance.job().definition();
  const auto who = main.spawn ? fmt::format("main process ({})", main.pid)
                              : std::string("a process that was left behind");
  log(Priority::Warning, "{} {} still runs {} s after signal {}, sending KILL", instance.title(),
      who, definition.kill_timeout_seconds.value(), signal_name(instance.last_signal_));
  blame(instance, Cause::KillTimeout{instance.title(), static_cast<bool>(main.spawn)});
  if (instance.tree_is_ending_) {
    platform_.end_tree(instance.tree_, SIGKILL);
  } else {
    platform_.signal(main.spawn, SIGKILL, target_of(definition.kill_mode));
  }
}

}  // namespace upkeep::core
