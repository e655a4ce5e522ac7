#include "os/setup_report.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace upkeep::os {
namespace {

std::string words(SetupReport report, const conf::JobDefinition& job = {}) {
  return describe(report, job, {.program = "prog", .directory = "/dir"}).description;
}

TEST(SetupReport, NamesWhatTheUserCanMend) {
  conf::JobDefinition job;
  job.setuid = "web";
  job.chroot = "/jail";
  job.nice = -5;
  job.limits = {{8, 1, 1}};
  EXPECT_EQ(words({SetupStep::Execute, ENOENT}, job),
            "unable to execute \"prog\": No such file or directory");
  EXPECT_EQ(words({SetupStep::Directory, EACCES}, job),
            "unable to change directory to \"/dir\": Permission denied");
  EXPECT_EQ(words({SetupStep::Chroot, EPERM}, job),
            "unable to change root to \"/jail\": Operation not permitted");
  EXPECT_EQ(words({SetupStep::UnknownUser, ENOENT}, job), "no such user \"web\"");
  EXPECT_EQ(words({SetupStep::UserId, EPERM}, job),
            "unable to become user \"web\": Operation not permitted");
  EXPECT_EQ(words({SetupStep::Nice, EACCES}, job),
            "unable to set nice level -5: Permission denied");
  EXPECT_EQ(words({SetupStep::Limit, EPERM, 0}, job), "unable to set limit " +
                                                          std::string(conf::resources()[8].name) +
                                                          ": Operation not permitted");
}

TEST(SetupReport, KeepsTheErrorNumber) {
  EXPECT_EQ(describe({SetupStep::Execute, EACCES}, {}, {}).error, EACCES);
}

TEST(SetupReport, EveryStepHasWordsOfItsOwn) {
  std::vector<std::string> seen;
  for (int step = 0; step <= static_cast<int>(SetupStep::Execute); ++step) {
    const auto text = words({static_cast<SetupStep>(step), EIO});
    EXPECT_FALSE(text.starts_with("unable to set up the process")) << step;
    EXPECT_EQ(std::count(seen.begin(), seen.end(), text), 0) << text;
    seen.push_back(text);
  }
}

TEST(SetupReport, NonsenseFromTheChildDoesNoHarm) {
  EXPECT_EQ(words({SetupStep::Limit, EIO, 77}), "unable to set limit ?: Input/output error");
  EXPECT_EQ(words({SetupStep::Limit, EIO, -1}), "unable to set limit ?: Input/output error");
  SetupReport unknown{SetupStep::Execute, EIO};
  const int step = 1000;
  std::memcpy(&unknown.step, &step, sizeof step);
  EXPECT_EQ(words(unknown), "unable to set up the process: Input/output error");
}

}  // namespace
}  // namespace upkeep::os
