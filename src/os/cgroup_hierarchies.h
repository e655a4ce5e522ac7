// Where cgroups are: the mounted hierarchies and the manager's own place in each.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace upkeep::os {

struct CgroupHierarchy {
  /// Of cgroup v1, those that this mount has; for v2 empty: they are asked for in the directory.
  std::vector<std::string> controllers;
  std::string directory;  ///< the manager's own cgroup in the file system
  std::string path;       ///< the same as /proc/PID/cgroup names it, without a slash at the end
};

struct CgroupHierarchies {
  std::optional<CgroupHierarchy> unified;  ///< v2, also where some controllers are v1
  std::vector<CgroupHierarchy> legacy;     ///< v1, those with controllers

  /// The v1 mount that has this controller.
  [[nodiscard]] const CgroupHierarchy* legacy_with(std::string_view controller) const;
};

/// From the texts of /proc/self/mountinfo and /proc/self/cgroup. A cgroup outside of what is
/// mounted counts as none. If the manager is in a group named `own_leaf`, which it has made to step
/// aside, the parent is meant.
[[nodiscard]] CgroupHierarchies find_cgroups(std::string_view mounts, std::string_view own,
                                             std::string_view own_leaf);

/// Of this process, as things are now.
[[nodiscard]] CgroupHierarchies find_cgroups(std::string_view own_leaf);

/// The group of a process in the hierarchy of v2; nothing if it has gone or there is none.
[[nodiscard]] std::optional<std::string> unified_path(pid_t pid);

}  // namespace upkeep::os
