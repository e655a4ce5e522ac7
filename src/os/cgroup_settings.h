// What `cgroup` stanzas say, as names of groups and as files to write: pure text
// (spec/runtime.md 4.10, spec/job-language.md 5.3). The table for people is in
// docs/compatibility.md.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/strings.h"
#include "conf/job_definition.h"

namespace upkeep::os {

/// The value of UPSTART_CGROUP: `upstart/JOB` or `upstart/JOB-INSTANCE`, further slashes as
/// underscores.
[[nodiscard]] std::string default_group_name(std::string_view job, std::string_view instance);

/// The group that a stanza names: one or two components, none of which leads elsewhere.
/// `environment` is that of the process with UPSTART_CGROUP.
[[nodiscard]] Result<std::string> group_name(const conf::CgroupSetting& setting,
                                             const Environment& environment);

/// Whether the kernel takes the text for a group of up to two components.
[[nodiscard]] bool is_group_name(std::string_view name);

struct CgroupFile {
  std::string name;
  std::string value;

  friend bool operator==(const CgroupFile&, const CgroupFile&) = default;
};

/// For a hierarchy of cgroup v1: CONTROLLER.KEY and VALUE as written.
[[nodiscard]] Result<std::vector<CgroupFile>> legacy_files(
    const std::vector<conf::CgroupSetting>& settings);

/// For cgroup v2, of one group: the keys of v1 become those of v2, others stay. Fails for what v2
/// has not.
[[nodiscard]] Result<std::vector<CgroupFile>> unified_files(
    const std::vector<conf::CgroupSetting>& settings);

/// The controller of cgroup v2 that does what this one of v1 did; empty if v2 does that without
/// one. Fails if nothing does.
[[nodiscard]] Result<std::string> unified_controller(const std::string& controller);

}  // namespace upkeep::os
