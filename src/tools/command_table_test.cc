#include <sstream>

#include <gtest/gtest.h>

#include "tools/command.h"

namespace upkeep::tools {
namespace {

TEST(Commands, HelpListsEachOnceAsCompletionReadsIt) {
  std::istringstream text{list_commands()};
  std::string line;
  std::vector<std::string> listed;
  while (std::getline(text, line)) {
    if (!line.starts_with("  ")) continue;
    EXPECT_NE(line[2], ' ') << line;
    listed.push_back(line.substr(2, line.find(' ', 2) - 2));
  }
  std::vector<std::string> expected;
  for (const auto& command : commands()) expected.emplace_back(command.name);
  EXPECT_EQ(listed, expected);
}

TEST(Commands, AreFoundByWholeName) {
  ASSERT_NE(find_command("status"), nullptr);
  EXPECT_EQ(find_command("status")->name, "status");
  for (const auto* name : {"", "stat", "initctl", "status "}) {
    EXPECT_EQ(find_command(name), nullptr) << name;
  }
}

}  // namespace
}  // namespace upkeep::tools
