#include "daemon/session_file.h"

#include <filesystem>
#include <fstream>
#include <sstream>

#include <gtest/gtest.h>
#include <sys/stat.h>

namespace upkeep::daemon {
namespace {

class SessionFileTest : public ::testing::Test {
 protected:
  SessionFileTest() {
    std::string path = ::testing::TempDir() + "session.XXXXXX";
    directory = ::mkdtemp(path.data());
  }
  ~SessionFileTest() override { std::filesystem::remove_all(directory); }
  std::string directory;
};

TEST_F(SessionFileTest, HoldsTheAddressAndGoesWithItsOwner) {
  const auto path = directory + "/7.session";
  {
    auto file = SessionFile::create(path, "unix:abstract=/x/1/7");
    ASSERT_TRUE(file) << file.error().message;
    std::ifstream stream(path);
    std::stringstream text;
    text << stream.rdbuf();
    EXPECT_EQ(text.str(), "UPSTART_SESSION=unix:abstract=/x/1/7\n");
  }
  EXPECT_TRUE(std::filesystem::is_empty(directory));
}

TEST_F(SessionFileTest, AMissingDirectoryIsAnErrorInWords) {
  const auto file = SessionFile::create(directory + "/none/7.session", "a");
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().message, directory +
                                      "/none/7.session: unable to write session file: "
                                      "No such file or directory");
}

TEST_F(SessionFileTest, DirectoriesAreForTheirOwnerAlone) {
  ASSERT_TRUE(create_private_directories({directory + "/a", directory + "/a/b"}));
  ASSERT_TRUE(create_private_directories({directory + "/a", directory + "/a/b"}));
  struct stat status {};
  ASSERT_EQ(::stat((directory + "/a/b").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0700U);
  EXPECT_FALSE(create_private_directories({directory + "/x/y", directory + "/z"}));
  EXPECT_TRUE(std::filesystem::is_directory(directory + "/z"));
}

}  // namespace
}  // namespace upkeep::daemon
