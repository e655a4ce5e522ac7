#include "base/strings.h"

#include <chrono>
#include <string>

#include <gtest/gtest.h>

namespace upkeep {
namespace {

TEST(Environment, FindsByWholeName) {
  const Environment environment{"FOO=1", "FOOBAR=2=3", "EMPTY="};
  EXPECT_EQ(find_variable(environment, "FOOBAR"), "2=3");
  EXPECT_EQ(find_variable(environment, "FOO"), "1");
  EXPECT_EQ(find_variable(environment, "EMPTY"), "");
  EXPECT_EQ(find_variable(environment, "FO"), std::nullopt);
}

TEST(Environment, SetKeepsPlaceOfExistingName) {
  Environment environment{"A=1", "B=2"};
  set_variable(environment, "A=9");
  set_variable(environment, "C=3");
  EXPECT_EQ(environment, (Environment{"A=9", "B=2", "C=3"}));
}

TEST(Environment, ManyAreSetAsOneByOne) {
  Environment environment{"A=1", "AB=2"};
  set_variables(environment, {"AB=3", "C=4", "C=5", "A=", "D"});
  EXPECT_EQ(environment, (Environment{"A=", "AB=3", "C=5", "D"}));
}

TEST(Environment, SettingVeryManyTakesNoTime) {
  Environment many;
  for (int i = 0; i < 300'000; ++i) many.push_back(std::to_string(i) + "=");
  const auto start = std::chrono::steady_clock::now();
  Environment environment;
  set_variables(environment, many);
  EXPECT_EQ(environment, many);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(10));
}

TEST(Environment, UnsetComparesWholeNames) {
  Environment environment{"FOO=1", "FOOBAR=2"};
  unset_variable(environment, "FOOBAR");  // runtime.md Q10: FOO must stay
  EXPECT_EQ(environment, Environment{"FOO=1"});
}

TEST(Strings, SplitKeepsEmptyParts) {
  EXPECT_EQ(split("a::b", ':'), (std::vector<std::string_view>{"a", "", "b"}));
  EXPECT_EQ(split("", ':'), std::vector<std::string_view>{""});
}

TEST(Strings, PrintableEscapesWhatATerminalWouldObey) {
  EXPECT_EQ(printable("caf\xC3\xA9"), "caf\xC3\xA9");
  EXPECT_EQ(printable("\x1b[2J\n\xff"), "\\x1b[2J\\x0a\\xff");
  EXPECT_EQ(printable("\xC2\x9B"), "\\xc2\\x9b");
  EXPECT_EQ(printable("\xE2\x82"), "\\xe2\\x82");
}

TEST(Strings, DecimalIsStrict) {
  EXPECT_EQ(parse_decimal("10"), 10U);
  for (const auto* bad : {"", " 1", "+1", "-1", "1x", "99999999999999999999999"}) {
    EXPECT_EQ(parse_decimal(bad), std::nullopt) << bad;
  }
}

}  // namespace
}  // namespace upkeep
