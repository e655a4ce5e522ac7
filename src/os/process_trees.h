// Which processes belong to which job, wherever they have gone, and how to end them all.
//
// The manager is pid 1 or a child subreaper, so every process of every tree descends from it: from
// a process that it has started itself, or from an orphan that has become its child and whose mark
// (os/tree_marks.h) names the tree. Hence
// - a tree is empty when the manager has no child of that tree, which can only come true when a
//   child has been reaped: nobody polls, an idle manager sleeps;
// - to find the processes of a tree one need not look at others, however many there are.
// Where a job has a cgroup v2 of its own, that is used as well: for processes that have got rid
// of their mark, and because the kernel kills a whole cgroup at once.
#pragma once

#include <csignal>
#include <cstdint>
#include <deque>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include <sys/resource.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

#include "base/result.h"
#include "base/unique_fd.h"
#include "core/input.h"
#include "core/platform.h"
#include "loop/handles.h"
#include "os/job_cgroups.h"
#include "os/process_scan.h"
#include "os/tree_marks.h"

namespace upkeep::os {

/// What a new process has to do to belong to its tree, all of it before it changes user or root.
struct Place {
  /// Soft and hard RLIMIT_LOCKS to set; nothing if there are no marks.
  std::optional<rlim_t> mark;
  /// Directory of the cgroup v2 to be born into (clone3 with CLONE_INTO_CGROUP), or empty. A child
  /// of a plain fork writes "0" to `cgroup.procs` in it.
  UniqueFd cgroup;
  /// Files of cgroup v1 hierarchies, open for writing, to write "0" to in the child; this may take
  /// milliseconds.
  std::vector<UniqueFd> joins;
};

/// Who is left of a tree, for a message.
struct Survivors {
  std::size_t count = 0;
  bool more = false;               ///< only so many have been counted
  std::vector<std::string> names;  ///< the first few: "123 (sh)"
};

class ProcessTrees {
 public:
  struct Options {
    bool cgroups = true;  ///< false (--no-cgroups): none is made, `cgroup` stanzas have no effect
  };
  /// Nothing lives any more of a tree that end() was called for. From the event loop only, never
  /// from inside a verb.
  using OnEmptied = std::function<void(core::TreeId)>;
  using OnMessage = std::function<void(core::Priority, std::string)>;

  /// `loop` must outlive the result. Where this process is no child subreaper, orphans are not
  /// seen.
  [[nodiscard]] static Result<std::unique_ptr<ProcessTrees>> create(sd_event* loop, Options options,
                                                                    OnEmptied on_emptied,
                                                                    OnMessage on_message);
  /// Prepares for a process of this request: makes the cgroups that it needs and writes their
  /// settings. Fails if a `cgroup` stanza cannot be fulfilled.
  [[nodiscard]] std::expected<Place, core::SpawnFailure> place(const core::SpawnRequest& request);

  /// A child has been started for this tree: to be told at once, before anything else is asked.
  void started(core::TreeId tree, pid_t pid);

  /// A child, known or not, has ended and is about to be reaped or has just been. To be told of
  /// every one, since its number means somebody else from then on.
  void ended(pid_t pid);

  /// Whether the process descends from one of this tree: at most through 256 others. False for
  /// what has already been reaped.
  [[nodiscard]] bool contains(core::TreeId tree, pid_t pid);

  /// Whether its parent is a process of this tree (and thus not the manager): while it lives, and
  /// as long as it is a zombie.
  [[nodiscard]] bool has_parent_in(core::TreeId tree, pid_t pid);

  /// The process of the tree that was started first of those that have become the manager's
  /// children and live, except those that `known` says true of.
  [[nodiscard]] std::optional<pid_t> oldest_orphan(core::TreeId tree,
                                                   const std::function<bool(pid_t)>& known);

  /// Sends the signal to every process of the tree once, those that it starts in the meantime
  /// included, and SIGCONT after it, so that stopped ones see it. With SIGKILL: until nothing is
  /// left. The work is done in portions from the event loop. on_emptied follows, once.
  void end(core::TreeId tree, int signal);

  /// Who lives of the tree now: at most some dozens are looked at.
  [[nodiscard]] Survivors survivors(core::TreeId tree);

