#include "tools/status_line.h"

#include <gtest/gtest.h>

namespace upkeep::tools {
namespace {

// The rows of the table in spec/control.md 2.4.
TEST(StatusLine, EveryShape) {
  EXPECT_EQ(stopped_line("web"), "web stop/waiting");
  EXPECT_EQ(status_line("web", {"", "start", "running", {{"main", 412}}}),
            "web start/running, process 412");
  EXPECT_EQ(status_line("web", {"", "start", "running", {}}), "web start/running");
  EXPECT_EQ(status_line("web", {"eu", "start", "running", {{"main", 412}}}),
            "web (eu) start/running, process 412");
  EXPECT_EQ(status_line("web", {"", "start", "pre-start", {{"pre-start", 388}}}),
            "web start/pre-start, process 388");
  EXPECT_EQ(status_line("web", {"", "stop", "post-stop", {{"post-stop", 455}}}),
            "web stop/post-stop, process 455");
  EXPECT_EQ(status_line("web", {"", "start", "post-start", {{"post-start", 431}}}),
            "web start/post-start, (post-start) process 431");
  EXPECT_EQ(status_line("web", {"", "stop", "pre-stop", {{"pre-stop", 460}}}),
            "web stop/pre-stop, (pre-stop) process 460");
  EXPECT_EQ(status_line("web", {"", "start", "security", {{"security", 400}}}),
            "web start/security, (security) process 400");
  EXPECT_EQ(status_line("web", {"", "start", "post-start", {{"main", 412}, {"post-start", 431}}}),
            "web start/post-start, process 412\n\tpost-start process 431");
  EXPECT_EQ(status_line("web", {"", "stop", "stopping", {}}), "web stop/stopping");
}

}  // namespace
}  // namespace upkeep::tools
