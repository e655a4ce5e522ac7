#include "core/cause.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace upkeep::core {
namespace {

using Lines = std::vector<std::string>;

CausePtr chain_of(std::size_t events) {
  auto cause = Cause::create(Cause::Command{Verb::Start, "a", Caller{0, 17}}, TimePoint{});
  for (std::size_t i = 1; i <= events; ++i) {
    auto title = fmt::format("j{}", i);
    cause = Cause::create(Cause::JobEvent{"started", title, title}, TimePoint{}, std::move(cause));
  }
  return cause;
}

TEST(Cause, LeadsBackToTheFirst) {
  const auto cause = Cause::create(
      Cause::ProcessEnded{
          "web (x)", ProcessType::Main, {.exit_signal = 11}, Cause::Verdict::Failed},
      TimePoint{}, chain_of(2));
  EXPECT_EQ(explain(cause),
            (Lines{"web (x) main process killed by signal SEGV, a failure", "event started of j2",
                   "event started of j1", "start of a requested by uid 0, pid 17"}));
  EXPECT_EQ(cause->depth(), 3U);
  EXPECT_EQ(cause->first().text(), "start of a requested by uid 0, pid 17");
}

TEST(Cause, IsTold) {
  const auto text = [](Cause::What what) { return Cause::create(std::move(what), {})->text(); };
  EXPECT_EQ(text(Cause::Command{Verb::Restart, "a", std::nullopt}), "restart of a requested");
  EXPECT_EQ(text(Cause::Emission{"startup", std::nullopt}), "event startup emitted");
  EXPECT_EQ(text(Cause::Emission{"net-up", Caller{1, 2}}), "event net-up emitted by uid 1, pid 2");
  EXPECT_EQ(text(Cause::EventFailed{"net-up/failed"}), "event net-up/failed");
  EXPECT_EQ(text(Cause::Condition{"a b"}), "events a b");
  EXPECT_EQ(text(Cause::ProcessEnded{"a", ProcessType::Main, {.exit_status = 0}, {}}),
            "a main process exited with status 0");
  EXPECT_EQ(text(Cause::ProcessEnded{"a", ProcessType::Main, {}, Cause::Verdict::Respawned}),
            "a main process vanished, respawned");
  EXPECT_EQ(text(Cause::ProcessEnded{
                "a", ProcessType::Main, {.exit_status = 1}, Cause::Verdict::RespawnLimit}),
            "a main process exited with status 1, respawn limit reached");
  EXPECT_EQ(text(Cause::SpawnFailed{"a", ProcessType::PreStart, "no such file"}),
            "a pre-start process could not be started: no such file");
  EXPECT_EQ(text(Cause::KillTimeout{"a"}), "a main process did not end in time and was killed");
  EXPECT_EQ(text(Cause::DefinitionChanged{"a"}), "definition of a changed");
  EXPECT_EQ(text(Cause::SessionEnded{Caller{1, 2}}),
            "end of the session requested by uid 1, pid 2");
}

TEST(Cause, ChainIsBoundedAndKeepsBothEnds) {
  constexpr std::size_t kEvents = 100'000;
  const auto cause = chain_of(kEvents);
  EXPECT_EQ(cause->depth(), kEvents);
  const auto lines = explain(cause);
  EXPECT_LE(lines.size(), Cause::kLongestChain + 1);
  EXPECT_EQ(lines.front(), "event started of j100000");
  EXPECT_EQ(lines.back(), "start of a requested by uid 0, pid 17");
  EXPECT_EQ(cause->first().text(), lines.back());

  // What is left out is counted: the lines, and those left out, are all there were.
  std::size_t left_out = 0;
  std::size_t links = 0;
  for (const auto* link = cause.get(); link != nullptr; link = link->previous().get()) {
    if (const auto* skipped = std::get_if<Cause::Skipped>(&link->what())) {
      left_out += skipped->links;
    } else {
      ++links;
    }
  }
  EXPECT_EQ(links + left_out, kEvents + 1);
}

TEST(Cause, EndOfAProcessAsANumber) {
  EXPECT_EQ((ProcessEnd{.exit_status = 3}).encoded(), 3);
  EXPECT_EQ((ProcessEnd{.exit_signal = 15}).encoded(), 15 << 8);
  EXPECT_EQ(ProcessEnd{}.encoded(), -1);
}

}  // namespace
}  // namespace upkeep::core