  /// The tree will be asked for no more. Its cgroup is removed if it is empty, and otherwise left
  /// for the next process of the job.
  void forget(core::TreeId tree);

  /// What the event loop has been held up with, for tests: a portion is one call.
  struct Work {
    std::uint64_t portions = 0;
    int most_steps = 0;  ///< in one portion
  };
  [[nodiscard]] const Work& work() const { return work_; }

 private:
  /// A child of the manager that has not been reaped.
  struct Child {
    core::TreeId tree;
    bool classified = false;
    std::uint64_t since = 0;  ///< the reading of the list in which it became known
    std::uint64_t read = 0;   ///< the last reading in which it was met
  };

  /// The children of the manager that belong to one tree.
  using Children = std::set<pid_t>;

  struct Found {
    ProcessIdentity identity;
    int generation = 0;
  };

  /// The ending of one tree, from end() to on_emptied.
  struct Ending {
    std::deque<int> signals;  ///< to be sent once
    bool kill = false;
    bool killed_by_kernel = false;  ///< just now, with its cgroup: probably that was all
    /// All children have to be known again first, by a reading that comes after this one.
    std::optional<std::uint64_t> awaits_reading;
    std::unique_ptr<ProcessScan> scan;
    std::unordered_map<pid_t, ProcessIdentity> reached;  ///< by that signal, or stopped
    std::vector<Found> found;                            ///< by this scan, parents first
    std::size_t next = 0;                                ///< of those found, while `sending`
    bool sending = false;
    int scans = 0;
    bool found_new = false;
    std::uint64_t pause_us = 0;
    std::uint64_t due_us = 0;  ///< monotonic; 0: nothing but the end of a child will help
    bool queued = false;
    bool told_of_error = false;

    [[nodiscard]] bool busy() const { return awaits_reading || scan || sending; }
  };

  ProcessTrees(sd_event* loop, Options options, OnEmptied on_emptied, OnMessage on_message);

  // The children of the manager
  [[nodiscard]] bool read_children(int& budget);
  void note_children(const std::vector<pid_t>& pids);
  void classify(pid_t pid);
  [[nodiscard]] core::TreeId tree_of_child(pid_t pid) const;
  void drop_unread_children();
  void leave(core::TreeId tree, pid_t pid);
  [[nodiscard]] ProcessScan scan_of(core::TreeId tree) const;

  // Ending trees
  void schedule(core::TreeId tree, Ending& ending);
  void queue_portion();
  void do_portion();
  void work_on(core::TreeId tree, Ending& ending, int& budget);
  void begin_scan(core::TreeId tree, Ending& ending);
  void after_scan(Ending& ending);
  void note_found(const PinnedProcess& process, Ending& ending);
  void send_signal(Ending& ending, int& budget);
  void send_kill(Ending& ending, int& budget);
  void end_if_nothing_lives(core::TreeId tree, Ending& ending);
  void wait(Ending& ending);
  void complain(Ending& ending, const PinnedProcess& process, int error);
  void arm_timer();
  [[nodiscard]] std::uint64_t now() const;

  static int on_work(sd_event_source*, void* self) noexcept;
  static int on_timer(sd_event_source*, std::uint64_t, void* self) noexcept;

  sd_event* loop_;
  Options options_;
  OnEmptied on_emptied_;
  OnMessage on_message_;
  TreeMarks marks_;
  bool child_lists_;
  JobCgroups cgroups_;

  std::unordered_map<core::TreeId, Children> trees_;
  std::unordered_map<core::TreeId, std::unique_ptr<Ending>> endings_;
  std::unordered_map<pid_t, Child> children_;
  std::vector<pid_t> unclassified_;
  std::optional<ChildList> list_;  ///< being read
  std::uint64_t reading_ = 0;      ///< the number of that, or of the last
  std::uint64_t readings_done_ = 0;
  pid_t leaving_ = 0;  ///< has ended, but may still be in the list

  std::deque<core::TreeId> queue_;
  Work work_;
  loop::EventSource work_source_;  ///< while there is work
  loop::EventSource timer_;
};

}  // namespace upkeep::os
