#include "os/cgroup_settings.h"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include <fmt/format.h>

#include "conf/expansion.h"

namespace upkeep::os {
namespace {

constexpr std::size_t kLongestName = 255;     // NAME_MAX
constexpr std::size_t kLongestValue = 4'096;  // the kernel takes one page
constexpr std::string_view kVariable = "UPSTART_CGROUP";
constexpr std::string_view kDefaultPrefix = "upstart/";

using Setting = conf::CgroupSetting;
using Files = std::vector<CgroupFile>;

bool is_component(std::string_view name) {
  return !name.empty() && name != "." && name != ".." && name.size() <= kLongestName &&
         name.find('/') == std::string_view::npos && name.find('\n') == std::string_view::npos &&
         name.find('\0') == std::string_view::npos;
}

std::string with_underscores(std::string_view text) {
  std::string result(text);
  std::ranges::replace(result, '/', '_');
  return result;
}

/// What is wrong with the words of a setting, whoever is to take them.
std::optional<Error> defect(const Setting& setting) {
  if (!is_component(setting.controller)) {
    return Error{fmt::format("cgroup: bad controller {:.40}", printable(setting.controller))};
  }
  if (!setting.key) return std::nullopt;
  if (!is_component(fmt::format("{}.{}", setting.controller, *setting.key))) {
    return Error{fmt::format("cgroup {}: bad setting {:.40}", printable(setting.controller),
                             printable(*setting.key))};
  }
  if (setting.value.value_or("").size() > kLongestValue) {
    return Error{fmt::format("cgroup {} {}: value is longer than {} bytes",
                             printable(setting.controller), printable(*setting.key),
                             kLongestValue)};
  }
  return std::nullopt;
}

// ---- From v1 to v2 ---------------------------------------------------------------------------

constexpr std::uint64_t kUnlimited = std::numeric_limits<std::uint64_t>::max();

/// Bytes as the kernel reads them, with K, M, G, T; -1 and max are no limit.
std::optional<std::uint64_t> bytes(std::string_view text) {
  if (text == "-1" || text == "max") return kUnlimited;
  unsigned shift = 0;
  if (!text.empty()) {
    constexpr std::string_view kSuffixes = "KMGT";
    const auto suffix = kSuffixes.find(to_upper(text.back()));
    if (suffix != std::string_view::npos) {
      shift = 10 * (static_cast<unsigned>(suffix) + 1);
      text.remove_suffix(1);
    }
  }
  const auto number = parse_decimal(text);
  if (!number || *number > kUnlimited >> shift) return std::nullopt;
  return *number << shift;
}

std::string or_max(const std::string& value) {
  return value == "-1" ? "max" : value;
}

/// `weight` times `to` / `from`, in what v2 allows.
std::optional<std::uint64_t> scaled(std::string_view weight, std::uint64_t from, std::uint64_t to) {
  constexpr std::uint64_t kMost = 1'000'000'000;
  const auto number = parse_decimal(weight);
  if (!number) return std::nullopt;
  const auto result = (std::min<std::uint64_t>(*number, kMost) * to + from / 2) / from;
  return std::clamp<std::uint64_t>(result, 1, 10'000);
}

/// The settings of one group on their way.
class Translation {
 public:
  explicit Translation(const std::vector<Setting>& settings) : settings_(settings) {}

  Result<Files> run() {
    for (const auto& setting : settings_) {
      if (auto error = defect(setting)) return std::unexpected(std::move(*error));
      if (!setting.key) continue;
      if (auto error = translate(setting.controller, *setting.key, setting.value.value_or(""))) {
        return failure(fmt::format("cgroup {} {}: {}", printable(setting.controller),
                                   printable(*setting.key), *error));
      }
    }
    return std::move(files_);
  }

 private:
  using Problem = std::optional<std::string>;

  void write(std::string name, std::string value) {
    files_.push_back({std::move(name), std::move(value)});
  }

  [[nodiscard]] std::string value_of(std::string_view controller, std::string_view key) const {
    for (const auto& setting : settings_) {
      if (setting.controller == controller && setting.key == key) return setting.value.value_or("");
    }
    return {};
  }

  Problem translate(const std::string& controller, const std::string& key,
                    const std::string& value) {
    if (controller == "memory") return memory(key, value);
    if (controller == "cpu") return cpu(key, value);
    if (controller == "cpuset") return cpuset(key, value);
    if (controller == "blkio") return blkio(key, value);
    if (controller == "hugetlb") return hugetlb(key, value);
    if (controller == "freezer") return freezer(key, value);
    if (controller == "cpuacct" || controller == "perf_event") return none_in_v2();
    write(fmt::format("{}.{}", controller, key), value);
    return std::nullopt;
  }

  static Problem none_in_v2() { return "cgroup v2 has no such setting"; }
  static Problem not_a_number(const std::string& value) {
    return fmt::format("not a number: {:.40}", printable(value));
  }

  Problem memory(const std::string& key, const std::string& value) {
    constexpr std::array<std::string_view, 6> kGone{
        "kmem.limit_in_bytes", "kmem.tcp.limit_in_bytes",  "swappiness",
        "oom_control",         "move_charge_at_immigrate", "force_empty"};
    if (key == "limit_in_bytes") {
      write("memory.max", or_max(value));
    } else if (key == "soft_limit_in_bytes") {
      write("memory.low", or_max(value));
    } else if (key == "memsw.limit_in_bytes") {
      return swap(value);
    } else if (key == "use_hierarchy") {
      if (value != "1") return none_in_v2();  // 1 is how v2 is
    } else if (std::ranges::find(kGone, key) != kGone.end()) {
      return none_in_v2();
    } else {
      write("memory." + key, value);
    }
    return std::nullopt;
  }

  /// v1 limits memory and swap together, v2 swap alone.
  Problem swap(const std::string& value) {
    const auto both = bytes(value);
    if (!both) return not_a_number(value);
    if (*both == kUnlimited) {
      write("memory.swap.max", "max");
      return std::nullopt;
    }
    const auto memory = bytes(value_of("memory", "limit_in_bytes"));
    if (!memory || *memory == kUnlimited) return "needs memory limit_in_bytes beside it";
    if (*memory > *both) return "less than memory limit_in_bytes";
    write("memory.swap.max", fmt::format("{}", *both - *memory));
    return std::nullopt;
  }

  Problem cpu(const std::string& key, const std::string& value) {
    if (key == "shares") {
      const auto weight = scaled(value, 1'024, 100);
      if (!weight) return not_a_number(value);
      write("cpu.weight", fmt::format("{}", *weight));
    } else if (key == "cfs_quota_us" || key == "cfs_period_us") {
      const auto quota = value_of("cpu", "cfs_quota_us");
      const auto period = value_of("cpu", "cfs_period_us");
      // One file for both; written where the first of them stands.
      const bool written = std::ranges::any_of(
          files_, [](const CgroupFile& file) { return file.name == "cpu.max"; });
      if (written) return std::nullopt;
      const auto limit = quota.empty() ? "max" : or_max(quota);
      write("cpu.max", period.empty() ? limit : fmt::format("{} {}", limit, period));
    } else if (key == "cfs_burst_us") {
      write("cpu.max.burst", value);
    } else if (key == "rt_runtime_us" || key == "rt_period_us") {
      return none_in_v2();
    } else {
      write("cpu." + key, value);
    }
    return std::nullopt;
  }

  Problem cpuset(const std::string& key, const std::string& value) {
    constexpr std::array<std::string_view, 9> kGone{
        "cpu_exclusive",          "mem_exclusive",
        "mem_hardwall",           "memory_migrate",
        "memory_spread_page",     "memory_spread_slab",
        "sched_load_balance",     "sched_relax_domain_level",
        "memory_pressure_enabled"};
    if (std::ranges::find(kGone, key) != kGone.end()) return none_in_v2();
    write("cpuset." + key, value);
    return std::nullopt;
  }

  Problem blkio(const std::string& key, const std::string& value) {
    struct Throttle {
      std::string_view key;
      std::string_view limit;
    };
    constexpr std::array<Throttle, 4> kThrottles{Throttle{"throttle.read_bps_device", "rbps"},
                                                 Throttle{"throttle.write_bps_device", "wbps"},
                                                 Throttle{"throttle.read_iops_device", "riops"},
                                                 Throttle{"throttle.write_iops_device", "wiops"}};
    const auto blank = value.find(' ');
    const auto device = value.substr(0, blank);
    const auto number = blank == std::string::npos ? "" : value.substr(blank + 1);
    for (const auto& throttle : kThrottles) {
      if (key != throttle.key) continue;
      if (!parse_decimal(number)) return not_a_number(number);
      const bool none = parse_decimal(number) == 0U;
      write("io.max",
            fmt::format("{} {}={}", device, throttle.limit, none ? std::string("max") : number));
      return std::nullopt;
    }
    if (key == "weight") {
      const auto weight = scaled(value, 500, 100);
      if (!weight) return not_a_number(value);
      write("io.weight", fmt::format("default {}", *weight));
    } else if (key == "weight_device") {
      const auto weight = scaled(number, 500, 100);
      if (!weight) return not_a_number(number);
      write("io.weight", fmt::format("{} {}", device, *weight));
    } else if (key == "bfq.weight") {
      write("io.bfq.weight", value);
    } else {
      return none_in_v2();
    }
    return std::nullopt;
  }

  Problem hugetlb(const std::string& key, const std::string& value) {
    constexpr std::string_view kOld = "limit_in_bytes";
    if (key.ends_with(kOld)) {
      const auto size = std::string_view(key).substr(0, key.size() - kOld.size());
      write(fmt::format("hugetlb.{}max", size), or_max(value));
    } else {
      write("hugetlb." + key, value);
    }
    return std::nullopt;
  }

  Problem freezer(const std::string& key, const std::string& value) {
    if (key != "state") return none_in_v2();
    if (value != "FROZEN" && value != "THAWED") return "must be FROZEN or THAWED";
    write("cgroup.freeze", value == "FROZEN" ? "1" : "0");
    return std::nullopt;
  }

  const std::vector<Setting>& settings_;
  Files files_;
};

}  // namespace

// ---- Names -----------------------------------------------------------------------------------

std::string default_group_name(std::string_view job, std::string_view instance) {
  std::string name(job);
  if (!instance.empty()) name.append("-").append(instance);
  return std::string(kDefaultPrefix) + with_underscores(name);
}

bool is_group_name(std::string_view name) {
  const auto slash = name.find('/');
  if (slash == std::string_view::npos) return is_component(name);
  return is_component(name.substr(0, slash)) && is_component(name.substr(slash + 1));
}

Result<std::string> group_name(const Setting& setting, const Environment& environment) {
  const auto written = setting.name.value_or(fmt::format("${}", kVariable));
  auto name = conf::expand(written, environment);
  if (!name) {
    return failure(fmt::format("cgroup {} {}: {}", printable(setting.controller),
                               printable(written), name.error().message));
  }
  // The slash of UPSTART_CGROUP itself makes a group of groups; no other slash does.
  const bool begins_with_variable = written.starts_with(fmt::format("${}", kVariable)) ||
                                    written.starts_with(fmt::format("${{{}", kVariable));
  const bool keeps_prefix = begins_with_variable && name->starts_with(kDefaultPrefix);
  const auto kept = keeps_prefix ? kDefaultPrefix.size() : 0;
  auto result = name->substr(0, kept) + with_underscores(std::string_view(*name).substr(kept));
  // In the group of groups itself there can be no processes.
  const bool is_parent = result + "/" == kDefaultPrefix;
  if (is_parent || !is_group_name(result)) {
    return failure(fmt::format("cgroup {} {}: no name for a group: {:.300}",
                               printable(setting.controller), printable(written),
                               printable(result)));
  }
  return result;
}

// ---- Settings --------------------------------------------------------------------------------

Result<Files> legacy_files(const std::vector<Setting>& settings) {
  Files files;
  for (const auto& setting : settings) {
    if (auto error = defect(setting)) return std::unexpected(std::move(*error));
    if (!setting.key) continue;
    files.push_back(
        {fmt::format("{}.{}", setting.controller, *setting.key), setting.value.value_or("")});
  }
  return files;
}

Result<Files> unified_files(const std::vector<Setting>& settings) {
  return Translation(settings).run();
}

Result<std::string> unified_controller(const std::string& controller) {
  constexpr std::array<std::string_view, 3> kBuiltIn{"cpuacct", "freezer", "perf_event"};
  constexpr std::array<std::string_view, 3> kGone{"devices", "net_cls", "net_prio"};
  if (controller == "blkio") return "io";
  if (std::ranges::find(kBuiltIn, controller) != kBuiltIn.end()) return std::string();
  if (std::ranges::find(kGone, controller) != kGone.end()) {
    return failure(fmt::format("cgroup {}: cgroup v2 has no such controller", controller));
  }
  return controller;
}

}  // namespace upkeep::os
