// Every state that one job can reach: none without an exit, none running without its process.
#include <algorithm>
#include <cstdlib>
#include <ranges>
#include <set>
#include <string>

#include "statespace/explorer.h"
#include "statespace/shape.h"
#include "statespace/table.h"
#include <fmt/format.h>
#include <gtest/gtest.h>

namespace upkeep::statespace {
namespace {

using Lines = std::set<std::string>;

bool update_golden() {
  return std::getenv("UPKEEP_UPDATE_GOLDEN") != nullptr;
}

class EveryState : public ::testing::TestWithParam<Shape> {};

TEST_P(EveryState, HasAnExitAndItsProcess) {
  const auto& shape = GetParam();
  Explorer explorer(shape);
  ASSERT_TRUE(explorer.run()) << explorer.violation();
  fmt::print("{:>7} states {:>8} moves, {} of them compared with a second time\n",
             explorer.states(), explorer.moves(), explorer.compared());
  RecordProperty("states", static_cast<int>(explorer.states()));
  RecordProperty("moves", static_cast<int>(explorer.moves()));
  EXPECT_TRUE(explorer.check_exits()) << explorer.violation();
  EXPECT_TRUE(explorer.check_rests()) << explorer.violation();
  // What its own end starts again cannot be told to stop for good.
  if (shape.conditions != Shape::Conditions::StartOnOwn) {
    EXPECT_TRUE(explorer.check_stops()) << explorer.violation();
  }
  if (update_golden()) return;
  Table seen;
  seen.add(explorer);
  EXPECT_EQ(seen.without(Table::golden()), Lines{}) << "not in transitions.txt";
}

INSTANTIATE_TEST_SUITE_P(, EveryState, ::testing::ValuesIn(shapes()),
                         [](const auto& one) { return one.param.name(); });

// That each shape keeps to the table is a part of the test above; this one is for lines that nobody
// needs any more, and to write it anew.
TEST(Table, IsTheGoldenOne) {
  Table seen;
  // Those with most features come last, and show nearly all there is.
  for (const auto& shape : shapes() | std::views::reverse) {
    Explorer explorer(shape);
    ASSERT_TRUE(explorer.run()) << explorer.violation();
    seen.add(explorer);
    if (!update_golden() && Table::golden().without(seen).empty()) break;
  }
  if (update_golden()) seen.make_golden();
  EXPECT_EQ(Table::golden().without(seen), Lines{}) << "in transitions.txt, but never seen";
  EXPECT_EQ(seen.without(Table::golden()), Lines{}) << "not in transitions.txt";
}

// Two paths to one key must have the same future: the search compares them wherever it passes
// twice, and here long walks at random do.
TEST(Key, HoldsAllThatTheFutureDependsOn) {
  for (const auto& shape : shapes() | std::views::reverse | std::views::take(6)) {
    Explorer explorer(shape);
    ASSERT_TRUE(explorer.run()) << explorer.violation();
    EXPECT_TRUE(explorer.compare_random_walks(100, 100, 1)) << explorer.violation();
  }
}

// And that comparison sees it when a part of the key is missing: some parts, those that are found
// quickly.
class KeyWithout : public ::testing::TestWithParam<const char*> {};

TEST_P(KeyWithout, IsFoundOut) {
  const bool found = std::ranges::any_of(shapes(), [](const auto& shape) {
    Explorer explorer(shape, GetParam());
    return !explorer.run() || !explorer.compare_random_walks(100, 100, 1);
  });
  EXPECT_TRUE(found) << "nothing depends on it";
}

INSTANTIATE_TEST_SUITE_P(, KeyWithout,
                         ::testing::Values("job", "successor", "goal", "state", "restarting",
                                           "failed", "held-request", "set-up", "tree-killed"),
                         [](const auto& one) {
                           std::string name(one.param);
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

TEST(Shapes, EveryPairOfFeaturesOccurs) {
  const auto& sizes = feature_sizes();
  for (std::size_t a = 0; a < sizes.size(); ++a) {
    for (std::size_t b = a + 1; b < sizes.size(); ++b) {
      for (int x = 0; x < sizes[a]; ++x) {
        for (int y = 0; y < sizes[b]; ++y) {
          const bool occurs = std::ranges::any_of(shapes(), [&](const auto& shape) {
            const auto values = shape.features();
            return values[a] == x && values[b] == y;
          });
          EXPECT_EQ(occurs, may_meet(a, x, b, y))
              << "feature " << a << " = " << x << ", feature " << b << " = " << y;
        }
      }
    }
  }
}

}  // namespace
}  // namespace upkeep::statespace
