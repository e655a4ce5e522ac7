#include "core/listeners.h"

#include <gtest/gtest.h>

#include "base/strings.h"
#include "conf/parser.h"
#include "core/event_operator.h"

namespace upkeep::core {
namespace {

conf::Condition condition(const std::string& text) {
  return conf::parse_job("start on " + text + "\n").value().definition.start_on;
}

/// Whether a job with this condition is found for the event.
bool found(const std::string& text, const std::string& name, Environment environment = {}) {
  Listeners listeners;
  listeners.add("job", condition(text).get());
  return !listeners.find(Event(1, name, std::move(environment))).empty();
}

TEST(Listeners, AreFoundByTheNameOfTheEvent) {
  EXPECT_TRUE(found("a", "a"));
  EXPECT_TRUE(found("a", "a", {"X=1"}));
  EXPECT_FALSE(found("a", "b"));
  EXPECT_TRUE(found("a and (b or c)", "c"));
}

TEST(Listeners, AreFoundByTheValueTheyAskFor) {
  const Environment web{"JOB=web", "INSTANCE="};
  EXPECT_TRUE(found("started web", "started", web));
  EXPECT_FALSE(found("started db", "started", web));
  EXPECT_FALSE(found("started db", "started"));
  EXPECT_TRUE(found("started JOB=web", "started", web));
  EXPECT_FALSE(found("started JOB=db", "started", web));
  EXPECT_TRUE(found("started INSTANCE=", "started", web));
  EXPECT_FALSE(found("started INSTANCE=1", "started", web));
  EXPECT_TRUE(found("started db or started web", "started", web));
  EXPECT_TRUE(found("a K=/dev/tty1", "a", {"X=1", "K=/dev/tty1"}));
}

TEST(Listeners, PatternsAreFoundWhateverTheValue) {  // whether they match is not theirs to say
  for (const auto* pattern : {"w*", "we?", "[vw]eb", "$NAME", "JOB=w*", "JOB!=db", "JOB=$X",
                              "JOB!=web", "!=db", "'w b'"}) {
    EXPECT_TRUE(found(std::string("started ") + pattern, "started", {"JOB=web"})) << pattern;
  }
  EXPECT_TRUE(found("started w* 1", "started", {"JOB=web", "INSTANCE=2"}));
}

TEST(Listeners, OneValueThatMustBeThereIsEnough) {
  EXPECT_FALSE(found("a w* KIND=full", "a", {"JOB=web"}));
  EXPECT_TRUE(found("a w* KIND=full", "a", {"JOB=web", "KIND=full"}));
}

TEST(Listeners, NobodyIsLeftOutWhoseConditionMatches) {
  const std::vector<std::string> arguments{"",    "a",   "b",    "*",      "$V",    "\"\"",  "K=a",
                                           "K=b", "K=",  "K=*",  "K=$V",   "K!=a",  "K!=",   "L=a",
                                           "=a",  "!=a", "a!=b", "K=a!=b", "a=b=c", "K=[ab]"};
  const std::vector<Environment> environments{
      {},     {"K=a"},   {"K=b"},   {"L=a", "K=b"}, {"K=a", "K=b"}, {"K="},
      {"=a"}, {"K=a=b"}, {"a=b=c"}, {"K"},          {"a"},          {"K=$V"}};
  int matches = 0;
  for (const auto& first : arguments) {
    for (const auto& second : arguments) {
      const auto text = "e " + first + " " + second;
      const auto parsed = conf::parse_job("start on " + text + "\n");
      if (!parsed) continue;  // a value after KEY=VALUE
      const auto tree = parsed->definition.start_on;
      Listeners listeners;
      listeners.add("job", tree.get());
      for (const auto& environment : environments) {
        Event event(1, "e", environment);
        EventOperator live(tree.get());
        if (!live.handle(event, {"V=a"})) continue;
        ++matches;
        EXPECT_FALSE(listeners.find(event).empty()) << text << ", event " << join(environment, " ");
      }
    }
  }
  EXPECT_GT(matches, 300);
}

TEST(Listeners, AreTakenBack) {
  Listeners listeners;
  const Event event(1, "started", {"JOB=web"});
  const auto plain = condition("started web or go");
  const auto pattern = condition("started w*");
  for (const auto* job : {"b", "a", "c"}) listeners.add(job, plain.get());
  listeners.add("b", pattern.get());
  EXPECT_EQ(listeners.find(event), (Listeners::Names{"a", "b", "c"}));
  listeners.remove("b", plain.get());
  listeners.remove("b", pattern.get());
  EXPECT_EQ(listeners.find(event), (Listeners::Names{"a", "c"}));
  listeners.remove("b", plain.get());  // not there: nothing happens
  listeners.remove("a", plain.get());
  listeners.remove("c", plain.get());
  listeners.remove("c", plain.get());
  listeners.remove("c", nullptr);
  EXPECT_TRUE(listeners.find(event).empty());
}

}  // namespace
}  // namespace upkeep::core
