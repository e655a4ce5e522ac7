#include "os/process_trees.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <limits>
#include <new>
#include <utility>

#include <fmt/format.h>
#include <unistd.h>

#include "base/signals.h"
#include "base/strings.h"
#include "os/proc_file.h"

namespace upkeep::os {
namespace {

/// Of one call from the event loop: 2 to 4 ms.
constexpr int kStepsPerPortion = 128;
/// A step reads so many of the manager's own children.
constexpr int kChildrenPerStep = 16;

/// A signal reaches what is started while it is being sent. Whoever forks faster than this many
/// scans is met by KILL.
constexpr int kMostScansForSignal = 8;
/// What cannot be stopped so often is killed as far as it has been found, and then all again.
constexpr int kMostScansToStop = 32;

constexpr std::uint64_t kFirstPauseUs = 2'000;
constexpr std::uint64_t kLongestPauseUs = 1'000'000;

/// Of descent, up from the process that is asked for.
constexpr int kMostGenerations = 256;

constexpr int kMostStepsForSurvivors = 64;
constexpr std::size_t kMostNames = 8;

}  // namespace

// ---- Construction ----------------------------------------------------------------------------

ProcessTrees::ProcessTrees(sd_event* loop, Options options, OnEmptied on_emptied,
                           OnMessage on_message)
    : loop_(loop),
      options_(options),
      on_emptied_(std::move(on_emptied)),
      on_message_(std::move(on_message)),
      marks_(TreeMarks::of_this_process()),
      child_lists_(has_child_lists()) {}

Result<std::unique_ptr<ProcessTrees>> ProcessTrees::create(sd_event* loop, Options options,
                                                           OnEmptied on_emptied,
                                                           OnMessage on_message) {
  std::unique_ptr<ProcessTrees> trees(
      new ProcessTrees(loop, options, std::move(on_emptied), std::move(on_message)));

  sd_event_source* source = nullptr;
  const int result = sd_event_add_time(loop, &source, CLOCK_MONOTONIC, 0, 1, on_timer, trees.get());
  if (result < 0) return failure(fmt::format("unable to make a timer: {}", std::strerror(-result)));
  trees->timer_.reset(source);
  sd_event_source_set_enabled(source, SD_EVENT_OFF);
  return trees;
}

// ---- Who belongs where -----------------------------------------------------------------------

std::expected<Place, core::SpawnFailure> ProcessTrees::place(const core::SpawnRequest& request) {
  Place place;
  place.mark = marks_.mark_of(request.tree);
  if (!options_.cgroups) return place;
  auto groups = cgroups_.prepare(request);
  if (!groups) return std::unexpected(std::move(groups.error()));
  place.cgroup = std::move(groups->unified);
  place.joins = std::move(groups->joins);
  return place;
}

void ProcessTrees::started(core::TreeId tree, pid_t pid) {
  ended(pid);  // whoever had the number before is gone
  leaving_ = 0;
  children_[pid] = {.tree = tree, .classified = true, .since = reading_};
  if (tree) trees_[tree].insert(pid);
}

void ProcessTrees::ended(pid_t pid) {
  leaving_ = pid;
  const auto found = children_.find(pid);
  if (found == children_.end()) return;
  const auto child = found->second;
  children_.erase(found);
  if (list_ && child.read == reading_) list_->removed(pid);
  leave(child.tree, pid);
}

/// The tree has one child less. If it was the last, either nothing is left, or what it has left
/// behind has become ours: that is to be seen.
void ProcessTrees::leave(core::TreeId tree, pid_t pid) {
  const auto found = trees_.find(tree);
  if (found == trees_.end()) return;
  found->second.erase(pid);
  const auto ending = endings_.find(tree);
  if (ending == endings_.end()) return;
  ending->second->pause_us = 0;
  if (!found->second.empty() || ending->second->busy()) return;
  ending->second->awaits_reading = readings_done_;
  schedule(tree, *ending->second);
}

core::TreeId ProcessTrees::tree_of_child(pid_t pid) const {
  const auto mark = lock_limit(pid);
  auto tree = mark ? marks_.tree_of(*mark) : std::nullopt;
  if (!tree && cgroups_.any()) tree = cgroups_.tree_of(pid);
  return tree.value_or(core::TreeId{});
}

bool ProcessTrees::contains(core::TreeId tree, pid_t pid) {
  const pid_t manager = ::getpid();
  auto process = pin(pid);
  for (int i = 0; process && process->stat.parent != manager; ++i) {
    if (process->stat.parent <= 0 || i > kMostGenerations) return false;
    // It is the parent if /proc still says so when it cannot be mistaken any more.
    auto parent = pin(process->stat.parent);
    const auto again = process_stat(process->identity.pid);
    if (!again || process->send(0) == ESRCH) return false;
    const bool same = again->parent == process->stat.parent;
    if (same && !parent) return false;
    if (same) {
      process = std::move(parent);
    } else {
      process->stat.parent = again->parent;  // an orphan by now
    }
  }
  if (!process || !tree) return false;
  const auto known = children_.find(process->identity.pid);
  const bool classified = known != children_.end() && known->second.classified;
  return (classified ? known->second.tree : tree_of_child(process->identity.pid)) == tree;
}

bool ProcessTrees::has_parent_in(core::TreeId tree, pid_t pid) {
  const pid_t parent = parent_of(pid);
  return parent > 0 && parent != ::getpid() && contains(tree, parent);
}

std::optional<pid_t> ProcessTrees::oldest_orphan(core::TreeId tree,
                                                 const std::function<bool(pid_t)>& known) {
  int budget = std::numeric_limits<int>::max();
  while (!read_children(budget)) {
  }
  const auto found = trees_.find(tree);
  if (found == trees_.end()) return std::nullopt;
  std::optional<std::pair<std::uint64_t, pid_t>> oldest;
  for (const pid_t pid : found->second) {
    const auto stat = pid == leaving_ || known(pid) ? std::nullopt : process_stat(pid);
    if (!stat || stat->dead()) continue;
    const auto candidate = std::pair(stat->start, pid);
    if (!oldest || candidate < *oldest) oldest = candidate;
  }
  if (!oldest) return std::nullopt;
  return oldest->second;
}

Survivors ProcessTrees::survivors(core::TreeId tree) {
  Survivors survivors;
  int budget = kStepsPerPortion;
  const bool all_read = read_children(budget);
  auto scan = scan_of(tree);
  budget = kMostStepsForSurvivors;
  const bool all_found = scan.go_on(budget, [&](const PinnedProcess& process) {
    ++survivors.count;
    if (survivors.names.size() >= kMostNames) return;
    survivors.names.push_back(
        fmt::format("{} ({})", process.identity.pid, printable(process.stat.name)));
  });
  survivors.more = !all_read || !all_found;
  return survivors;
}

void ProcessTrees::forget(core::TreeId tree) {
  endings_.erase(tree);
  cgroups_.forget(tree);
  const auto found = trees_.find(tree);
  if (found == trees_.end()) return;
  for (const pid_t pid : found->second) children_[pid].tree = {};
  trees_.erase(found);
}

// ---- The children of the manager -------------------------------------------------------------

/// Goes on with the reading, or begins one: true when every child is known that there was.
bool ProcessTrees::read_children(int& budget) {
  const pid_t manager = ::getpid();
  if (!list_) {
    ++reading_;
    list_.emplace(manager, manager);
    if (!child_lists_) note_children(all_families()[manager]);
  }
  for (;;) {
    for (; !unclassified_.empty() && budget > 0; --budget) {
      classify(unclassified_.back());
      unclassified_.pop_back();
    }
    if (budget <= 0) return false;
    std::vector<pid_t> page;
    if (!list_->read(page)) break;
    budget -= 1 + static_cast<int>(page.size()) / kChildrenPerStep;
    note_children(page);
  }
  drop_unread_children();
  list_.reset();
  ++readings_done_;
  return true;
}

void ProcessTrees::note_children(const std::vector<pid_t>& pids) {
  for (const pid_t pid : pids) {
    if (pid == leaving_) continue;
    const auto [entry, is_new] = children_.try_emplace(pid);
    if (is_new) {
      entry->second.since = reading_;
      unclassified_.push_back(pid);
    }
    entry->second.read = reading_;
  }
}

/// An orphan has become ours. If its tree is being killed it must not get to fork again: it is our
/// child and cannot be mistaken.
void ProcessTrees::classify(pid_t pid) {
  const auto child = children_.find(pid);
  if (child == children_.end() || child->second.classified) return;
  child->second.classified = true;
  const auto tree = trees_.find(tree_of_child(pid));
  if (tree == trees_.end()) return;
  child->second.tree = tree->first;
  tree->second.insert(pid);
  const auto ending = endings_.find(tree->first);
  if (ending != endings_.end() && ending->second->kill) ::kill(pid, SIGSTOP);
}

/// Nobody but us reaps our children, and every end is told: there should be none of these.
void ProcessTrees::drop_unread_children() {
  std::erase_if(children_, [this](const auto& entry) {
    const auto& [pid, child] = entry;
    const bool gone = child.read != reading_ && child.since < reading_;
    if (gone) leave(child.tree, pid);
    return gone;
  });
}

// ---- Ending trees ----------------------------------------------------------------------------

void ProcessTrees::end(core::TreeId tree, int signal) {
  auto& slot = endings_[tree];
  if (!slot) slot = std::make_unique<Ending>();
  auto& ending = *slot;
  if (signal == SIGKILL && !ending.kill) {
    ending.kill = true;
    ending.signals.clear();
    ending.reached.clear();
    ending.scan.reset();
    ending.sending = false;
    ending.awaits_reading = readings_done_;
    ending.scans = 0;
    ending.killed_by_kernel = cgroups_.kill(tree);
  } else if (!ending.kill && std::ranges::find(ending.signals, signal) == ending.signals.end()) {
    ending.signals.push_back(signal);
  }
  if (!ending.busy()) ending.awaits_reading = readings_done_;
  schedule(tree, ending);
}

void ProcessTrees::schedule(core::TreeId tree, Ending& ending) {
  if (std::exchange(ending.queued, true)) return;
  queue_.push_back(tree);
  if (!work_source_) queue_portion();
}

/// A new source each time: one that is switched on again counts for sd-event as ready since it was
/// made, goes before everything that became ready later, and so would leave nobody else a turn.
void ProcessTrees::queue_portion() {
  sd_event_source* source = nullptr;
  work_source_.reset();
  // It takes no more than memory.
  if (sd_event_add_defer(loop_, &source, on_work, this) < 0) throw std::bad_alloc();
  work_source_.reset(source);
}

int ProcessTrees::on_work(sd_event_source*, void* self) noexcept {
  static_cast<ProcessTrees*>(self)->do_portion();
  return 0;
}

void ProcessTrees::do_portion() {
  leaving_ = 0;  // this is the event loop: whatever was being reaped has been
  int budget = kStepsPerPortion;
  while (budget > 0 && !queue_.empty()) {
    const auto tree = queue_.front();
    queue_.pop_front();
    const auto ending = endings_.find(tree);
    if (ending == endings_.end()) continue;  // forgotten
    ending->second->queued = false;
    work_on(tree, *ending->second, budget);
  }
  ++work_.portions;
  work_.most_steps = std::max(work_.most_steps, kStepsPerPortion - budget);
  queue_.empty() ? work_source_.reset() : queue_portion();
  arm_timer();
}

/// One thing of what is to be done. The tree queues again unless it has to wait.
void ProcessTrees::work_on(core::TreeId tree, Ending& ending, int& budget) {
  --budget;
  if (ending.awaits_reading) {
    if (readings_done_ > *ending.awaits_reading || read_children(budget)) {
      ending.awaits_reading.reset();
      if (trees_[tree].empty()) return end_if_nothing_lives(tree, ending);
      if (std::exchange(ending.killed_by_kernel, false)) return wait(ending);
      if (ending.kill || !ending.signals.empty()) begin_scan(tree, ending);
    }
  } else if (ending.scan) {
    const auto visit = [&](const PinnedProcess& process) { note_found(process, ending); };
    if (ending.scan->go_on(budget, visit)) after_scan(ending);
  } else if (ending.sending) {
    ending.kill ? send_kill(ending, budget) : send_signal(ending, budget);
  }
  if (ending.busy()) schedule(tree, ending);
}

/// The manager has no child of the tree. In its cgroup there may be somebody all the same, who came
/// from elsewhere.
void ProcessTrees::end_if_nothing_lives(core::TreeId tree, Ending& ending) {
  if (cgroups_.populated(tree)) {
    if (ending.kill) cgroups_.kill(tree);
    return wait(ending);
  }
  endings_.erase(tree);
  on_emptied_(tree);
}

ProcessScan ProcessTrees::scan_of(core::TreeId tree) const {
  const auto children = trees_.find(tree);
  std::vector<pid_t> roots;
  if (children != trees_.end()) roots.assign(children->second.begin(), children->second.end());
  const auto is_root = [this, tree](pid_t pid) {
    const auto child = children_.find(pid);
    return child != children_.end() && child->second.tree == tree;
  };
  return {std::move(roots), is_root,
          child_lists_ ? nullptr : std::make_shared<const Families>(all_families())};
}

void ProcessTrees::begin_scan(core::TreeId tree, Ending& ending) {
  ending.scan = std::make_unique<ProcessScan>(scan_of(tree));
  ending.found.clear();
  ending.found_new = false;
  ending.due_us = 0;
  ++ending.scans;
}

/// Who is to be killed is stopped first, so that nobody is started any more. Others are left alone
/// until all have been found: the end of one would hide what is below it.
void ProcessTrees::note_found(const PinnedProcess& process, Ending& ending) {
  ending.found.push_back({process.identity, process.generation});
  if (!ending.kill) return;
  auto& reached = ending.reached[process.identity.pid];
  if (reached == process.identity) return;
  reached = process.identity;
  ending.found_new = true;
  const int error = process.send(SIGSTOP);
  if (error != 0) complain(ending, process, error);
}

/// When a scan has found nobody new everybody stands still, and can be killed.
void ProcessTrees::after_scan(Ending& ending) {
  const bool quiet = !ending.found_new && !ending.scan->missed_some();
  ending.scan.reset();
  if (ending.kill && !quiet && ending.scans < kMostScansToStop) {
    ending.awaits_reading = readings_done_;
    return;
  }
  ending.sending = true;
  ending.next = 0;
  // Children before their parents: the end of a parent can make the kernel continue a process group
  // that has been stopped. Otherwise the oldest first: the kernel looks for the dead among our
  // children in that order, each time from the front.
  if (ending.kill) std::ranges::stable_sort(ending.found, std::greater{}, &Found::generation);
}

/// Sends the signal to those that it has not reached yet, parents first; then they are looked for
/// again, since some may have been started in the meantime.
void ProcessTrees::send_signal(Ending& ending, int& budget) {
  const int signal = ending.signals.front();
  for (; ending.next < ending.found.size() && budget > 0; ++ending.next, --budget) {
    const auto& identity = ending.found[ending.next].identity;
    auto& reached = ending.reached[identity.pid];
    if (reached == identity) continue;
    reached = identity;
    ending.found_new = true;
    const auto process = pin(identity);
    const int error = process ? process->send(signal) : 0;
    if (error != 0) complain(ending, *process, error);
    if (process && signal != SIGSTOP) process->send(SIGCONT);
  }
  if (ending.next < ending.found.size()) return;

  ending.sending = false;
  if (!ending.found_new || ending.scans >= kMostScansForSignal) {
    ending.signals.pop_front();
    ending.reached.clear();
    ending.scans = 0;
  }
  // Also after the last scan: whatever has ended in the meantime has not been acted upon.
  ending.awaits_reading = readings_done_;
}

void ProcessTrees::send_kill(Ending& ending, int& budget) {
  for (; ending.next < ending.found.size() && budget > 0; ++ending.next, --budget) {
    const auto process = pin(ending.found[ending.next].identity);
    if (process) process->send(SIGKILL);
  }
  if (ending.next == ending.found.size()) wait(ending);
}

/// For those that were killed to be gone. What has escaped, or cannot die yet, is looked for again
/// after a pause, which is short while there is progress.
void ProcessTrees::wait(Ending& ending) {
  ending.sending = false;
  ending.scans = 0;
  ending.pause_us = std::clamp(ending.pause_us * 2, kFirstPauseUs, kLongestPauseUs);
  ending.due_us = now() + ending.pause_us;
}

void ProcessTrees::complain(Ending& ending, const PinnedProcess& process, int error) {
  if (error == ESRCH || std::exchange(ending.told_of_error, true)) return;
  on_message_(core::Priority::Warning,
              fmt::format("unable to signal process {} ({}): {}", process.identity.pid,
                          printable(process.stat.name), std::strerror(error)));
}

// ---- Time ------------------------------------------------------------------------------------

std::uint64_t ProcessTrees::now() const {
  std::uint64_t time = 0;
  sd_event_now(loop_, CLOCK_MONOTONIC, &time);
  return time;
}

void ProcessTrees::arm_timer() {
  std::uint64_t first = 0;
  for (const auto& [tree, ending] : endings_) {
    if (ending->due_us != 0 && (first == 0 || ending->due_us < first)) first = ending->due_us;
  }
  if (first != 0) sd_event_source_set_time(timer_.get(), first);
  sd_event_source_set_enabled(timer_.get(), first == 0 ? SD_EVENT_OFF : SD_EVENT_ONESHOT);
}

int ProcessTrees::on_timer(sd_event_source*, std::uint64_t, void* self) noexcept {
  auto& trees = *static_cast<ProcessTrees*>(self);
  const auto time = trees.now();
  for (auto& [tree, ending] : trees.endings_) {
    if (ending->due_us == 0 || ending->due_us > time) continue;
    ending->due_us = 0;
    if (!ending->busy()) ending->awaits_reading = trees.readings_done_;
    trees.schedule(tree, *ending);
  }
  trees.arm_timer();
  return 0;
}

}  // namespace upkeep::os
