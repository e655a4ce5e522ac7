// The cgroups of jobs: made, set, given back (spec/runtime.md 4.10).
//
// They lie below the manager's own cgroup in a directory `upkeep`, which a manager locks for as
// long as it lives: another one in the same cgroup takes `upkeep-2` and so on. So names stay the
// same when a manager is started again, and two never meet. In it `upstart/JOB` and what else
// stanzas name.
//
// A controller that is mounted as cgroup v1 is used as such; others in the hierarchy of v2. There a
// group with processes can hand no controllers down, so a manager that is asked for one moves
// itself and what it has started into a leaf `upkeep-manager` first.
#pragma once

#include <expected>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

#include "base/result.h"
#include "base/unique_fd.h"
#include "core/input.h"
#include "core/platform.h"
#include "os/cgroup_hierarchies.h"
#include "os/cgroup_settings.h"

namespace upkeep::os {

class JobCgroups {
 public:
  JobCgroups() = default;
  /// Removes the groups that are empty.
  ~JobCgroups();
  JobCgroups(const JobCgroups&) = delete;
  JobCgroups& operator=(const JobCgroups&) = delete;

  struct Groups {
    UniqueFd unified;             ///< directory, or empty
    std::vector<UniqueFd> joins;  ///< cgroup.procs of v1 groups
  };

  /// What this process needs: for `cgroup` stanzas groups with their settings, or an error; for
  /// kill mode tree a group of v2, where one can be made.
  template <typename T>
  using Outcome = std::expected<T, core::SpawnFailure>;
  [[nodiscard]] Outcome<Groups> prepare(const core::SpawnRequest& request);

  /// Whether some tree may have a group of its own: it is worth asking for it.
  [[nodiscard]] bool any() const { return !own_groups_.empty(); }

  /// The tree that has the group in which this process is for itself alone.
  [[nodiscard]] std::optional<core::TreeId> tree_of(pid_t pid) const;

  /// Kills all that is in the group of the tree. False if that is not its alone or the kernel
  /// cannot.
  bool kill(core::TreeId tree);

  /// Whether something lives in the group of the tree, if that is its alone.
  [[nodiscard]] bool populated(core::TreeId tree) const;

  /// The tree needs its groups no more: they are removed if nobody else does and they are empty.
  void forget(core::TreeId tree);

 private:
  /// The manager's directory in one hierarchy.
  struct Base {
    CgroupHierarchy hierarchy;
    bool unified = false;
    std::string name;               ///< `upkeep`, `upkeep-2`
    UniqueFd parent;                ///< the manager's own cgroup
    UniqueFd directory;             ///< of that name in it, locked
    std::set<std::string> enabled;  ///< v2: controllers that reach the groups
  };

  /// A base and a name in it.
  using GroupKey = std::pair<const Base*, std::string>;

  struct Group {
    std::vector<CgroupFile> written;
    std::set<core::TreeId> users;
  };

  /// A group as the stanzas of one job want it.
  struct Wanted {
    Base* base = nullptr;
    std::string name;
    std::vector<conf::CgroupSetting> settings;
  };

  [[nodiscard]] Outcome<std::vector<Wanted>> wanted_groups(const core::SpawnRequest& request);
  [[nodiscard]] Outcome<UniqueFd> make(const Wanted& wanted, core::TreeId user);
  [[nodiscard]] Outcome<UniqueFd> make_own(const core::SpawnRequest& request);
  [[nodiscard]] Outcome<Base*> base_with(const std::string& controller);
  [[nodiscard]] Outcome<Base*> base_in(const CgroupHierarchy& hierarchy, bool unified);
  [[nodiscard]] static Outcome<void> enable(Base& base, const std::string& controller);
  [[nodiscard]] const GroupKey* own_group(core::TreeId tree) const;
  static void remove(const GroupKey& group);

  CgroupHierarchies hierarchies_;
  std::vector<std::unique_ptr<Base>> bases_;
  std::map<GroupKey, Group> groups_;
  std::map<core::TreeId, GroupKey> own_groups_;  ///< in v2, by the default name
  std::map<core::TreeId, std::set<GroupKey>> used_;
};

}  // namespace upkeep::os
