#include "tools/condition.h"

#include <set>

#include <gtest/gtest.h>

namespace upkeep::tools {
namespace {

ConditionTree tree(const client::Condition& condition) {
  auto made = ConditionTree::create(condition);
  EXPECT_TRUE(made) << made.error().message;
  return std::move(*made);
}

TEST(Condition, TextIsFullyParenthesised) {
  EXPECT_EQ(tree({{"runlevel", "[2345]"}}).text(), "runlevel [2345]");
  EXPECT_EQ(tree({{"a"}, {"b", "X=1"}, {"/OR"}, {"c"}, {"/OR"}}).text(), "((a or b X=1) or c)");
  EXPECT_EQ(tree({{"a"}, {"b"}, {"c"}, {"/AND"}, {"/OR"}}).text(), "(a or (b and c))");
  EXPECT_EQ(tree({}).text(), "");
}

TEST(Condition, DeepConditionsDoNoHarm) {
  client::Condition deep{{"a"}};
  for (int i = 0; i < 100000; ++i) {
    deep.push_back({"a"});
    deep.push_back({"/OR"});
  }
  const auto made = tree(deep);
  EXPECT_EQ(made.text().size(), 100000U * 7 + 1);
  EXPECT_TRUE(made.impossible([](const auto&) { return true; }, ConditionTree::Or::Both).empty());
}

TEST(Condition, MalformedOnesAreRefused) {
  EXPECT_FALSE(ConditionTree::create({{"/AND"}}));
  EXPECT_FALSE(ConditionTree::create({{"a"}, {"/OR"}}));
  EXPECT_FALSE(ConditionTree::create({{"a"}, {"b"}}));
  EXPECT_FALSE(ConditionTree::create({{}}));
}

TEST(Condition, LeavesAreAsWritten) {
  const auto leaves =
      tree({{"starting", "db", "X=1"}, {"up"}, {"/OR"}, {"stopping", "JOB=db"}, {"/AND"}}).leaves();
  ASSERT_EQ(leaves.size(), 3U);
  EXPECT_EQ(leaves[0].event, "starting");
  EXPECT_EQ(leaves[0].arguments, (std::vector<std::string>{"db", "X=1"}));
  EXPECT_TRUE(leaves[1].arguments.empty());
  EXPECT_EQ(leaves[2].arguments, std::vector<std::string>{"JOB=db"});
}

TEST(Condition, JobEventsNameAJob) {
  const auto positional = read_operand({"stopped", "db", "RESULT=ok"});
  EXPECT_EQ(positional.job, "db");
  EXPECT_EQ(positional.arguments, std::vector<std::string>{"RESULT=ok"});
  const auto named = read_operand({"started", "INSTANCE=1", "JOB=db", "JOB=x"});
  EXPECT_EQ(named.job, "db");
  EXPECT_EQ(named.arguments, (std::vector<std::string>{"INSTANCE=1", "JOB=x"}));
  EXPECT_EQ(read_operand({"started", "JOB!=db"}).job, std::nullopt);
  EXPECT_EQ(read_operand({"runlevel", "2"}).job, std::nullopt);
}

/// Names of what is reported, in order; everything in `known` is possible.
std::vector<std::string> report(const client::Condition& condition,
                                const std::set<std::string>& known,
                                ConditionTree::Or rule = ConditionTree::Or::Either) {
  std::vector<std::string> names;
  const auto name = [](const EventOperand& operand) { return operand.job.value_or(operand.event); };
  for (const auto& operand : tree(condition).impossible(
           [&](const EventOperand& one) { return known.contains(name(one)); }, rule)) {
    names.push_back(name(operand));
  }
  return names;
}

TEST(Condition, NestedImpossibleAndIsReportedRightToLeft) {
  // The example of spec/control.md 2.9.
  const client::Condition condition{{"starting", "mountall"},
                                    {"runlevel"},
                                    {"stopped", "gdm"},
                                    {"stopped", "kdm"},
                                    {"/OR"},
                                    {"/AND"},
                                    {"/OR"}};
  EXPECT_EQ(report(condition, {"mountall", "runlevel"}), (std::vector<std::string>{"kdm", "gdm"}));
  EXPECT_EQ(report(condition, {"mountall", "runlevel", "gdm"}), std::vector<std::string>{});
  EXPECT_EQ(report(condition, {"mountall", "runlevel", "gdm"}, ConditionTree::Or::Both),
            std::vector<std::string>{"kdm"});
  EXPECT_EQ(report(condition, {}),
            (std::vector<std::string>{"kdm", "gdm", "runlevel", "mountall"}));
}

TEST(Condition, OnlyTheFirstFalseOperatorIsReported) {
  const client::Condition condition{{"a"},    {"b"},   {"/AND"}, {"c"},  {"d"},
                                    {"/AND"}, {"/OR"}, {"e"},    {"/OR"}};
  EXPECT_EQ(report(condition, {"e"}), (std::vector<std::string>{"d", "c", "b", "a"}));
  EXPECT_EQ(report(condition, {"e", "a", "b"}), (std::vector<std::string>{"d", "c"}));
}

TEST(Condition, NothingIsReportedAfterTheFirst) {
  const client::Condition condition{{"e"}, {"a"}, {"b"},    {"/AND"}, {"/OR"},
                                    {"c"}, {"d"}, {"/AND"}, {"/OR"}};
  EXPECT_EQ(report(condition, {"e"}), (std::vector<std::string>{"d", "c"}));
}

TEST(Condition, SingleEvent) {
  EXPECT_EQ(report({{"a"}}, {}), std::vector<std::string>{"a"});
  EXPECT_EQ(report({{"a"}}, {"a"}), std::vector<std::string>{});
  EXPECT_EQ(report({}, {}), std::vector<std::string>{});
}

}  // namespace
}  // namespace upkeep::tools
