// Every state that one job can reach: none without an exit, none running without its process.
#include <algorithm>

#include "statespace/explorer.h"
#include "statespace/shape.h"
#include <fmt/format.h>
#include <gtest/gtest.h>

namespace upkeep::statespace {
namespace {

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
}

INSTANTIATE_TEST_SUITE_P(, EveryState, ::testing::ValuesIn(shapes()),
                         [](const auto& one) { return one.param.name(); });

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
