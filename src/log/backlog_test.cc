#include "log/backlog.h"

#include <gtest/gtest.h>

namespace upkeep::log {
namespace {

TEST(Backlog, KeepsTheNewest) {
  MemoryBudget budget;
  Backlog backlog(budget);
  EXPECT_EQ(backlog.add(std::string(Backlog::kLimit - 1, 'a')), 0U);
  EXPECT_EQ(backlog.add("bcd"), 2U);
  EXPECT_EQ(backlog.bytes().size(), Backlog::kLimit);
  EXPECT_TRUE(backlog.bytes().ends_with("aabcd"));
  EXPECT_EQ(backlog.add(std::string(Backlog::kLimit, 'x') + "y"), Backlog::kLimit + 1);
  EXPECT_EQ(backlog.bytes(), std::string(Backlog::kLimit - 1, 'x') + "y");
  backlog.remove(Backlog::kLimit - 1);
  EXPECT_EQ(backlog.bytes(), "y");
  EXPECT_EQ(budget.used, 1U);
}

TEST(Backlog, SharesOneBudget) {
  MemoryBudget budget{.limit = 10, .used = 0};
  Backlog first(budget);
  {
    Backlog second(budget);
    EXPECT_EQ(first.add("123456"), 0U);
    EXPECT_EQ(second.add("abcdef"), 2U);
    EXPECT_EQ(second.bytes(), "cdef");
    EXPECT_EQ(first.add("78"), 2U);  // its own oldest bytes make room
    EXPECT_EQ(first.bytes(), "345678");
  }
  EXPECT_EQ(first.add("9012"), 0U);
  EXPECT_EQ(budget.used, 10U);
}

}  // namespace
}  // namespace upkeep::log
