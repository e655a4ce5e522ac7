#include "os/job_cgroups.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <utility>

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/strings.h"
#include "os/proc_file.h"
#include "os/process_scan.h"

namespace upkeep::os {
namespace {

constexpr std::string_view kBaseName = "upkeep";
constexpr const char* kManagerLeaf = "upkeep-manager";
constexpr const char* kDefaultParent = "upstart";
constexpr int kMostManagers = 16;
constexpr std::size_t kMostSettings = 256;
constexpr std::size_t kMostGroups = 16;
constexpr std::size_t kMostToMove = 512;
constexpr std::size_t kMostNamed = 5;
constexpr int kMostGenerations = 256;
constexpr int kMostSubgroups = 1'024;

std::unexpected<core::SpawnFailure> refused(std::string description, int error = EINVAL) {
  const bool temporary = error == EAGAIN || error == ENOMEM || error == EMFILE || error == ENFILE;
  return std::unexpected(core::SpawnFailure{error, std::move(description), temporary});
}

// ---- Files of cgroups ------------------------------------------------------------------------

UniqueFd open_directory(int parent, const std::string& name) {
  return UniqueFd(::openat(parent, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
}

std::string read_file(int directory, const char* name) {
  const UniqueFd file(::openat(directory, name, O_RDONLY | O_CLOEXEC));
  auto text = file ? read_proc_file(file.value()) : std::string();
  while (text.ends_with('\n')) text.pop_back();
  return text;
}

/// 0 or an errno. Does not wait: where a limit below what is used would make the kernel reclaim
/// first, newer ones let that be.
int write_file(int directory, const std::string& name, std::string_view text) {
  const UniqueFd file(
      ::openat(directory, name.c_str(), O_WRONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC));
  if (!file) return errno;
  return ::write(file.value(), text.data(), text.size()) < 0 ? errno : 0;
}

bool has_word(std::string_view text, std::string_view word) {
  const auto words = split(text, ' ');
  return std::ranges::find(words, word) != words.end();
}

/// A cpuset of v1 takes no process before it has processors and memory.
void take_over_cpus(int parent, int group) {
  for (const auto* const file : {"cpuset.cpus", "cpuset.mems"}) {
    if (read_file(group, file).empty()) write_file(group, file, read_file(parent, file));
  }
}

/// Makes the groups of a name of one or two components.
UniqueFd make_directories(int base, const std::string& name, bool is_cpuset) {
  UniqueFd last;
  for (const auto component : split(name, '/')) {
    const std::string text(component);
    const int parent = last ? last.value() : base;
    if (::mkdirat(parent, text.c_str(), 0755) < 0 && errno != EEXIST) return {};
    auto group = open_directory(parent, text);
    if (!group) return {};
    if (is_cpuset) take_over_cpus(parent, group.value());
    last = std::move(group);
  }
  return last;
}

/// Removes a group and the empty ones in it, which the job may have made.
void remove_directories(int parent, const std::string& name, int& budget) {
  if (--budget < 0 || ::unlinkat(parent, name.c_str(), AT_REMOVEDIR) == 0) return;
  if (errno != EBUSY && errno != ENOTEMPTY) return;
  const auto group = open_directory(parent, name);
  using Directory = std::unique_ptr<DIR, decltype([](DIR* directory) { ::closedir(directory); })>;
  const Directory directory(group ? ::fdopendir(::dup(group.value())) : nullptr);
  if (!directory) return;
  bool any = false;
  while (const auto* entry = ::readdir(directory.get())) {
    const std::string inner = entry->d_name;
    if (entry->d_type != DT_DIR || inner == "." || inner == "..") continue;
    remove_directories(group.value(), inner, budget);
    any = true;
  }
  if (any) ::unlinkat(parent, name.c_str(), AT_REMOVEDIR);
}

// ---- The manager steps aside -------------------------------------------------------------------

bool descends_from_us(pid_t pid) {
  for (int i = 0; i < kMostGenerations && pid > 0; ++i) {
    if (pid == ::getpid()) return true;
    pid = parent_of(pid);
  }
  return false;
}

std::vector<pid_t> processes_in(int group) {
  std::vector<pid_t> pids;
  for (const auto line : split(read_file(group, "cgroup.procs"), '\n')) {
    if (const auto pid = parse_decimal(line)) pids.push_back(static_cast<pid_t>(*pid));
  }
  return pids;
}

/// The root of all may have both processes and groups with controllers.
bool is_root(int group) {
  return ::faccessat(group, "cgroup.events", F_OK, 0) < 0;
}

/// Moves the manager and all that it has started into the leaf; each takes about a millisecond,
/// once in the life of a manager. What is still there, by name; nothing if that is nobody.
std::vector<std::string> step_aside(int own) {
  if (processes_in(own).empty()) return {};
  const auto leaf = make_directories(own, kManagerLeaf, false);
  std::size_t moved = 0;
  for (bool again = static_cast<bool>(leaf); std::exchange(again, false);) {
    for (const pid_t pid : processes_in(own)) {
      if (moved >= kMostToMove || !descends_from_us(pid)) continue;
      ++moved;
      again |= write_file(leaf.value(), "cgroup.procs", fmt::format("{}", pid)) == 0;
    }
  }
  std::vector<std::string> left;
  for (const pid_t pid : processes_in(own)) {
    if (left.size() == kMostNamed) {
      left.emplace_back("and others");
      break;
    }
    const auto stat = process_stat(pid);
    left.push_back(fmt::format("{} ({})", pid, stat ? printable(stat->name) : "gone"));
  }
  return left;
}

bool same_file(int first, const struct stat& second) {
  struct stat info {};
  return ::fstat(first, &info) == 0 && info.st_ino == second.st_ino && info.st_dev == second.st_dev;
}

}  // namespace

JobCgroups::~JobCgroups() {
  for (const auto& [key, group] : groups_) remove(key);
  for (const auto& base : bases_) {
    ::unlinkat(base->directory.value(), kDefaultParent, AT_REMOVEDIR);
    ::unlinkat(base->parent.value(), base->name.c_str(), AT_REMOVEDIR);
  }
}

// ---- Making groups ---------------------------------------------------------------------------

JobCgroups::Outcome<JobCgroups::Groups> JobCgroups::prepare(const core::SpawnRequest& request) {
  const auto& job = *request.definition;
  Groups groups;
  if (conf::serves_the_manager(request.type)) return groups;

  if (!job.cgroups.empty()) {
    const auto wanted = wanted_groups(request);
    if (!wanted) return std::unexpected(wanted.error());
    std::map<const Base*, UniqueFd> legacy;  // of several in one hierarchy the last is joined
    for (const auto& group : *wanted) {
      auto directory = make(group, request.tree);
      if (!directory) return std::unexpected(directory.error());
      if (group.base->unified) {
        groups.unified = std::move(*directory);
        const bool own = group.name == default_group_name(job.name, request.instance);
        if (own) own_groups_[request.tree] = {group.base, group.name};
        continue;
      }
      legacy[group.base].reset(::openat(directory->value(), "cgroup.procs", O_WRONLY | O_CLOEXEC));
      if (!legacy[group.base]) {
        return refused(fmt::format("cgroup: unable to join {}: {}", printable(group.name),
                                   system_error_text(errno)),
                       errno);
      }
    }
    for (auto& [base, file] : legacy) groups.joins.push_back(std::move(file));
  }
  if (job.kill_mode == conf::KillMode::Tree && !groups.unified) {
    // Without one the processes are found by descent.
    if (auto own = make_own(request)) groups.unified = std::move(*own);
  }
  return groups;
}

JobCgroups::Outcome<std::vector<JobCgroups::Wanted>> JobCgroups::wanted_groups(
    const core::SpawnRequest& request) {
  const auto& settings = request.definition->cgroups;
  if (settings.size() > kMostSettings) {
    return refused(fmt::format("cgroup: more than {} settings", kMostSettings));
  }
  auto environment = request.environment;
  set_variable(environment,
               "UPSTART_CGROUP=" + default_group_name(request.definition->name, request.instance));

  std::vector<Wanted> wanted;
  for (const auto& setting : settings) {
    auto name = group_name(setting, environment);
    if (!name) return refused(name.error().message);
    const auto base = base_with(setting.controller);
    if (!base) return std::unexpected(base.error());

    auto group = std::ranges::find_if(wanted, [&](const Wanted& other) {
      return other.base == *base && ((*base)->unified || other.name == *name);
    });
    if (group == wanted.end()) {
      if (wanted.size() == kMostGroups) {
        return refused(fmt::format("cgroup: more than {} groups", kMostGroups));
      }
      wanted.push_back({*base, std::move(*name), {}});
      group = wanted.end() - 1;
    } else if (group->name != *name) {
      return refused(
          fmt::format("cgroup: in cgroup v2 a process is in one group for all "
                      "controllers, not in {} and {}",
                      printable(group->name), printable(*name)));
    }
    group->settings.push_back(setting);
  }
  return wanted;
}

JobCgroups::Outcome<UniqueFd> JobCgroups::make(const Wanted& wanted, core::TreeId user) {
  auto& base = *wanted.base;
  const auto& controllers = base.hierarchy.controllers;
  const bool is_cpuset = std::ranges::find(controllers, "cpuset") != controllers.end();
  auto directory = make_directories(base.directory.value(), wanted.name, is_cpuset);
  if (!directory) {
    return refused(fmt::format("cgroup: unable to create {} in {}/{}: {}", printable(wanted.name),
                               base.hierarchy.directory, base.name, system_error_text(errno)),
                   errno);
  }
  const GroupKey key{&base, wanted.name};
  auto& group = groups_[key];
  group.users.insert(user);
  used_[user].insert(key);

  const auto files = base.unified ? unified_files(wanted.settings) : legacy_files(wanted.settings);
  if (!files) return refused(files.error().message);
  if (group.written == *files) return directory;
  for (const auto& file : *files) {
    const int error = write_file(directory.value(), file.name, file.value);
    if (error == 0) continue;
    const auto why = error == ENOENT ? "the kernel has no such setting" : system_error_text(error);
    return refused(
        fmt::format("cgroup: unable to set {} of {} to {:.100}: {}", printable(file.name),
                    printable(wanted.name), printable(file.value), why),
        error);
  }
  group.written = *files;
  return directory;
}

JobCgroups::Outcome<UniqueFd> JobCgroups::make_own(const core::SpawnRequest& request) {
  if (!hierarchies_.unified) hierarchies_ = find_cgroups(kManagerLeaf);
  if (!hierarchies_.unified) return refused("cgroup: no hierarchy of v2", ENOENT);
  const auto name = default_group_name(request.definition->name, request.instance);
  if (!is_group_name(name)) return refused("cgroup: no name for a group");
  const auto base = base_in(*hierarchies_.unified, true);
  if (!base) return std::unexpected(base.error());
  auto directory = make({*base, name, {}}, request.tree);
  if (directory) own_groups_[request.tree] = {*base, name};
  return directory;
}

/// The base of the hierarchy in which this controller can be had, ready for use.
JobCgroups::Outcome<JobCgroups::Base*> JobCgroups::base_with(const std::string& controller) {
  // Early in the boot there may be none yet.
  if (hierarchies_.legacy_with(controller) == nullptr) hierarchies_ = find_cgroups(kManagerLeaf);
  if (const auto* legacy = hierarchies_.legacy_with(controller)) return base_in(*legacy, false);

  const auto unified_name = unified_controller(controller);
  if (!unified_name) return refused(unified_name.error().message, ENOENT);
  if (!hierarchies_.unified) {
    return refused(fmt::format("cgroup {}: no cgroup hierarchy with this controller is mounted",
                               printable(controller)),
                   ENOENT);
  }
  auto base = base_in(*hierarchies_.unified, true);
  if (!base) return base;
  if (const auto enabled = enable(**base, *unified_name); !enabled) {
    return std::unexpected(enabled.error());
  }
  return base;
}

JobCgroups::Outcome<JobCgroups::Base*> JobCgroups::base_in(const CgroupHierarchy& hierarchy,
                                                           bool unified) {
  for (const auto& base : bases_) {
    if (base->hierarchy.directory == hierarchy.directory) return base.get();
  }
  const auto give_up = [&](int error) {
    return refused(fmt::format("cgroup: unable to make groups in {}: {}", hierarchy.directory,
                               system_error_text(error)),
                   error);
  };
  auto base = std::make_unique<Base>();
  base->hierarchy = hierarchy;
  base->unified = unified;
  base->parent.reset(::open(hierarchy.directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!base->parent) return give_up(errno);
  const auto& controllers = hierarchy.controllers;
  const bool is_cpuset = std::ranges::find(controllers, "cpuset") != controllers.end();
  for (int i = 1; i <= kMostManagers; ++i) {
    base->name = i == 1 ? std::string(kBaseName) : fmt::format("{}-{}", kBaseName, i);
    base->directory = make_directories(base->parent.value(), base->name, is_cpuset);
    if (!base->directory) return give_up(errno);
    if (::flock(base->directory.value(), LOCK_EX | LOCK_NB) < 0) continue;
    // The manager that had it may have removed it before it let go.
    struct stat now {};
    const bool there = ::fstatat(base->parent.value(), base->name.c_str(), &now, 0) == 0;
    if (!there || !same_file(base->directory.value(), now)) continue;
    return bases_.emplace_back(std::move(base)).get();
  }
  return give_up(EBUSY);
}

/// Hands a controller of v2 down from the manager's own cgroup to the groups of jobs.
JobCgroups::Outcome<void> JobCgroups::enable(Base& base, const std::string& controller) {
  if (controller.empty() || base.enabled.contains(controller)) return {};
  const auto offered = read_file(base.parent.value(), "cgroup.controllers");
  if (!has_word(offered, controller)) {
    return refused(
        fmt::format("cgroup {}: the kernel does not offer this controller in {} (it offers: {})",
                    printable(controller), base.hierarchy.directory,
                    offered.empty() ? "none" : offered),
        ENOENT);
  }
  const auto parent = make_directories(base.directory.value(), kDefaultParent, false);
  for (const int level : {base.parent.value(), base.directory.value(), parent.value()}) {
    if (has_word(read_file(level, "cgroup.subtree_control"), controller)) continue;
    // Not left to the kernel to refuse: for controllers of threads (pids, cpu) it would accept, and
    // make groups in which no process can be.
    const bool is_own = level == base.parent.value();
    const auto others = is_own && !is_root(level) ? step_aside(level) : std::vector<std::string>();
    if (!others.empty()) {
      return refused(fmt::format("cgroup {}: cannot be handed down from {} while other processes "
                                 "are in there: {}",
                                 controller, base.hierarchy.directory, join(others, ", ")),
                     EBUSY);
    }
    const int error = write_file(level, "cgroup.subtree_control", "+" + controller);
    if (error != 0) {
      return refused(fmt::format("cgroup {}: cannot be handed down from {}: {}", controller,
                                 base.hierarchy.directory, system_error_text(error)),
                     error);
    }
  }
  base.enabled.insert(controller);
  return {};
}

// ---- Trees -----------------------------------------------------------------------------------

const JobCgroups::GroupKey* JobCgroups::own_group(core::TreeId tree) const {
  const auto own = own_groups_.find(tree);
  if (own == own_groups_.end()) return nullptr;
  const auto group = groups_.find(own->second);
  const bool alone = group != groups_.end() && group->second.users.size() == 1;
  return alone ? &own->second : nullptr;
}

std::optional<core::TreeId> JobCgroups::tree_of(pid_t pid) const {
  const auto path = unified_path(pid);
  if (!path) return std::nullopt;
  for (const auto& base : bases_) {
    const auto prefix = fmt::format("{}/{}/", base->hierarchy.path, base->name);
    if (!base->unified || !path->starts_with(prefix)) continue;
    // The default name has two components; what is below belongs to the job as well.
    const auto parts = split(std::string_view(*path).substr(prefix.size()), '/');
    if (parts.size() < 2) continue;
    const auto group = groups_.find({base.get(), fmt::format("{}/{}", parts[0], parts[1])});
    if (group == groups_.end() || group->second.users.size() != 1) continue;
    const auto tree = *group->second.users.begin();
    if (own_group(tree) != nullptr) return tree;
  }
  return std::nullopt;
}

bool JobCgroups::kill(core::TreeId tree) {
  const auto* group = own_group(tree);
  if (group == nullptr) return false;
  const auto& [base, name] = *group;
  return write_file(base->directory.value(), name + "/cgroup.kill", "1") == 0;
}

bool JobCgroups::populated(core::TreeId tree) const {
  const auto* group = own_group(tree);
  if (group == nullptr) return false;
  const auto& [base, name] = *group;
  const auto events = read_file(base->directory.value(), (name + "/cgroup.events").c_str());
  return events.find("populated 1") != std::string::npos;
}

void JobCgroups::forget(core::TreeId tree) {
  own_groups_.erase(tree);
  const auto used = used_.find(tree);
  if (used == used_.end()) return;
  for (const auto& key : used->second) {
    const auto group = groups_.find(key);
    group->second.users.erase(tree);
    if (!group->second.users.empty()) continue;
    remove(key);
    groups_.erase(group);
  }
  used_.erase(used);
}

/// What still has processes stays.
void JobCgroups::remove(const GroupKey& group) {
  int budget = kMostSubgroups;
  remove_directories(group.first->directory.value(), group.second, budget);
}

}  // namespace upkeep::os
