#include "os/log_path.h"

#include <gtest/gtest.h>

namespace upkeep::os {
namespace {

std::string file_name(const std::string& path) {
  return path.substr(path.rfind('/') + 1);
}

TEST(LogPath, NamesJobAndInstance) {
  EXPECT_EQ(log_path("/var/log/upstart", "cron", ""), "/var/log/upstart/cron.log");
  EXPECT_EQ(log_path("/l", "getty", "tty1"), "/l/getty-tty1.log");
}

TEST(LogPath, SlashesBecomeUnderscores) {
  EXPECT_EQ(log_path("/l", "net/apache", "a/b"), "/l/net_apache-a_b.log");
  EXPECT_EQ(log_path("/l", "x", "../../etc/passwd"), "/l/x-.._.._etc_passwd.log");
}

TEST(LogPath, LongestNameThatFitsIsKept) {
  const std::string instance(255 - 4 - 2, 'i');
  EXPECT_EQ(file_name(log_path("/l", "j", instance)), "j-" + instance + ".log");
  EXPECT_EQ(file_name(log_path("/l", "j", instance + "i")).size(), 255U);
}

TEST(LogPath, LongNamesAreShortenedAndStayDistinct) {
  const std::string common(300, 'i');
  const auto first = log_path("/l", "j", common + "1");
  EXPECT_EQ(first, log_path("/l", "j", common + "1"));
  EXPECT_NE(first, log_path("/l", "j", common + "2"));
  EXPECT_LE(file_name(first).size(), 255U);
  EXPECT_TRUE(first.ends_with(".log"));
}

TEST(LogPath, ShorteningKeepsCharactersWhole) {
  std::string accents;
  while (accents.size() < 400) accents += "\xC3\xA9";
  for (const auto* job : {"j", "jj"}) {
    const auto name = file_name(log_path("/l", job, accents));
    const auto cut = name.rfind('-');
    EXPECT_EQ(name[cut - 1], '\xA9') << job;
    EXPECT_LE(name.size(), 255U);
  }
}

}  // namespace
}  // namespace upkeep::os
