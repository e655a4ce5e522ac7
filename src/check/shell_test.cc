#include "check/shell.h"

#include <filesystem>

#include <gtest/gtest.h>

namespace upkeep::check {
namespace {

TEST(Shell, AcceptsWhatItCanRead) {
  EXPECT_EQ(find_shell_error(""), std::nullopt);
  EXPECT_EQ(find_shell_error("if true; then\n  exec a\nfi\n"), std::nullopt);
  EXPECT_EQ(find_shell_error("nosuchprogram \xff\n"), std::nullopt);
}

TEST(Shell, SaysWhatIsWrong) {
  const auto error = find_shell_error("true\nif true; then\n");
  ASSERT_TRUE(error);
  EXPECT_NE(error->find("yntax error"), std::string::npos) << *error;
  EXPECT_TRUE(error->ends_with('\n'));
}

TEST(Shell, RunsNothing) {
  const auto file = std::filesystem::temp_directory_path() / "upkeep-shell-test";
  std::filesystem::remove(file);
  EXPECT_EQ(find_shell_error("touch " + file.native() + "\n: $(touch " + file.native() + ")\n"),
            std::nullopt);
  EXPECT_FALSE(std::filesystem::exists(file));
}

TEST(Shell, WhatItSaysIsPrintableAndBounded) {
  const auto error = find_shell_error("case \x1b[31m" + std::string(100'000, 'x') + ")\n");
  ASSERT_TRUE(error);
  EXPECT_EQ(error->find('\x1b'), std::string::npos);
  EXPECT_LT(error->size(), 40'000U);
}

TEST(Shell, TakesLargeScripts) {
  std::string script;
  while (script.size() < (4U << 20)) script += "echo a line of a long script\n";
  EXPECT_EQ(find_shell_error(script), std::nullopt);
}

TEST(Shell, MayItselfFail) {
  // As deep as this, some shells refuse it and some do not survive; none may hold us up.
  const auto error = find_shell_error(std::string(1'000'000, '('));
  EXPECT_TRUE(error);
  EXPECT_FALSE(error->empty());
}

}  // namespace
}  // namespace upkeep::check
