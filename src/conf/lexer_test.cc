// The cursor: places, blanks, tokens of each kind, blocks.
#include "conf/lexer.h"

#include <gtest/gtest.h>

namespace upkeep::conf {
namespace {

std::string read_one(std::string_view text, TokenKind kind) {
  Lexer lexer(text);
  const auto token = lexer.read(kind);
  return token ? token->text : "failed: " + lexer.recover().message;
}

TEST(Lexer, CountsLinesAndColumns) {
  Lexer lexer("ab \\\n\t cd # x\nef");
  ASSERT_TRUE(lexer.read(TokenKind::Word));
  EXPECT_EQ(lexer.position().column, 3);
  lexer.skip_blanks();
  EXPECT_EQ(lexer.position().line, 2);
  EXPECT_EQ(lexer.position().column, 3);
  EXPECT_EQ(lexer.peek_word(), "cd");
  lexer.finish_line();
  EXPECT_EQ(lexer.position().line, 3);
  EXPECT_EQ(lexer.position().column, 1);
  lexer.finish_line();
  EXPECT_TRUE(lexer.at_end());
}

TEST(Lexer, KindsDifferInDelimitersAndQuotes) {
  constexpr std::string_view text = "a\"(b\"(c d#e";
  EXPECT_EQ(read_one(text, TokenKind::Word), "a\"(b\"(c");
  EXPECT_EQ(read_one(text, TokenKind::Argument), "a(b(c");
  EXPECT_EQ(read_one(text, TokenKind::EventWord), "a\"(b\"");
  EXPECT_EQ(read_one(text, TokenKind::EventArgument), "a(b");
  EXPECT_EQ(read_one(text, TokenKind::Command), "a\"(b\"(c d");
}

TEST(Lexer, BackslashesStayInRawTokens) {
  EXPECT_EQ(read_one("a\\ b\\\\c\\d", TokenKind::Word), "a\\ b\\\\c\\d");
  EXPECT_EQ(read_one("a\\ b\\\\c\\d", TokenKind::Argument), "a b\\c\\d");
  EXPECT_EQ(read_one("\"a \\$x\"", TokenKind::Argument), "a \\$x");  // not displaced
}

TEST(Lexer, PeekingDoesNotMove) {
  Lexer lexer("and b");
  EXPECT_EQ(lexer.peek_event_word()->text, "and");
  EXPECT_EQ(lexer.position().column, 1);
}

TEST(Lexer, BlockLosesTheIndentThatAllLinesShare) {
  const auto block = [](std::string_view text) {
    Lexer lexer(text);
    return lexer.read_block({}).value_or("failed");
  };
  EXPECT_EQ(block("end script"), "");
  EXPECT_EQ(block("  \t a\n  \tb\n   \n  \tend script\n"), "\t a\n\tb\n \n");
  EXPECT_EQ(block("\ta\n b\nend script"), "\ta\n b\n");
  EXPECT_EQ(block(" a\n b"), "failed");
  EXPECT_EQ(block(" a\n end  \t script \r# b"), "a\n");
}

TEST(Lexer, FirstFailureStays) {
  Lexer lexer("'");
  EXPECT_FALSE(lexer.read(TokenKind::Word));
  EXPECT_FALSE(lexer.fail(DiagnosticKind::BadNice, {9, 9}, "later"));
  EXPECT_EQ(lexer.recover().kind, DiagnosticKind::OpenQuote);
}

TEST(Quoted, IsBoundedAndPrintable) {
  EXPECT_EQ(quoted_word("a\n"), "\"a\\x0a\"");
  EXPECT_EQ(quoted_word(std::string(41, 'x')), "\"" + std::string(40, 'x') + "...\"");
}

}  // namespace
}  // namespace upkeep::conf
