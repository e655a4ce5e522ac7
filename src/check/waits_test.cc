#include "check/waits.h"

#include <gtest/gtest.h>

#include "conf/parser.h"

namespace upkeep::check {
namespace {

conf::JobDefinition job(const std::string& text) {
  return conf::parse_job(text + "\n").value().definition;
}

TEST(Waits, AreFoundBetweenFiles) {
  Waits waits;
  waits.add("a", job("start on started x or (y and starting b)"));
  EXPECT_TRUE(waits.find().cycles.empty());
  waits.add("b", job("start on starting a"));
  EXPECT_EQ(waits.find().cycles.size(), 1U);
}

TEST(Waits, TheLastJobOfANameCounts) {
  Waits waits;
  waits.add("a", job("stop on starting a"));
  EXPECT_EQ(waits.find().cycles.size(), 1U);
  waits.add("a", job("stop on started a"));
  EXPECT_TRUE(waits.find().cycles.empty());
}

TEST(Waits, InstancesAreSeen) {
  Waits waits;
  waits.add("a", job("start on stopping a\ninstance $N"));
  EXPECT_TRUE(waits.find().cycles.empty());
}

TEST(Waits, OnlyTwoEventsMakeAJobWait) {
  EXPECT_TRUE(can_make_wait(job("start on starting a")));
  EXPECT_TRUE(can_make_wait(job("stop on x and stopping a")));
  EXPECT_FALSE(can_make_wait(job("start on started a\nstop on stopped a")));
}

}  // namespace
}  // namespace upkeep::check
