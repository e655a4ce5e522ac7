#include "tools/session_list.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>
#include <unistd.h>

namespace upkeep::tools {
namespace {

class SessionListTest : public testing::Test {
 protected:
  SessionListTest() {
    std::string pattern = testing::TempDir() + "sessions.XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
  }
  ~SessionListTest() override { std::filesystem::remove_all(folder_); }

  void write(const std::string& name, const std::string& text) {
    std::ofstream{folder_ + "/" + name} << text;
  }

  std::string folder_;
};

TEST_F(SessionListTest, ReadsLivingSessionsAndNamesTheStale) {
  const auto own = std::to_string(::getpid());
  write(own + ".session", "UPSTART_SESSION=unix:abstract=/a/0/" + own + "\nmore\n");
  write("1.session", "UPSTART_SESSION=unix:abstract=/a/0/1");
  write("2147483647.session", "UPSTART_SESSION=x\n");  // beyond any pid
  write("99999999999999999999.session", "UPSTART_SESSION=x\n");
  write("1x.session", "UPSTART_SESSION=x\n");
  write("1.sessions", "UPSTART_SESSION=x\n");
  write("0.session", "UPSTART_SESSION=x\n");

  const auto list = read_sessions(folder_);
  ASSERT_TRUE(list);
  ASSERT_EQ(list->sessions.size(), 2U);
  EXPECT_EQ(list->sessions[0].pid, 1);
  EXPECT_EQ(list->sessions[0].address, "unix:abstract=/a/0/1");
  EXPECT_EQ(list->sessions[1].address, "unix:abstract=/a/0/" + own);
  EXPECT_EQ(list->stale, std::vector<std::string>{folder_ + "/2147483647.session"});
}

TEST_F(SessionListTest, SkipsFilesWithoutAnAddress) {
  write("1.session", "rubbish\n");
  const auto list = read_sessions(folder_);
  ASSERT_TRUE(list);
  EXPECT_TRUE(list->sessions.empty());
}

TEST_F(SessionListTest, FolderMustBeReadable) {
  const auto list = read_sessions(folder_ + "/nosuch");
  ASSERT_FALSE(list);
  EXPECT_EQ(list.error().message, "unable to determine sessions");
}

}  // namespace
}  // namespace upkeep::tools
