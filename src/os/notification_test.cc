#include "os/notification.h"

#include <string>

#include <gtest/gtest.h>

namespace upkeep::os {
namespace {

using namespace std::chrono_literals;
using namespace std::string_literals;

Notification parsed(std::string_view text) {
  auto notification = parse_notification(text);
  EXPECT_TRUE(notification);
  return notification.value_or(Notification{});
}

TEST(Notification, EveryLineThatMeansSomething) {
  const auto all = parsed(
      "READY=1\nSTOPPING=1\nRELOADING=1\nWATCHDOG=1\nWATCHDOG=trigger\nMAINPID=4711\n"
      "STATUS=Serving 3 clients\nWATCHDOG_USEC=20000000\nEXTEND_TIMEOUT_USEC=5000000\n");
  EXPECT_EQ(all, (Notification{.ready = true,
                               .stopping = true,
                               .reloading = true,
                               .keep_alive = true,
                               .watchdog_trigger = true,
                               .main_pid = 4711,
                               .status = "Serving 3 clients",
                               .watchdog_interval = 20s,
                               .more_time = 5s,
                               .remark = ""}));
}

TEST(Notification, EachLineMeansOneThing) {
  EXPECT_EQ(parsed("READY=1"), Notification{.ready = true});
  EXPECT_EQ(parsed("STOPPING=1"), Notification{.stopping = true});
  EXPECT_EQ(parsed("RELOADING=1"), Notification{.reloading = true});
  EXPECT_EQ(parsed("WATCHDOG=1"), Notification{.keep_alive = true});
  EXPECT_EQ(parsed("WATCHDOG=trigger"), Notification{.watchdog_trigger = true});
  EXPECT_EQ(parsed("WATCHDOG_USEC=0"), Notification{.watchdog_interval = 0us});
  EXPECT_EQ(parsed("STATUS="), Notification{.status = ""});
}

TEST(Notification, OtherLinesAreIgnored) {
  EXPECT_EQ(parsed(""), Notification{});
  EXPECT_EQ(parsed("\n\n\n"), Notification{});
  EXPECT_EQ(parsed("READY\nSTATUS\n=1\n READY=1\nready=1\nREADY2=1\n"), Notification{});
  EXPECT_EQ(parsed("FDSTORE=1\nFDNAME=x\nERRNO=2\nBARRIER=1\nX_MINE=\xff\nREADY=1"),
            Notification{.ready = true});
}

TEST(Notification, ABadValueLeavesTheRestAndARemark) {
  EXPECT_EQ(parsed("READY=0"), Notification{.remark = "READY=0: only the value 1 means something"});
  EXPECT_EQ(parsed("WATCHDOG=2\nREADY=1\nMAINPID=x"),
            (Notification{.ready = true, .remark = "WATCHDOG=2: neither 1 nor trigger"}));
  for (const auto* pid : {"", "0", "1", "-5", "+5", " 5", "5 ", "0x10", "2147483648",
                          "18446744073709551616", "99999999999999999999999999"}) {
    const auto line = "MAINPID="s + pid;
    EXPECT_EQ(parsed(line), Notification{.remark = line + ": not the pid of a service"});
  }
  EXPECT_EQ(parsed("MAINPID=2147483647"), Notification{.main_pid = 2147483647});
  for (const auto* key : {"WATCHDOG_USEC=", "EXTEND_TIMEOUT_USEC="}) {
    for (const auto* time : {"", "-1", "1s", "1.5", "18446744073709551616"}) {
      const auto line = std::string(key) + time;
      EXPECT_EQ(parsed(line), Notification{.remark = line + ": not a number of microseconds"});
    }
  }
}

TEST(Notification, ARemarkIsShortAndPrintable) {
  const auto text = parsed("MAINPID=\x1b[2J" + std::string(4000, 'x')).remark;
  EXPECT_TRUE(text.starts_with("MAINPID=\\x1b[2Jxxx")) << text;
  EXPECT_LT(text.size(), 100U);
}

TEST(Notification, TimesAreBounded) {
  // systemd's word for "for ever" is the largest number.
  const auto forever =
      parsed("WATCHDOG_USEC=18446744073709551615\nEXTEND_TIMEOUT_USEC=9223372036854775808");
  EXPECT_EQ(forever.watchdog_interval, kLongestNotifiedTime);
  EXPECT_EQ(forever.more_time, kLongestNotifiedTime);
}

TEST(Notification, TheFirstUsableOfSeveralCounts) {
  EXPECT_EQ(parsed("MAINPID=x\nMAINPID=5\nMAINPID=6\nSTATUS=a\nSTATUS=b\nEXTEND_TIMEOUT_USEC=1\n"
                   "EXTEND_TIMEOUT_USEC=2\nREADY=1\nREADY=1"),
            (Notification{.ready = true,
                          .main_pid = 5,
                          .status = "a",
                          .more_time = 1us,
                          .remark = "MAINPID=x: not the pid of a service"}));
}

TEST(Notification, ANulEndsTheText) {
  EXPECT_EQ(parsed("READY=1\n\0"s), Notification{.ready = true});
  EXPECT_EQ(parsed("READY=1\0STOPPING=1\nSTOPPING=1"s), Notification{.ready = true});
  EXPECT_EQ(parsed("STATUS=half\0way"s), Notification{.status = "half"});
  EXPECT_EQ(parsed("\0READY=1"s), Notification{});
}

TEST(Notification, StatusIsPrintable) {
  EXPECT_EQ(parsed("STATUS=Größe 3").status, "Größe 3");
  EXPECT_EQ(parsed("STATUS=\x1b[31mred\xff\r").status, "\\x1b[31mred\\xff\\x0d");
}

TEST(Notification, StatusIsCutBetweenCharacters) {
  EXPECT_EQ(parsed("STATUS=" + std::string(kMaxStatusBytes + 1, 'a')).status,
            std::string(kMaxStatusBytes, 'a'));
  for (const auto* character : {"ü", "€", "😀"}) {
    for (std::size_t lead = 0; lead < 4; ++lead) {
      const auto length = std::string_view(character).size();
      std::string text(lead, 'a');
      while (text.size() < 2 * kMaxStatusBytes) text += character;
      const auto whole = lead + (kMaxStatusBytes - lead) / length * length;
      EXPECT_EQ(parsed("STATUS=" + text).status, text.substr(0, whole));
    }
  }
  EXPECT_EQ(parsed("STATUS=" + std::string(3000, '\xf0')).status->size(), 4 * kMaxStatusBytes);
}

TEST(Notification, ALongDatagramIsRefused) {
  EXPECT_TRUE(parsed("READY=1\n" + std::string(kMaxNotificationBytes - 8, 'x')).ready);
  const auto refused =
      parse_notification("READY=1\n" + std::string(kMaxNotificationBytes - 7, 'x'));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message, "longer than 4096 bytes");
}

}  // namespace
}  // namespace upkeep::os
