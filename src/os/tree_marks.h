// The mark that every process of a tree carries and cannot lose by fork, exec, setsid, an empty
// environment or closed descriptors: its limit of file locks.
//
// RLIMIT_LOCKS has had no effect since Linux 2.4.25, yet is inherited and can be read for every
// process. A process can lower its hard limit, and raise it with CAP_SYS_RESOURCE: a mark is
// evidence for who wants to be found. So it only says to which tree an orphan belongs that has
// become the manager's child; everything below follows by descent, and a program that throws its
// mark away on purpose is found by its cgroup.
//
// Managers nest: the limit of a manager that is itself the job of another is a mark, and whatever
// it gives to its own jobs must still mean the outer job to the outer manager. So a tree owns a
// range of numbers and marks its processes with the highest, and a manager inside divides what is
// below. Numbers are never used twice; when they have run out there are no more marks.
//
//   manager                 its own limit            its trees              how many
//   outermost               unlimited                2^63 - id × 2^32       2^30
//   in a job of that        a multiple of 2^32       limit - id × 2^8       2^24 - 1
//   in a job of that        a multiple of 2^8        limit - id             255
//   deeper, or limit 0      anything else            none                   0
//
// The highest numbers are used, which nobody sets for another reason. Two managers may use the same
// numbers: only descendants are ever asked for their marks.
#pragma once

#include <cstdint>
#include <optional>

#include <sys/resource.h>
#include <sys/types.h>

#include "core/types.h"

namespace upkeep::os {

class TreeMarks {
 public:
  /// For a manager whose own hard limit of locks is this.
  explicit TreeMarks(rlim_t own_limit);

  /// For this process.
  [[nodiscard]] static TreeMarks of_this_process();

  /// What a process of the tree gets as soft and hard RLIMIT_LOCKS. Nothing for tree 0 and where
  /// numbers have run out.
  [[nodiscard]] std::optional<rlim_t> mark_of(core::TreeId tree) const;

  /// The tree whose mark, or that of a manager inside of it, this is.
  [[nodiscard]] std::optional<core::TreeId> tree_of(rlim_t mark) const;

 private:
  rlim_t top_ = 0;
  unsigned shift_ = 0;
  std::uint64_t most_ = 0;
};

/// The hard RLIMIT_LOCKS of a process, a zombie included; nothing if it has gone or hides.
[[nodiscard]] std::optional<rlim_t> lock_limit(pid_t pid);

}  // namespace upkeep::os
