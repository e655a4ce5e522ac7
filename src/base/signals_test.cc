#include "base/signals.h"

#include <csignal>

#include <gtest/gtest.h>

namespace upkeep {
namespace {

TEST(Signals, NamesWithAndWithoutPrefix) {
  EXPECT_EQ(signal_number("TERM"), SIGTERM);
  EXPECT_EQ(signal_number("SIGUSR1"), SIGUSR1);
  EXPECT_EQ(signal_number("CLD"), SIGCHLD);
  EXPECT_EQ(signal_number("term"), std::nullopt);
  EXPECT_EQ(signal_number("SIG"), std::nullopt);
}

TEST(Signals, UnnamedSignalsAreNumbers) {
  EXPECT_EQ(signal_name(SIGKILL), "KILL");
  EXPECT_EQ(signal_name(SIGCHLD), "CHLD");
  EXPECT_EQ(signal_name(40), "40");
}

}  // namespace
}  // namespace upkeep
