// One inotify descriptor and the directories it watches.
#pragma once

#include <cerrno>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "os/job_file_names.h"

namespace upkeep::os {

/// One change, as the kernel tells it.
struct DirectoryEvent {
  int watch = 0;
  std::uint32_t mask = 0;  ///< IN_...
  std::string name;        ///< in the directory; empty if it is about the directory itself
};

/// Directories are known by name here and by inode to the kernel: two names of one directory share
/// a watch, and a directory that has moved keeps it. So a watch is resolved to names only when its
/// event is acted upon, and a name that is no longer right has been removed by then.
class DirectoryWatches {
 public:
  /// Forgets everything, events that wait included, and opens a new descriptor. If that fails,
  /// add() fails with the reason.
  void reopen();

  /// Readable when there are events; -1 without.
  [[nodiscard]] int fd() const { return fd_.value(); }

  /// Watches a directory under this name. 0, or an errno: ENOSYS if the kernel has no inotify.
  [[nodiscard]] int add(const JobDirectory& directory, const std::string& path);

  /// Watches this name and all below it no longer.
  void remove_tree(const JobDirectory& directory);

  /// The names of what this watch watches; none if it is stale.
  [[nodiscard]] std::vector<JobDirectory> directories(int watch) const;

  /// Events that have happened, at most some thousand; none if there are none.
  [[nodiscard]] std::vector<DirectoryEvent> read();

 private:
  void remove(std::map<JobDirectory, int>::iterator entry);

  UniqueFd fd_;
  int error_ = EBADF;  ///< why there is no descriptor
  std::map<JobDirectory, int> watches_;
  std::map<int, std::set<JobDirectory>> names_;
};

}  // namespace upkeep::os
