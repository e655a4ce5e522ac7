// Conditions by themselves: grouping, and that sharing and destroying trees is safe.
#include "conf/expression.h"

#include <gtest/gtest.h>

#include "conf/parser.h"
#include "conf/test_support.h"

namespace upkeep::conf {
namespace {

std::string parsed(std::string_view text) {
  Lexer lexer(text);
  const auto tree = parse_expression(lexer, "start on");
  return tree ? show(tree) : std::string(to_string(lexer.recover().kind));
}

TEST(Expression, OperatorsAreEqualAndAssociateToTheLeft) {
  EXPECT_EQ(parsed("a and b or c and d"), "(((a and b) or c) and d)");
  EXPECT_EQ(parsed("a and (b or (c and d)) or e"), "((a and (b or (c and d))) or e)");
  EXPECT_EQ(parsed("((a or b)) and (((c)))"), "((a or b) and c)");
}

TEST(Expression, OnlyBareLowerCaseWordsAreOperators) {
  EXPECT_EQ(parsed("a AND Or 'or' \"and\" X=and \\and"), "PositionalAfterNamed");
  EXPECT_EQ(parsed("a AND Or 'or' \"and\" \\and X=and"), "a[AND|Or|or|and|\\and|X=and]");
  EXPECT_EQ(parsed("\"and\" and 'or'"), "(and and or)");
}

TEST(Expression, ArgumentsBelongToTheEventBeforeThem) {
  EXPECT_EQ(parsed("a 1 K=2 L!=3 and b 4"), "(a[1|K=2|L!=3] and b[4])");
  EXPECT_EQ(parsed("a K=1 and b 2"), "(a[K=1] and b[2])");
}

TEST(Expression, EndsWithTheLineOutsideParenthesesOnly) {
  Lexer lexer("(a\n  or b) # c\nnext");
  EXPECT_EQ(show(parse_expression(lexer, "start on")), "(a or b)");
  EXPECT_EQ(lexer.position().line, 2);
}

TEST(Condition, IsEqualToWhatSaysTheSame) {
  const auto condition = [](std::string_view text) {
    Lexer lexer(text);
    return parse_expression(lexer, "start on");
  };
  EXPECT_EQ(condition("a x and (b or c)"), condition("( a 'x' ) and ((b) or c)"));
  EXPECT_EQ(Condition(), Condition());
  EXPECT_NE(condition("a"), Condition());
  for (const std::string_view other : {"a x and (b or d)", "a x and b or c", "a x or (b or c)",
                                       "a y and (b or c)", "a x y", "a"}) {
    EXPECT_NE(condition("a x and (b or c)"), condition(other)) << other;
  }
}

TEST(Expression, DeepTreesBuildAndVanish) {
  std::string text = "e";
  for (int i = 0; i < kMaxExpressionDepth; ++i) text += " and (e";
  text += std::string(static_cast<std::size_t>(kMaxExpressionDepth), ')');
  EXPECT_NE(parsed(text), "TooDeep");
}

}  // namespace
}  // namespace upkeep::conf
