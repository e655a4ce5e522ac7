// Finding the mounts and the own place in them, from the texts of several kinds of machines.
#include "os/cgroup_hierarchies.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "base/strings.h"

namespace upkeep::os {
namespace {

std::string shown(const CgroupHierarchies& found) {
  std::string text;
  if (found.unified) text += "v2 " + found.unified->directory + " " + found.unified->path + ";";
  for (const auto& hierarchy : found.legacy) {
    text += join(hierarchy.controllers, ",") + " " + hierarchy.directory + ";";
  }
  return text;
}

std::string find(std::string_view mounts, std::string_view own) {
  return shown(find_cgroups(mounts, own, "leaf"));
}

constexpr std::string_view kUnified =
    "24 30 0:22 / /proc rw,nosuid - proc proc rw\n"
    "30 24 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";

TEST(CgroupHierarchies, OnlyTheUnifiedOne) {
  EXPECT_EQ(find(kUnified, "0::/\n"), "v2 /sys/fs/cgroup ;");
  EXPECT_EQ(find(kUnified, "0::/system.slice/a.service\n"),
            "v2 /sys/fs/cgroup/system.slice/a.service /system.slice/a.service;");
}

TEST(CgroupHierarchies, Legacy) {
  EXPECT_EQ(find("31 25 0:27 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
                 "32 25 0:28 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
                 "33 25 0:29 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd\n",
                 "5:name=systemd:/x\n4:memory:/jobs/a\n3:cpu,cpuacct:/\n"),
            "cpu,cpuacct /sys/fs/cgroup/cpu,cpuacct;memory /sys/fs/cgroup/memory/jobs/a;");
}

TEST(CgroupHierarchies, Both) {
  EXPECT_EQ(find("1 2 0:1 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
                 "3 2 0:2 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n",
                 "8:pids:/\n0::/\n"),
            "v2 /sys/fs/cgroup/unified ;pids /sys/fs/cgroup/pids;");
}

TEST(CgroupHierarchies, PartOfAHierarchyIsMounted) {
  constexpr std::string_view kMounts = "1 2 0:1 /docker/ab /cg rw - cgroup2 cgroup rw\n";
  EXPECT_EQ(find(kMounts, "0::/docker/ab/x\n"), "v2 /cg/x /docker/ab/x;");
  EXPECT_EQ(find(kMounts, "0::/docker/ab\n"), "v2 /cg /docker/ab;");
  EXPECT_EQ(find(kMounts, "0::/docker/abc\n"), "");
  EXPECT_EQ(find(kMounts, "0::/\n"), "");
  EXPECT_EQ(find("1 2 0:1 / /cg rw - cgroup2 cgroup rw\n", "0::/../other\n"), "");
}

TEST(CgroupHierarchies, LeafOfTheManagerIsNotItsPlace) {
  EXPECT_EQ(find(kUnified, "0::/leaf\n"), "v2 /sys/fs/cgroup ;");
  EXPECT_EQ(find(kUnified, "0::/a/leaf\n"), "v2 /sys/fs/cgroup/a /a;");
  EXPECT_EQ(find(kUnified, "0::/a/overleaf\n"), "v2 /sys/fs/cgroup/a/overleaf /a/overleaf;");
}

TEST(CgroupHierarchies, NamesOfMountsAreEscaped) {
  EXPECT_EQ(find("1 2 0:1 / /a\\040b\\134 rw - cgroup2 cgroup rw\n", "0::/\n"), "v2 /a b\\ ;");
}

TEST(CgroupHierarchies, NoneAndNonsense) {
  EXPECT_EQ(find("", ""), "");
  EXPECT_EQ(find(kUnified, ""), "");
  EXPECT_EQ(find("", "0::/\n"), "");
  EXPECT_EQ(find("- cgroup2\n - cgroup2 x y\n1 2 3 4\n", "0::/\n::\n:\n"), "");
}

TEST(CgroupHierarchies, OfThisMachine) {
  EXPECT_TRUE(unified_path(::getpid()) || !find_cgroups("").unified);
  EXPECT_FALSE(unified_path(0));
}

}  // namespace
}  // namespace upkeep::os
