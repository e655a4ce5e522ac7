#include "control/object_path.h"

#include <gtest/gtest.h>

namespace upkeep::control {
namespace {

TEST(ObjectPath, EscapesEveryByteThatIsNotALetterOrDigit) {
  EXPECT_EQ(escape_element("foo-bar"), "foo_2dbar");
  EXPECT_EQ(escape_element("/"), "_2f");
  EXPECT_EQ(escape_element("_"), "_5f");
  EXPECT_EQ(escape_element(""), "_");
  EXPECT_EQ(escape_element("\xC3\xA4"), "_c3_a4");
}

TEST(ObjectPath, ComesBackForEveryByte) {
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all += static_cast<char>(byte);
  EXPECT_EQ(unescape_element(escape_element(all)), all);
}

TEST(ObjectPath, RefusesWhatItWouldNotWrite) {
  for (const auto* bad : {"", "a_", "a_2", "_2D", "_41", "_g0", "a-b", "__", "\xC3", "_5f_"}) {
    EXPECT_EQ(unescape_element(bad), std::nullopt) << bad;
  }
}

TEST(ObjectPath, NamesJobsAndInstances) {
  EXPECT_EQ(job_path("sub/x.y"), "/com/ubuntu/Upstart/jobs/sub_2fx_2ey");
  EXPECT_EQ(instance_path("foo", ""), "/com/ubuntu/Upstart/jobs/foo/_");
  EXPECT_EQ(InstancePaths{}.parse("/com/ubuntu/Upstart/jobs/foo"),
            (ObjectName{"foo", std::nullopt}));
  EXPECT_EQ(InstancePaths{}.parse("/com/ubuntu/Upstart/jobs/foo/_"), (ObjectName{"foo", ""}));
  EXPECT_EQ(InstancePaths{}.parse("/com/ubuntu/Upstart/jobs/a_2fb/_5f"), (ObjectName{"a/b", "_"}));
}

TEST(ObjectPath, OtherPathsNameNothing) {
  for (const auto* bad :
       {"/", "/com/ubuntu/Upstart", "/com/ubuntu/Upstart/jobs", "/com/ubuntu/Upstart/jobs/",
        "/com/ubuntu/Upstart/jobsfoo", "/com/ubuntu/Upstart/jobs/a/b/c",
        "/com/ubuntu/Upstart/jobs//b", "/com/ubuntu/Upstart/jobs/a/"}) {
    EXPECT_EQ(InstancePaths{}.parse(bad), std::nullopt) << bad;
  }
}

TEST(InstancePaths, AreUpstartsUnlessAnotherInstanceHasThatPath) {
  const std::string job = "/com/ubuntu/Upstart/jobs/foo/";
  InstancePaths paths;
  paths.add("foo", "a\xC3\xA4");
  paths.add("foo", "a\xC3\xB6");
  paths.add("bar", "a\xC3\xB6");
  EXPECT_EQ(paths.path("foo", "a\xC3\xA4"), job + "a_ff_ff");
  EXPECT_EQ(paths.path("foo", "a\xC3\xB6"), job + "a_c3_b6");
  EXPECT_EQ(paths.path("bar", "a\xC3\xB6"), "/com/ubuntu/Upstart/jobs/bar/a_ff_ff");
  EXPECT_EQ(paths.parse(job + "a_ff_ff"), (ObjectName{"foo", "a\xC3\xA4"}));
  EXPECT_EQ(paths.parse(job + "a_c3_a4"), (ObjectName{"foo", "a\xC3\xA4"}));
  EXPECT_EQ(paths.parse(job + "a_c3_b6"), (ObjectName{"foo", "a\xC3\xB6"}));

  paths.remove("foo", "a\xC3\xA4");
  EXPECT_EQ(paths.path("foo", "a\xC3\xB6"), job + "a_c3_b6") << "for life";
  paths.add("foo", "a\xC3\xBC");
  EXPECT_EQ(paths.path("foo", "a\xC3\xBC"), job + "a_ff_ff");
  paths.remove_all("foo");
  paths.add("foo", "a\xC3\xB6");
  EXPECT_EQ(paths.path("foo", "a\xC3\xB6"), job + "a_ff_ff");
}

TEST(InstancePaths, ReachEvenNamesOfBytesThatStandForOthers) {
  const std::string job = "/com/ubuntu/Upstart/jobs/foo/";
  InstancePaths paths;
  for (const auto* name : {"\x80", "\xFF", "\xFE", "a", ""}) paths.add("foo", name);
  EXPECT_EQ(paths.path("foo", "\x80"), job + "_ff");
  EXPECT_EQ(paths.path("foo", "\xFF"), job + "_FF");
  EXPECT_EQ(paths.path("foo", "\xFE"), job + "_fe");
  EXPECT_EQ(paths.path("foo", "a"), job + "a");
  EXPECT_EQ(paths.path("foo", ""), job + "_");
  for (const auto* name : {"\x80", "\xFF", "\xFE", "a", ""}) {
    EXPECT_EQ(paths.parse(paths.path("foo", name)), (ObjectName{"foo", name}));
  }
  paths.remove("foo", "\x80");
  EXPECT_EQ(paths.parse(job + "_ff"), (ObjectName{"foo", "\xFF"})) << "its real bytes";
}

}  // namespace
}  // namespace upkeep::control
