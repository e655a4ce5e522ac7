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
  EXPECT_EQ(parse_object_path("/com/ubuntu/Upstart/jobs/foo"), (ObjectName{"foo", std::nullopt}));
  EXPECT_EQ(parse_object_path("/com/ubuntu/Upstart/jobs/foo/_"), (ObjectName{"foo", ""}));
  EXPECT_EQ(parse_object_path("/com/ubuntu/Upstart/jobs/a_2fb/_5f"), (ObjectName{"a/b", "_"}));
}

TEST(ObjectPath, OtherPathsNameNothing) {
  for (const auto* bad :
       {"/", "/com/ubuntu/Upstart", "/com/ubuntu/Upstart/jobs", "/com/ubuntu/Upstart/jobs/",
        "/com/ubuntu/Upstart/jobsfoo", "/com/ubuntu/Upstart/jobs/a/b/c",
        "/com/ubuntu/Upstart/jobs//b", "/com/ubuntu/Upstart/jobs/a/"}) {
    EXPECT_EQ(parse_object_path(bad), std::nullopt) << bad;
  }
}

}  // namespace
}  // namespace upkeep::control
