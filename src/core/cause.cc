#include "core/cause.h"

#include <ranges>

#include <fmt/format.h>

#include "base/signals.h"

namespace upkeep::core {
namespace {

/// Links kept when a chain is shortened, besides the first cause.
constexpr std::size_t kKept = Cause::kLongestChain / 2;

std::string by(const std::optional<Caller>& caller) {
  return caller ? fmt::format(" by uid {}, pid {}", caller->uid, caller->pid) : std::string{};
}

std::string ending(const ProcessEnd& end) {
  if (end.exit_status) return fmt::format("exited with status {}", *end.exit_status);
  if (end.exit_signal) return fmt::format("killed by signal {}", signal_name(*end.exit_signal));
  return "vanished";
}

struct Text {
  std::string operator()(const Cause::Command& one) const {
    return fmt::format("{} of {} requested{}", to_string(one.verb), one.instance, by(one.caller));
  }
  std::string operator()(const Cause::Emission& one) const {
    return fmt::format("event {} emitted{}", one.event, by(one.caller));
  }
  std::string operator()(const Cause::JobEvent& one) const {
    return fmt::format("event {} of {}", one.event, one.instance);
  }
  std::string operator()(const Cause::EventFailed& one) const {
    return fmt::format("event {}", one.event);
  }
  std::string operator()(const Cause::Condition& one) const {
    return fmt::format("events {}", one.events);
  }
  std::string operator()(const Cause::ProcessEnded& one) const {
    auto text = fmt::format("{} {} process {}", one.instance, conf::to_string(one.process),
                            ending(one.end));
    switch (one.verdict) {
      case Cause::Verdict::Finished: return text;
      case Cause::Verdict::Respawned: return text + ", respawned";
      case Cause::Verdict::RespawnLimit: return text + ", respawn limit reached";
      case Cause::Verdict::Failed: return text + ", a failure";
    }
    return text;
  }
  std::string operator()(const Cause::SpawnFailed& one) const {
    return fmt::format("{} {} process could not be started: {}", one.instance,
                       conf::to_string(one.process), one.reason);
  }
  std::string operator()(const Cause::KillTimeout& one) const {
    return fmt::format("{} {} did not end in time and {} killed", one.instance,
                       one.main ? "main process" : "processes left behind",
                       one.main ? "was" : "were");
  }
  std::string operator()(const Cause::NotReady& one) const {
    return fmt::format("{} main process was not ready in time: {}", one.instance, one.lacking);
  }
  std::string operator()(const Cause::WatchdogExpired& one) const {
    return fmt::format("{} main process gave no sign of life", one.instance);
  }
  std::string operator()(const Cause::DefinitionChanged& one) const {
    return fmt::format("definition of {} changed", one.job);
  }
  std::string operator()(const Cause::SessionEnded& one) const {
    return fmt::format("end of the session requested{}", by(one.caller));
  }
  std::string operator()(const Cause::Skipped& one) const {
    return fmt::format("... {} more", one.links);
  }
};

}  // namespace

int ProcessEnd::encoded() const {
  if (exit_status) return *exit_status;
  return exit_signal ? *exit_signal << 8 : -1;
}

Cause::Cause(Private /*create() only*/, What what, TimePoint when, CausePtr previous)
    : what_(std::move(what)), when_(when), previous_(std::move(previous)) {
  if (!previous_) return;
  first_ = &previous_->first();
  links_ = previous_->links_ + 1;
  const auto* skipped = std::get_if<Skipped>(&what_);
  depth_ = previous_->depth_ + (skipped != nullptr ? skipped->links : 1);
}

CausePtr Cause::create(What what, TimePoint when, CausePtr previous) {
  if (previous && previous->links_ + 1 >= kLongestChain) previous = shorten(previous);
  return std::make_shared<Cause>(Private{}, std::move(what), when, std::move(previous));
}

/// The newest links, then how many are left out, then the first cause.
CausePtr Cause::shorten(const CausePtr& chain) {
  std::vector<const Cause*> newest;
  auto link = chain;
  while (newest.size() < kKept) {
    newest.push_back(link.get());
    link = link->previous_;
  }
  const auto left_out = link->depth_;
  const auto when = link->when_;
  while (link->previous_) link = link->previous_;
  auto copy = std::make_shared<Cause>(Private{}, Skipped{left_out}, when, link);
  for (const auto* one : std::views::reverse(newest)) {
    copy = std::make_shared<Cause>(Private{}, one->what_, one->when_, std::move(copy));
  }
  return copy;
}

std::string Cause::text() const {
  return std::visit(Text{}, what_);
}

std::vector<std::string> explain(const CausePtr& cause) {
  std::vector<std::string> lines;
  for (const auto* link = cause.get(); link != nullptr; link = link->previous().get()) {
    lines.push_back(link->text());
  }
  return lines;
}

}  // namespace upkeep::core
