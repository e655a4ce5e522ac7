#include "core/event_operator.h"

#include <gtest/gtest.h>

#include "conf/parser.h"
#include "core/event.h"

namespace upkeep::core {
namespace {

/// A condition from the text of `start on`, and what keeps it alive.
struct Condition {
  explicit Condition(const std::string& text)
      : definition(conf::parse_job("start on " + text + "\n").value().definition),
        tree(definition.start_on.get()) {}
  ~Condition() {
    tree.reset([](Event&) {});
  }
  conf::JobDefinition definition;
  EventOperator tree;
};

Event event(std::string name, Environment environment = {}) {
  return Event(1, std::move(name), std::move(environment), "", nullptr);
}

std::string names(const std::vector<Event*>& events) {
  std::string out;
  for (const auto* one : events) out += one->name() + " ";
  return out;
}

bool matches(const std::string& condition, Event one, const Environment& variables = {}) {
  Condition tested(condition);
  return tested.tree.handle(one, variables) && tested.tree.value();
}

TEST(EventOperator, AndNeedsBothInAnyOrder) {
  Condition both("a and b");
  auto a = event("a");
  auto b = event("b");
  EXPECT_TRUE(both.tree.handle(b, {}));
  EXPECT_FALSE(both.tree.value());
  EXPECT_EQ(b.blockers(), 1U);
  EXPECT_TRUE(both.tree.handle(a, {}));
  EXPECT_TRUE(both.tree.value());
  EXPECT_EQ(names(both.tree.matched()), "a b ");  // file order, not order of arrival
}

TEST(EventOperator, ATrueLeafIgnoresFurtherEvents) {
  Condition both("a and b");
  auto first = event("a");
  auto second = event("a");
  EXPECT_TRUE(both.tree.handle(first, {}));
  EXPECT_FALSE(both.tree.handle(second, {}));
  EXPECT_EQ(second.blockers(), 0U);
}

TEST(EventOperator, ALoneHalfContributesNothingButIsReset) {
  Condition condition("(a and b) or c");
  auto a = event("a");
  auto c = event("c");
  condition.tree.handle(a, {});
  condition.tree.handle(c, {});
  ASSERT_TRUE(condition.tree.value());
  EXPECT_EQ(names(condition.tree.matched()), "c ");
  EXPECT_EQ(condition.tree.held().size(), 2U);
  int released = 0;
  condition.tree.reset([&](Event&) { ++released; });
  EXPECT_EQ(released, 2);
  EXPECT_EQ(a.blockers(), 0U);
  EXPECT_FALSE(condition.tree.value());
}

TEST(EventOperator, OneEventMayMatchSeveralLeaves) {
  Condition condition("a X=1 or a Y=2");
  auto a = event("a", {"X=1", "Y=2"});
  condition.tree.handle(a, {});
  EXPECT_EQ(a.blockers(), 2U);
}

TEST(EventOperator, ArgumentsByPositionAndByName) {  // spec/job-language.md 4.3
  const Environment stopped{"JOB=db", "INSTANCE=", "RESULT=failed"};
  EXPECT_TRUE(matches("stopped db", event("stopped", stopped)));
  EXPECT_TRUE(matches("stopped db RESULT=failed", event("stopped", stopped)));
  EXPECT_FALSE(matches("stopped web", event("stopped", stopped)));
  EXPECT_TRUE(matches("stopped JOB!=web", event("stopped", stopped)));
  EXPECT_FALSE(matches("stopped NOSUCH!=web", event("stopped", stopped)));
  EXPECT_FALSE(matches("stopped db \"\\*\" failed too", event("stopped", stopped)));
  EXPECT_TRUE(matches("runlevel [2345]", event("runlevel", {"RUNLEVEL=2"})));
  EXPECT_FALSE(matches("runlevel [2345]", event("runlevel", {"RUNLEVEL=0"})));
  EXPECT_TRUE(matches("runlevel [!2345]", event("runlevel", {"RUNLEVEL=0"})));
  EXPECT_TRUE(matches("a K=*/x", event("a", {"K=.d/y/x"})));  // * matches / and a leading dot
}

TEST(EventOperator, NamesAreNotGlobs) {
  EXPECT_FALSE(matches("a*", event("ab")));
  EXPECT_TRUE(matches("a*", event("a*")));
}

TEST(EventOperator, PatternsAreExpanded) {
  EXPECT_TRUE(matches("a K=$V", event("a", {"K=xyz"}), {"V=x*"}));
  EXPECT_FALSE(matches("a K=$V", event("a", {"K=xyz"})));  // unset: never, and silently
  EXPECT_FALSE(matches("a K!=$V", event("a", {"K=xyz"})));
  EXPECT_TRUE(matches("a K=${V:-1}", event("a", {"K=1"})));
}

TEST(EventOperator, ANullConditionIsNeverTrue) {
  EventOperator never(nullptr);
  EXPECT_TRUE(never.matched().empty());
  auto a = event("a");
  EXPECT_FALSE(never.handle(a, {}));
  EXPECT_FALSE(never.value());
}

}  // namespace
}  // namespace upkeep::core
