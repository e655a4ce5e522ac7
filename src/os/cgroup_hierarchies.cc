#include "os/cgroup_hierarchies.h"

#include <algorithm>
#include <fstream>
#include <iterator>

#include <fcntl.h>
#include <fmt/format.h>

#include "base/strings.h"
#include "base/unique_fd.h"
#include "os/proc_file.h"

namespace upkeep::os {
namespace {

constexpr std::size_t kLongestMounts = 4'194'304;

/// mountinfo shows blanks and backslashes as \ooo.
std::string unescaped(std::string_view text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto digits = text.substr(i, 4);
    const bool escape = digits.size() == 4 && digits[0] == '\\' &&
                        digits.find_first_not_of("01234567", 1) == std::string_view::npos;
    if (!escape) {
      result += text[i];
      continue;
    }
    result += static_cast<char>((digits[1] - '0') * 64 + (digits[2] - '0') * 8 + digits[3] - '0');
    i += 3;
  }
  return result;
}

struct Mount {
  std::string root;
  std::string point;
  bool unified = false;
  std::vector<std::string_view> options;
};

/// A line of mountinfo; nothing unless it is of cgroups.
std::optional<Mount> parse_mount(std::string_view line) {
  const auto separator = line.find(" - ");
  if (separator == std::string_view::npos) return std::nullopt;
  const auto before = split(line.substr(0, separator), ' ');
  const auto after = split(line.substr(separator + 3), ' ');
  if (before.size() < 5 || after.size() < 3) return std::nullopt;
  if (after[0] != "cgroup" && after[0] != "cgroup2") return std::nullopt;
  return Mount{unescaped(before[3]), unescaped(before[4]), after[0] == "cgroup2",
               split(after[2], ',')};
}

/// `path` below what is mounted, in the file system; nothing if it is not below.
std::optional<std::string> directory_of(const Mount& mount, std::string_view path) {
  const auto root = mount.root == "/" ? std::string_view() : std::string_view(mount.root);
  const bool below =
      path.starts_with(root) && (path.size() == root.size() || path[root.size()] == '/');
  if (!below || path.starts_with("/..") || root.starts_with("/..")) return std::nullopt;
  const auto rest = path.substr(root.size());
  return mount.point + std::string(rest == "/" ? "" : rest);
}

std::string_view without_leaf(std::string_view path, std::string_view leaf) {
  const auto slash = path.rfind('/');
  if (slash != std::string_view::npos && path.substr(slash + 1) == leaf)
    path = path.substr(0, slash);
  return path == "/" ? std::string_view() : path;
}

/// "ID:CONTROLLER,CONTROLLER:PATH"
struct Membership {
  std::vector<std::string_view> controllers;
  std::string_view path;
};

std::vector<Membership> parse_own(std::string_view text) {
  std::vector<Membership> memberships;
  for (const auto line : split(text, '\n')) {
    const auto first = line.find(':');
    const auto second = line.find(':', first + 1);
    if (first == std::string_view::npos || second == std::string_view::npos) continue;
    const auto controllers = line.substr(first + 1, second - first - 1);
    memberships.push_back(
        {controllers.empty() ? std::vector<std::string_view>() : split(controllers, ','),
         line.substr(second + 1)});
  }
  return memberships;
}

std::string read_text(const char* path) {
  std::ifstream file(path);
  std::string text;
  for (std::string line; text.size() < kLongestMounts && std::getline(file, line);) {
    text += line + '\n';
  }
  return text;
}

}  // namespace

const CgroupHierarchy* CgroupHierarchies::legacy_with(std::string_view controller) const {
  for (const auto& hierarchy : legacy) {
    if (std::ranges::find(hierarchy.controllers, controller) != hierarchy.controllers.end()) {
      return &hierarchy;
    }
  }
  return nullptr;
}

CgroupHierarchies find_cgroups(std::string_view mounts, std::string_view own,
                               std::string_view own_leaf) {
  CgroupHierarchies found;
  const auto memberships = parse_own(own);
  for (const auto line : split(mounts, '\n')) {
    const auto mount = parse_mount(line);
    if (!mount) continue;
    for (const auto& membership : memberships) {
      const auto has = [&](std::string_view controller) {
        return std::ranges::find(mount->options, controller) != mount->options.end();
      };
      const bool unified = membership.controllers.empty();
      const bool same =
          mount->unified ? unified : !unified && std::ranges::all_of(membership.controllers, has);
      if (!same) continue;
      const auto path = without_leaf(membership.path, unified ? own_leaf : "");
      const auto directory = directory_of(*mount, path);
      if (!directory) continue;
      CgroupHierarchy hierarchy{{}, *directory, std::string(path)};
      if (unified) {
        if (!found.unified) found.unified = std::move(hierarchy);
        continue;
      }
      // Named hierarchies have no controllers: nothing can be set there.
      if (membership.controllers.front().starts_with("name=")) continue;
      hierarchy.controllers.assign(membership.controllers.begin(), membership.controllers.end());
      if (found.legacy_with(hierarchy.controllers.front()) == nullptr) {
        found.legacy.push_back(std::move(hierarchy));
      }
    }
  }
  return found;
}

CgroupHierarchies find_cgroups(std::string_view own_leaf) {
  return find_cgroups(read_text("/proc/self/mountinfo"), read_text("/proc/self/cgroup"), own_leaf);
}

std::optional<std::string> unified_path(pid_t pid) {
  const UniqueFd file(::open(fmt::format("/proc/{}/cgroup", pid).c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return std::nullopt;
  const auto text = read_proc_file(file.value());
  for (const auto& membership : parse_own(text)) {
    if (membership.controllers.empty()) return std::string(membership.path);
  }
  return std::nullopt;
}

}  // namespace upkeep::os
