#include "base/json.h"

#include <limits>

#include <gtest/gtest.h>

namespace upkeep {
namespace {

using namespace std::string_literals;

std::string json(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

TEST(JsonString, PlainTextStaysAsItIs) {
  EXPECT_EQ(json(""), R"("")");
  EXPECT_EQ(json("exec /bin/a --b 'c' $D <>&/"), R"("exec /bin/a --b 'c' $D <>&/")");
}

TEST(JsonString, WhatJsonReservesIsEscaped) {
  EXPECT_EQ(json("a\"b\\c"), R"("a\"b\\c")");
  EXPECT_EQ(json("\b\f\n\r\t"), R"("\b\f\n\r\t")");
  EXPECT_EQ(json("\0\x01\x1b\x1f\x7f"s), R"("\u0000\u0001\u001b\u001f\u007f")");
}

TEST(JsonString, Utf8StaysAsItIs) {
  EXPECT_EQ(json("ä€𝄞"), "\"ä€𝄞\"");
  EXPECT_EQ(json("\u00a0\u2027\u202a\ufeff"), "\"\u00a0\u2027\u202a\ufeff\"");
}

TEST(JsonString, LineEndsOfUnicodeAreEscaped) {
  EXPECT_EQ(json("a\u0085b\u2028c\u2029d"), R"("a\u0085b\u2028c\u2029d")");
}

// The expected texts are what json.dumps(os.fsdecode(bytes)) of Python gives.
TEST(JsonString, OtherBytesBecomeLoneSurrogates) {
  EXPECT_EQ(json("\xff"), R"("\udcff")");
  EXPECT_EQ(json("a\x80z"), R"("a\udc80z")");
  EXPECT_EQ(json("\xc3"), R"("\udcc3")");            // cut off
  EXPECT_EQ(json("\xe2\x82"), R"("\udce2\udc82")");  // cut off
  EXPECT_EQ(json("\xe2\x82x"), R"("\udce2\udc82x")");
  EXPECT_EQ(json("\xc0\xaf"), R"("\udcc0\udcaf")");            // overlong
  EXPECT_EQ(json("\xed\xa0\x80"), R"("\udced\udca0\udc80")");  // a surrogate
  EXPECT_EQ(json("\xf4\x90\x80\x80"), R"("\udcf4\udc90\udc80\udc80")");
}

TEST(JsonWriter, PutsCommasBetween) {
  std::string out;
  JsonWriter writer(out);
  writer.begin_object();
  writer.member("a", 1);
  writer.member("b", "x");
  writer.key("c");
  writer.begin_array();
  writer.begin_object();
  writer.end_object();
  writer.begin_array();
  writer.end_array();
  writer.value(true);
  writer.value(false);
  writer.end_array();
  writer.member("d", std::vector<std::string>{"p", "q"});
  writer.member("e", std::vector<int>{});
  writer.end_object();
  EXPECT_EQ(out, R"({"a":1,"b":"x","c":[{},[],true,false],"d":["p","q"],"e":[]})");
}

TEST(JsonWriter, NumbersAreWhole) {
  std::string out;
  JsonWriter writer(out);
  writer.begin_array();
  writer.value(std::numeric_limits<std::int64_t>::min());
  writer.value(std::numeric_limits<std::uint64_t>::max());
  writer.value(-1);
  writer.end_array();
  EXPECT_EQ(out, "[-9223372036854775808,18446744073709551615,-1]");
}

TEST(JsonWriter, Appends) {
  std::string out = "before ";
  JsonWriter(out).value("x");
  EXPECT_EQ(out, "before \"x\"");
}

}  // namespace
}  // namespace upkeep
