#include "base/strings.h"

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

TEST(Environment, SetOfManyIsASetOfEach) {
  Environment environment{"A=1", "B=2", "A=old"};
  set_variables(environment, {"C=3", "A=4", "C=5", "AB=6"});
  EXPECT_EQ(environment, (Environment{"A=4", "B=2", "A=old", "C=5", "AB=6"}));
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

TEST(Strings, SystemErrorText) {
  EXPECT_EQ(system_error_text(2), "No such file or directory");
}

TEST(Strings, DecimalIsStrict) {
  EXPECT_EQ(parse_decimal("10"), 10U);
  for (const auto* bad : {"", " 1", "+1", "-1", "1x", "99999999999999999999999"}) {
    EXPECT_EQ(parse_decimal(bad), std::nullopt) << bad;
  }
}

}  // namespace
}  // namespace upkeep
