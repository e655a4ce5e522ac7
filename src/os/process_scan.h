// Finds the processes that descend from given children of the manager, in portions, and makes
// sure of each that it is one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include <sys/types.h>

#include "base/unique_fd.h"

namespace upkeep::os {

/// What /proc/PID/stat says of a process.
struct ProcessStat {
  std::string name;  ///< of the program, up to 15 bytes of anything
  char state = '?';
  pid_t parent = 0;
  std::uint64_t threads = 0;
  std::uint64_t start = 0;  ///< in clock ticks since boot

  /// Nothing of it runs any more. A process whose first thread alone has ended shows as a zombie,
  /// too.
  [[nodiscard]] bool dead() const { return state == 'X' || (state == 'Z' && threads <= 1); }
};

/// Nothing if there is no such process.
[[nodiscard]] std::optional<ProcessStat> process_stat(pid_t pid);

/// A process, as opposed to the next one with its number. The start has a resolution of 10 ms; the
/// inode of a pidfd is never used twice, but is the same for all before Linux 6.9.
struct ProcessIdentity {
  pid_t pid = 0;
  std::uint64_t start = 0;
  std::uint64_t inode = 0;

  friend bool operator==(const ProcessIdentity&, const ProcessIdentity&) = default;
};

/// A process that cannot be mistaken: the facts were read when the descriptor was open.
struct PinnedProcess {
  UniqueFd pidfd;
  ProcessIdentity identity;
  ProcessStat stat;
  int generation = 0;  ///< below the roots of the scan that has found it

  /// 0, or an errno: ESRCH if it has been reaped.
  int send(int signal) const;  // NOLINT(modernize-use-nodiscard)
};

/// Nothing if there is no such process or no descriptor left.
[[nodiscard]] std::optional<PinnedProcess> pin(pid_t pid);
/// Nothing also if the number means another process by now.
[[nodiscard]] std::optional<PinnedProcess> pin(const ProcessIdentity& identity);

/// The children of one thread, as /proc/PID/task/TID/children lists them: in the order in which
/// they came, some 650 at a time, in up to 2 ms for the last of 20,000. A child that goes between
/// two reads hides another from the reader, unless the reader is told of it.
class ChildList {
 public:
  ChildList(pid_t pid, pid_t thread);

  /// Appends the next children; false at the end, or if the process has gone.
  [[nodiscard]] bool read(std::vector<pid_t>& children);

  /// A child that has been read is in the list no more.
  void removed(pid_t child);

 private:
  UniqueFd file_;
  std::size_t offset_ = 0;
};

/// Whether the kernel has such lists (CONFIG_PROC_CHILDREN).
[[nodiscard]] bool has_child_lists();

/// The children of every process, by reading all of /proc at once: 7 us for each process there is.
using Families = std::unordered_map<pid_t, std::vector<pid_t>>;
[[nodiscard]] Families all_families();

/// One walk from some children of the manager down to all their descendants, parents first. It
/// costs by the size of the tree, not by what else runs: 20 us for a process.
///
/// A process is believed to be a descendant because /proc says so of its parent while a pidfd shows
/// that the parent is still the process that was found before; the topmost are children whom nobody
/// but the manager can reap. So a number that is used again in the meantime leads to nobody else.
/// A process that changes its parent during the walk may be missed: the next walk finds it.
class ProcessScan {
 public:
  /// Called once for each process that lives.
  using Visit = std::function<void(const PinnedProcess&)>;
  /// Whether this is still a child of the manager that the scan is about.
  using IsRoot = std::function<bool(pid_t)>;

  /// With `families`, children are looked for there and not in the lists of the kernel.
  ProcessScan(std::vector<pid_t> roots, IsRoot is_root, std::shared_ptr<const Families> families);
  ProcessScan(ProcessScan&&) noexcept;
  ~ProcessScan();

  /// Goes on until the budget is used up or all have been visited: then true. What a step costs is
  /// taken from the budget: 1 for a process.
  [[nodiscard]] bool go_on(int& budget, const Visit& visit);

  /// Something went or moved while it was looked at: there may be more to find.
  [[nodiscard]] bool missed_some() const { return missed_some_; }

 private:
  struct Expansion;
  struct Parent {
    ProcessIdentity identity;
    int generation = 0;
  };

  void visit_root(pid_t pid, const Visit& visit);
  void visit_child(pid_t pid, const Visit& visit);
  void note(PinnedProcess process, const Visit& visit);
  void expand(const Parent& parent);
  bool read_more_children();

  std::vector<pid_t> roots_;
  std::size_t next_root_ = 0;
  IsRoot is_root_;
  std::shared_ptr<const Families> families_;
  std::unordered_set<pid_t> visited_;
  std::deque<Parent> parents_;  ///< whose children have not been looked at
  std::unique_ptr<Expansion> expansion_;
  bool missed_some_ = false;
};

}  // namespace upkeep::os
