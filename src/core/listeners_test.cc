#include "core/listeners.h"

#include <gtest/gtest.h>

#include "base/strings.h"
#include "conf/parser.h"
#include "core/event_operator.h"

namespace upkeep::core {
namespace {

JobClass job(const std::string& name, const std::string& text) {
  auto definition = conf::parse_job(text).value().definition;
  definition.name = name;
  return {"", std::make_shared<const conf::JobDefinition>(std::move(definition))};
}

Event event(const std::string& name, Environment environment = {}) {
  return {1, name, std::move(environment), "", nullptr};
}

/// Whether a job with this condition is found for the event.
bool found(const std::string& text, const std::string& name, Environment environment = {}) {
  auto one = job("job", "start on " + text + "\n");
  Listeners listeners;
  listeners.add(one);
  return !listeners.find(event(name, std::move(environment))).empty();
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
      const auto file = "start on " + text + "\n";
      if (!conf::parse_job(file)) continue;  // a value after KEY=VALUE
      auto one = job("job", file);
      Listeners listeners;
      listeners.add(one);
      for (const auto& environment : environments) {
        auto shown = event("e", environment);
        EventOperator live(one.definition().start_on.get());
        if (!live.handle(shown, {"V=a"})) continue;
        ++matches;
        EXPECT_FALSE(listeners.find(shown).empty()) << text << ", event " << join(environment, " ");
      }
    }
  }
  EXPECT_GT(matches, 300);
}

TEST(Listeners, AreFoundOnceInOrderWithTheirReactions) {
  auto a = job("a", "start on started web or started JOB=web or started w*\n");
  auto b = job("b", "stop on started web\n");
  auto c = job("c", "start on started w*\nstop on started INSTANCE=\n");
  auto d = job("d", "start on started db\nstop on stopping web\n");
  Listeners listeners;
  for (auto* one : {&d, &c, &b, &a}) listeners.add(*one);
  std::string found;
  for (const auto& one : listeners.find(event("started", {"JOB=web", "INSTANCE="}))) {
    found += one.job->name() + (one.starts ? " starts" : "") + (one.stops ? " stops" : "") + ", ";
  }
  EXPECT_EQ(found, "a starts, b stops, c starts stops, ");
}

TEST(Listeners, AreTakenBack) {
  auto a = job("a", "start on started web or started w* or started web\nstop on go\n");
  auto b = job("b", "start on started web\n");
  Listeners listeners;
  listeners.add(a);
  listeners.add(b);
  const auto web = event("started", {"JOB=web"});
  EXPECT_EQ(listeners.find(web).size(), 2U);
  listeners.remove(a);
  EXPECT_EQ(listeners.find(web).size(), 1U);
  listeners.remove(a);  // not there: nothing happens
  listeners.remove(b);
  EXPECT_TRUE(listeners.find(web).empty());
  EXPECT_TRUE(listeners.find(event("go")).empty());
}

}  // namespace
}  // namespace upkeep::core
