#include "os/command_line.h"

#include <gtest/gtest.h>

namespace upkeep::os {
namespace {

using Words = std::vector<std::string>;

CommandLine exec(const std::string& text) {
  return command_line({conf::Command::Form::Exec, text});
}
CommandLine script(const std::string& text) {
  return command_line({conf::Command::Form::Script, text});
}

Words shell(std::string text) {
  return {"/bin/sh", "-e", "-c", std::move(text), "/bin/sh"};
}

TEST(CommandLine, PlainExecIsSplitAtBlanks) {
  const auto line = exec("  /usr/sbin/foo\t-d \r\n --port  80 ");
  EXPECT_EQ(line.arguments, (Words{"/usr/sbin/foo", "-d", "--port", "80"}));
  EXPECT_FALSE(line.script);
}

TEST(CommandLine, EachShellCharacterNeedsTheShell) {
  for (const char character : std::string("~`!$^&*()=|\\{}[];\"'<>?")) {
    const auto text = std::string("foo a") + character + "b";
    EXPECT_EQ(exec(text).arguments, shell("exec " + text)) << character;
  }
}

TEST(CommandLine, NoOtherPrintableCharacterNeedsTheShell) {
  int direct = 0;
  for (char character = '!'; character <= '~'; ++character) {
    if (exec(std::string("foo ") + character).arguments.size() == 2) ++direct;
  }
  EXPECT_EQ(direct, 94 - 22);
  EXPECT_EQ(exec("foo #b %c d,e +f @g h:i").arguments.size(), 7U);
}

TEST(CommandLine, ExecOfTheShellIsAlwaysOneArgument) {
  EXPECT_EQ(exec("A=1 foo\nbar").arguments, shell("exec A=1 foo\nbar"));
  EXPECT_FALSE(exec("A=1 foo\nbar").script);
}

TEST(CommandLine, CommandOfBlanksHasAProgramThatDoesNotExist) {
  EXPECT_EQ(exec(" \t ").arguments, Words{""});
}

TEST(CommandLine, OneLineScriptIsAnArgument) {
  EXPECT_EQ(script("echo hello").arguments, shell("echo hello"));
  EXPECT_EQ(script("echo hello\n\n\n").arguments, shell("echo hello"));
  EXPECT_FALSE(script("echo hello\n").script);
}

TEST(CommandLine, EmptyScriptIsOneLine) {
  EXPECT_EQ(script("").arguments, shell(""));
  EXPECT_EQ(script("\n\n").arguments, shell(""));
}

TEST(CommandLine, LongerScriptIsFed) {
  const auto line = script("one\ntwo\n\n");
  EXPECT_EQ(line.arguments, (Words{"/bin/sh", "-e", "/proc/self/fd/9"}));
  EXPECT_EQ(line.script, "exec 9<&-\none\ntwo\n\n");
}

TEST(CommandLine, EmptyFirstLineMakesTheScriptLonger) {
  EXPECT_EQ(script("\necho").script, "exec 9<&-\n\necho");
  EXPECT_EQ(script("\n echo").arguments.size(), 3U);
}

}  // namespace
}  // namespace upkeep::os
