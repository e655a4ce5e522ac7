// The rules of spec/job-language.md 1.2, name by name.
#include "os/job_file_names.h"

#include <gtest/gtest.h>

namespace upkeep::os {
namespace {

/// `conf NAME`, `override NAME`, or `-`.
std::string shown(const JobDirectory& parent, std::string_view name) {
  const auto file = job_file(parent, name);
  if (!file) return "-";
  return (file->kind == JobFileKind::Conf ? "conf " : "override ") + file->job;
}

TEST(JobFileNames, OnlyTheLastSuffixCounts) {
  const JobDirectory top;
  EXPECT_EQ(shown(top, "a.conf"), "conf a");
  EXPECT_EQ(shown(top, "a.override"), "override a");
  EXPECT_EQ(shown(top, "eth.up.conf"), "conf eth.up");
  EXPECT_EQ(shown(top, ".x.conf"), "conf .x");
  EXPECT_EQ(shown(top, "with space.conf"), "conf with space");
  EXPECT_EQ(shown(top, "a.conf.conf"), "conf a.conf");
  for (const auto* name : {".conf", ".override", "conf", "a", "a.CONF", "a.conf~", "a.conf.bak", "",
                           "a.conf.dpkg-new", "#a.conf#", ".a.conf.swp", "a.config", "a.conf "}) {
    EXPECT_EQ(shown(top, name), "-") << name;
  }
}

TEST(JobFileNames, TheDirectoryIsPartOfTheName) {
  const auto inner = child_directory(child_directory({3, ""}, "net"), "d.conf");
  EXPECT_EQ(inner, (JobDirectory{3, "net/d.conf"}));
  EXPECT_EQ(shown(inner, "eth.conf"), "conf net/d.conf/eth");
  EXPECT_EQ(job_file(inner, "eth.conf")->source, 3U);
}

TEST(JobFileNames, DirectoriesOfNoInterest) {
  for (const auto* name :
       {".git",       "..",      "a~",        "a.bak",     "a.BAK",    "a.swp",
        "a.swo",      "a.swn",   "a,v",       "##",        "#a#",      "RCS",
        "CVS",        "CVS.adm", "SCCS",      "BitKeeper", "{arch}",   "_darcs",
        "a.dpkg-old", "a.dpkg-", "a.rpmsave", "a.rpmorig", "a.rpmnew", "a;0123aBcD"}) {
    EXPECT_TRUE(is_ignored_directory(name)) << name;
  }
  for (const auto* name :
       {"a", "d.conf", "d.override", "#", "#a", "a#", "a.Bak", "cvs", "a;0123aBc", "a;0123aBcDe",
        "a;0123aBcG", "a.dpkg", "a.dpkg-old.d", "0123aBcD"}) {
    EXPECT_FALSE(is_ignored_directory(name)) << name;
  }
}

}  // namespace
}  // namespace upkeep::os
