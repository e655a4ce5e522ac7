// The second table of spec/job-language.md 8, the rules of 5.2, and the bounds.
#include "conf/expansion.h"

#include <gtest/gtest.h>

namespace upkeep::conf {
namespace {

const Environment kVariables{"A=1", "B=A", "E=", "A B=blank", "1=one", "C=$A", "A=second"};

struct Vector {
  std::string_view text;
  std::string_view expected;  ///< the result, or the beginning of the error
};

std::string expanded(std::string_view text) {
  const auto result = expand(text, kVariables);
  return result ? *result : "error: " + result.error().message;
}

TEST(Expansion, Vectors) {
  const Vector vectors[] = {
      {"$A.$E.$", "1..$"},
      {"${$B}", "1"},
      {"${${B}}", "1"},
      {"$$A", "$1"},
      {"${}A", "$A"},
      {"${E:-d}", "d"},
      {"${E-d}", ""},
      {"${E:+d}", ""},
      {"${E+d}", "d"},
      {"${U:-$A${B}}", "1A"},
      {"${U-}", ""},
      {"${U:-a}b}", "ab}"},
      {"${U:-a:-b}", "a:-b"},
      {"$2", "$2"},
      {"\\$A", "\\1"},
      {"${U:-${}}x", "$x"},
      {"", ""},
      {"plain {}:-+ text", "plain {}:-+ text"},
      {"${1}${A B}", "oneblank"},
      {"$C", "$A"},
      {"${A+$}", "$"},
      {"${U+$A}", ""},
      {"$AB_9", "error: Unknown parameter: AB_9"},
      {"$A-9", "1-9"},
  };
  for (const auto& vector : vectors) EXPECT_EQ(expanded(vector.text), vector.expected);
}

TEST(Expansion, Errors) {
  const Vector errors[] = {
      {"$U", "Unknown parameter: U"},
      {"${2}", "Unknown parameter: 2"},
      {"${A:-$U}", "Unknown parameter: U"},
      {"${A?x}", "Unknown parameter: A?x"},
      {"${A=x}", "Unknown parameter: A=x"},
      {"${#A}", "Unknown parameter: #A"},
      {"${\x1b}", "Unknown parameter: \\x1b"},
      {"${A:=x}", "Bad operator: \":\" must be followed by - or +, found \"=\""},
      {"${A:}", "Bad operator: \":\" must be followed by - or +, found \"}\""},
      {"${A:", "Bad operator: \":\" must be followed by - or +, found the end"},
      {"${A", "Missing closing brace"},
      {"${U", "Missing closing brace"},
      {"${A:-x", "Missing closing brace"},
      {"${A-", "Missing closing brace"},
      {"${U-${A}", "Missing closing brace"},
  };
  for (const auto& error : errors) {
    EXPECT_EQ(expanded(error.text), "error: " + std::string(error.expected));
  }
}

std::string nested(std::size_t depth) {
  std::string text;
  for (std::size_t i = 0; i < depth; ++i) text += "${U-";
  return text + "x" + std::string(depth, '}');
}

TEST(Expansion, NestingIsBounded) {
  EXPECT_EQ(expanded(nested(100)), "x");
  EXPECT_FALSE(expand(nested(101), {}));
  EXPECT_FALSE(expand(nested(1'000'000), {}));
}

TEST(Expansion, OutputIsBounded) {
  const Environment variables{"BIG=" + std::string(1U << 19, 'x')};
  EXPECT_EQ(expand("$BIG$BIG", variables)->size(), 1U << 20);
  EXPECT_FALSE(expand("$BIG$BIG.", variables));
  EXPECT_FALSE(expand("${U-$BIG}${U-$BIG}${BIG+}.", variables));
  EXPECT_FALSE(expand(std::string((1U << 20) + 1, 'x'), {}));
}

/// Neither text that is thrown away nor a long list of variables may make it slow.
TEST(Expansion, WorkIsBounded) {
  Environment variables(300'000, "V=x");
  variables.push_back("BIG=" + std::string(1U << 19, 'x'));
  std::string text;
  for (int i = 0; i < 300'000; ++i) text += "${W-}";
  EXPECT_EQ(expand(text, variables), "");
  text.clear();
  for (int i = 0; i < 100'000; ++i) text += "${V+}${W+$BIG}";
  EXPECT_FALSE(expand(text, variables));
}

}  // namespace
}  // namespace upkeep::conf
