#include "control/wire_text.h"

#include <gtest/gtest.h>

namespace upkeep::control {
namespace {

TEST(WireText, KeepsGoodTextWithItsControlCharacters) {
  const std::string good = "caf\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80\n\tx";
  EXPECT_EQ(wire_text(good), good);
}

TEST(WireText, ReplacesWhatCannotBeSent) {
  const std::string mark = "\xEF\xBF\xBD";
  EXPECT_EQ(wire_text("caf\xE9!"), "caf" + mark + "!");                 // Latin-1
  EXPECT_EQ(wire_text("\xC0\xAF"), mark + mark);                        // overlong
  EXPECT_EQ(wire_text("\xED\xA0\x80"), mark + mark + mark);             // surrogate
  EXPECT_EQ(wire_text("\xF4\x90\x80\x80"), mark + mark + mark + mark);  // beyond U+10FFFF
  EXPECT_EQ(wire_text("\xE2\x82"), mark + mark);                        // cut short
  EXPECT_EQ(wire_text(std::string_view{"a\0b", 3}), "a" + mark + "b");
}

}  // namespace
}  // namespace upkeep::control
