// Names of groups and what becomes of settings: text in, text out.
#include "os/cgroup_settings.h"

#include <gtest/gtest.h>

namespace upkeep::os {
namespace {

using Setting = conf::CgroupSetting;

Setting setting(std::string controller, std::string key, std::string value) {
  return {std::move(controller), {}, std::move(key), std::move(value)};
}

/// "file=value;..." or what went wrong.
std::string shown(const Result<std::vector<CgroupFile>>& files) {
  if (!files) return files.error().message;
  std::string text;
  for (const auto& file : *files) text += file.name + "=" + file.value + ";";
  return text;
}

std::string unified(const std::vector<Setting>& settings) {
  return shown(unified_files(settings));
}

TEST(CgroupSettings, AsCgroup2HasThem) {
  struct Case {
    const char* controller;
    const char* key;
    const char* value;
    const char* expected;
  };
  const Case cases[]{
      {"memory", "limit_in_bytes", "100M", "memory.max=100M;"},
      {"memory", "limit_in_bytes", "-1", "memory.max=max;"},
      {"memory", "soft_limit_in_bytes", "1024", "memory.low=1024;"},
      {"memory", "memsw.limit_in_bytes", "-1", "memory.swap.max=max;"},
      {"memory", "memsw.limit_in_bytes", "1G",
       "cgroup memory memsw.limit_in_bytes: needs memory limit_in_bytes beside it"},
      {"memory", "memsw.limit_in_bytes", "lots",
       "cgroup memory memsw.limit_in_bytes: not a number: lots"},
      {"memory", "use_hierarchy", "1", ""},
      {"memory", "use_hierarchy", "0",
       "cgroup memory use_hierarchy: cgroup v2 has no such setting"},
      {"memory", "swappiness", "10", "cgroup memory swappiness: cgroup v2 has no such setting"},
      {"memory", "kmem.limit_in_bytes", "1",
       "cgroup memory kmem.limit_in_bytes: cgroup v2 has no such setting"},
      {"memory", "max", "100M", "memory.max=100M;"},
      {"memory", "high", "90M", "memory.high=90M;"},
      {"cpu", "shares", "1024", "cpu.weight=100;"},
      {"cpu", "shares", "512", "cpu.weight=50;"},
      {"cpu", "shares", "2", "cpu.weight=1;"},
      {"cpu", "shares", "262144", "cpu.weight=10000;"},
      {"cpu", "shares", "99999999999999999", "cpu.weight=10000;"},
      {"cpu", "shares", "half", "cgroup cpu shares: not a number: half"},
      {"cpu", "cfs_quota_us", "50000", "cpu.max=50000;"},
      {"cpu", "cfs_quota_us", "-1", "cpu.max=max;"},
      {"cpu", "cfs_period_us", "200000", "cpu.max=max 200000;"},
      {"cpu", "cfs_burst_us", "1000", "cpu.max.burst=1000;"},
      {"cpu", "rt_runtime_us", "1", "cgroup cpu rt_runtime_us: cgroup v2 has no such setting"},
      {"cpu", "weight", "10", "cpu.weight=10;"},
      {"cpuset", "cpus", "0-1", "cpuset.cpus=0-1;"},
      {"cpuset", "mems", "0", "cpuset.mems=0;"},
      {"cpuset", "cpu_exclusive", "1",
       "cgroup cpuset cpu_exclusive: cgroup v2 has no such setting"},
      {"blkio", "weight", "500", "io.weight=default 100;"},
      {"blkio", "weight", "10", "io.weight=default 2;"},
      {"blkio", "weight_device", "8:0 1000", "io.weight=8:0 200;"},
      {"blkio", "bfq.weight", "100", "io.bfq.weight=100;"},
      {"blkio", "throttle.read_bps_device", "8:0 1048576", "io.max=8:0 rbps=1048576;"},
      {"blkio", "throttle.write_bps_device", "8:0 1", "io.max=8:0 wbps=1;"},
      {"blkio", "throttle.read_iops_device", "8:0 0", "io.max=8:0 riops=max;"},
      {"blkio", "throttle.write_iops_device", "8:0 7", "io.max=8:0 wiops=7;"},
      {"blkio", "throttle.write_iops_device", "8:0",
       "cgroup blkio throttle.write_iops_device: not a number: "},
      {"blkio", "leaf_weight", "10", "cgroup blkio leaf_weight: cgroup v2 has no such setting"},
      {"io", "max", "8:0 rbps=1", "io.max=8:0 rbps=1;"},
      {"pids", "max", "20", "pids.max=20;"},
      {"hugetlb", "2MB.limit_in_bytes", "4M", "hugetlb.2MB.max=4M;"},
      {"hugetlb", "2MB.rsvd.limit_in_bytes", "-1", "hugetlb.2MB.rsvd.max=max;"},
      {"hugetlb", "1GB.max", "0", "hugetlb.1GB.max=0;"},
      {"freezer", "state", "THAWED", "cgroup.freeze=0;"},
      {"freezer", "state", "FROZEN", "cgroup.freeze=1;"},
      {"freezer", "state", "cold", "cgroup freezer state: must be FROZEN or THAWED"},
      {"cpuacct", "usage", "0", "cgroup cpuacct usage: cgroup v2 has no such setting"},
      {"rdma", "max", "mlx4_0 hca_handle=2", "rdma.max=mlx4_0 hca_handle=2;"},
  };
  for (const auto& test : cases) {
    EXPECT_EQ(unified({setting(test.controller, test.key, test.value)}), test.expected);
  }
}

TEST(CgroupSettings, ThoseThatCgroup2HasInOneFile) {
  EXPECT_EQ(
      unified({setting("cpu", "cfs_period_us", "100000"), setting("cpu", "cfs_quota_us", "50000")}),
      "cpu.max=50000 100000;");
  EXPECT_EQ(unified({setting("memory", "limit_in_bytes", "100M"),
                     setting("memory", "memsw.limit_in_bytes", "150M")}),
            "memory.max=100M;memory.swap.max=52428800;");
  EXPECT_EQ(unified({setting("memory", "memsw.limit_in_bytes", "1k"),
                     setting("memory", "limit_in_bytes", "1M")}),
            "cgroup memory memsw.limit_in_bytes: less than memory limit_in_bytes");
}

TEST(CgroupSettings, AsWrittenForCgroup1) {
  EXPECT_EQ(shown(legacy_files({setting("memory", "limit_in_bytes", "-1"),
                                {"memory", {}, {}, {}},
                                setting("cpu", "shares", "2")})),
            "memory.limit_in_bytes=-1;cpu.shares=2;");
}

TEST(CgroupSettings, NoFileElsewhere) {
  for (const auto* const word : {"../x", "a/b", "", "a\nb"}) {
    EXPECT_FALSE(legacy_files({setting(word, "max", "1")})) << word;
    EXPECT_FALSE(unified_files({setting(word, "max", "1")})) << word;
  }
  EXPECT_EQ(shown(legacy_files({setting("memory", "../../release_agent", "/bin/sh")})),
            "cgroup memory: bad setting ../../release_agent");
  EXPECT_EQ(unified({setting("memory", "x/y", "1")}), "cgroup memory: bad setting x/y");
  EXPECT_FALSE(legacy_files({setting("memory", std::string(300, 'k'), "1")}));
  EXPECT_FALSE(legacy_files({setting("memory", "max", std::string(5'000, '1'))}));
}

TEST(CgroupSettings, Controllers) {
  EXPECT_EQ(unified_controller("memory"), "memory");
  EXPECT_EQ(unified_controller("blkio"), "io");
  EXPECT_EQ(unified_controller("freezer"), "");
  EXPECT_EQ(unified_controller("cpuacct"), "");
  for (const auto* const gone : {"devices", "net_cls", "net_prio"}) {
    EXPECT_FALSE(unified_controller(gone)) << gone;
  }
}

// ---- Names -------------------------------------------------------------------------------------

TEST(CgroupNames, OfJobsAndInstances) {
  EXPECT_EQ(default_group_name("web", ""), "upstart/web");
  EXPECT_EQ(default_group_name("web", "eu"), "upstart/web-eu");
  EXPECT_EQ(default_group_name("net/web", "/dev/sda"), "upstart/net_web-_dev_sda");
  EXPECT_EQ(default_group_name("..", "/../.."), "upstart/..-_.._..");
}

std::string name(std::optional<std::string> written, Environment environment = {}) {
  environment.emplace_back("UPSTART_CGROUP=upstart/web-eu");
  const auto result = group_name({"cpu", std::move(written), {}, {}}, environment);
  return result ? *result : result.error().message;
}

TEST(CgroupNames, AreExpanded) {
  EXPECT_EQ(name({}), "upstart/web-eu");
  EXPECT_EQ(name("$UPSTART_CGROUP"), "upstart/web-eu");
  EXPECT_EQ(name("${UPSTART_CGROUP}-x/y"), "upstart/web-eu-x_y");
  EXPECT_EQ(name("pool"), "pool");
  EXPECT_EQ(name("pool/a/b"), "pool_a_b");
  EXPECT_EQ(name("x-$UPSTART_CGROUP"), "x-upstart_web-eu");
  EXPECT_EQ(name("$A-$B", {"A=1", "B=/2"}), "1-_2");
  EXPECT_EQ(name("$C"), "cgroup cpu $C: Unknown parameter: C");
}

TEST(CgroupNames, LeadNowhereElse) {
  EXPECT_EQ(name("..", {}), "cgroup cpu ..: no name for a group: ..");
  EXPECT_EQ(name("../../x"), ".._.._x");
  EXPECT_EQ(name("$A", {"A=.."}), "cgroup cpu $A: no name for a group: ..");
  EXPECT_EQ(name("$A", {"A="}), "cgroup cpu $A: no name for a group: ");
  EXPECT_EQ(name("$A", {"A=a\nb"}), "cgroup cpu $A: no name for a group: a\\x0ab");
  EXPECT_EQ(name("upstart"), "cgroup cpu upstart: no name for a group: upstart");
  EXPECT_FALSE(is_group_name(std::string(256, 'x')));
  EXPECT_FALSE(is_group_name(default_group_name("", "")));
  EXPECT_FALSE(is_group_name("upstart/.."));
  EXPECT_FALSE(is_group_name("a/b/c"));
  EXPECT_TRUE(is_group_name("upstart/" + std::string(255, 'x')));
}

}  // namespace
}  // namespace upkeep::os
