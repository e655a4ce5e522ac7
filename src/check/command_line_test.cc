#include "check/command_line.h"

#include <gtest/gtest.h>

namespace upkeep::check {
namespace {

using Words = std::vector<std::string>;

CommandLine read(const Words& words) {
  return read_command_line(words).value();
}

TEST(CommandLine, Defaults) {
  const auto line = read({"a.conf"});
  EXPECT_EQ(line.action, CommandLine::Action::Check);
  EXPECT_EQ(line.form, CommandLine::Form::Human);
  EXPECT_EQ(line.scripts, CommandLine::Scripts::OfSingleFile);
  EXPECT_FALSE(line.strict);
  EXPECT_TRUE(line.looks_up_accounts);
  EXPECT_EQ(line.operands, Words{"a.conf"});
}

TEST(CommandLine, Ours) {
  const auto line = read({"--json", "a", "--strict", "b", "--scripts", "--no-accounts"});
  EXPECT_EQ(line.form, CommandLine::Form::Json);
  EXPECT_EQ(line.scripts, CommandLine::Scripts::Always);
  EXPECT_TRUE(line.strict);
  EXPECT_FALSE(line.looks_up_accounts);
  EXPECT_EQ(line.operands, (Words{"a", "b"}));
}

TEST(CommandLine, ThoseOfTheOriginalInEverySpelling) {
  for (const auto& file :
       {Words{"-f", "a"}, {"-fa"}, {"--file", "a"}, {"--file=a"}, {"-file", "a"}, {"-file=a"}}) {
    EXPECT_EQ(read(file).operands, Words{"a"}) << file[0];
  }
  EXPECT_EQ(read({"b", "-f", "a", "c"}).operands, (Words{"a", "b", "c"}));
  for (const auto* const option : {"-s", "--noscript", "-noscript"}) {
    EXPECT_EQ(read({option, "a"}).scripts, CommandLine::Scripts::Never) << option;
  }
  for (const auto* const option : {"-h", "--help", "-help"}) {
    EXPECT_EQ(read({option}).action, CommandLine::Action::ShowHelp) << option;
  }
  for (const auto* const option : {"--version", "-version"}) {
    EXPECT_EQ(read({option}).action, CommandLine::Action::ShowVersion) << option;
  }
  EXPECT_EQ(read({"-d", "--debug", "-debug", "-i", "/p", "-initctl-path", "/p", "--initctl-path=/p",
                  "-x", "/p", "-upstart-path=/p", "--upstart-path", "/p", "a"})
                .operands,
            Words{"a"});
}

TEST(CommandLine, UnknownOptionIsAnError) {
  EXPECT_EQ(read_command_line(Words{"--nosuch"}).error().message, "invalid option: --nosuch");
}

TEST(CommandLine, HelpListsEveryOption) {
  for (const auto* const name :
       {"--json", "--strict", "--scripts", "--no-accounts", "--noscript", "--file", "--debug",
        "--initctl-path", "--upstart-path", "--help", "--version"}) {
    EXPECT_NE(help_text().find(name), std::string::npos) << name;
  }
}

}  // namespace
}  // namespace upkeep::check
