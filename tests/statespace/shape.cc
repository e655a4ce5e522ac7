#include "statespace/shape.h"

#include <array>
#include <cstdlib>

#include <fmt/format.h>

#include "base/strings.h"
#include "conf/parser.h"

namespace upkeep::statespace {
namespace {

using Names = std::vector<std::string>;

/// The word for each value of each feature; an empty one is left out of the name of a shape.
const std::vector<Names>& words() {
  static const std::vector<Names> kWords{
      {"Service", "Task"},
      {"NoMain", "", "ExpectStop", "ExpectFork", "ExpectDaemon", "ExpectAuto", "ExpectNotify"},
      {"", "RespawnOnce", "RespawnAlways"},
      {"", "Tmpfiles"},
      {"", "PreStart"},
      {"", "PostStart"},
      {"", "PreStop"},
      {"", "PostStop"},
      {"", "KillAtOnce"},
      {"", "NormalExit"},
      {"", "KillTree"},
      {"", "Timeout"},
      {"", "StopAnd", "StartAnd", "StopOnOwn", "StartOnOwn"},
      {"", "GuardStarting", "GuardStopping", "GuardBoth"},
      {"", "Definition", "Shutdown", "Logout"},
  };
  return kWords;
}

enum Feature : std::size_t {
  kExpect = 1,
  kRespawn = 2,
  kPreStop = 6,
  kKill = 8,
  kNormal = 9,
  kTimeout = 11,
  kConditions = 12
};

}  // namespace

std::vector<int> Shape::features() const {
  return {
      static_cast<int>(kind),        static_cast<int>(expect),    static_cast<int>(respawn),
      static_cast<int>(tmpfiles),    static_cast<int>(pre_start), static_cast<int>(post_start),
      static_cast<int>(pre_stop),    static_cast<int>(post_stop), static_cast<int>(kill_at_once),
      static_cast<int>(normal_exit), static_cast<int>(kill_tree), static_cast<int>(timeout),
      static_cast<int>(conditions),  static_cast<int>(guard),     static_cast<int>(changes)};
}

const std::vector<int>& feature_sizes() {
  static const auto kSizes = [] {
    std::vector<int> sizes;
    for (const auto& values : words()) sizes.push_back(static_cast<int>(values.size()));
    return sizes;
  }();
  return kSizes;
}

std::string Shape::name() const {
  const auto values = features();
  Names out;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto& word = words()[i][static_cast<std::size_t>(values[i])];
    if (!word.empty()) out.push_back(word);
  }
  return join(out, "_");
}

bool may_meet(std::size_t feature, int value, std::size_t other, int other_value) {
  if (feature > other) return may_meet(other, other_value, feature, value);
  if (feature != kExpect || value != static_cast<int>(Shape::Expect::NoMain)) return true;
  switch (other) {
    // All of these are about a main process, or without effect if there is none.
    case kRespawn:
    case kPreStop:
    case kKill:
    case kTimeout:
    case kNormal: return other_value == 0;
    // It would never rest on the way down, and so never end.
    case kConditions: return other_value != static_cast<int>(Shape::Conditions::StartOnOwn);
    default: return true;
  }
}

std::string Shape::job_text(bool other) const {
  constexpr std::array<std::string_view, 7> kExpects{"",       "",     "stop",  "fork",
                                                     "daemon", "auto", "notify"};
  constexpr std::array<std::string_view, 3> kRespawns{"", "respawn\nrespawn limit 1 2\n",
                                                      "respawn\nrespawn limit unlimited\n"};
  constexpr std::array<std::string_view, 5> kStarts{"up or both", "up or both",
                                                    "(up and also) or both", "up or both",
                                                    "up or both or stopping job"};
  constexpr std::array<std::string_view, 5> kStops{
      "down or both", "(down and also) or both", "down or both", "(down and stopping job) or both",
      "down or both"};

  std::string text;
  if (kind == Kind::Task) text += "task\n";
  if (has_main()) text += "exec main\n";
  if (const auto word = kExpects[static_cast<std::size_t>(expect)]; !word.empty()) {
    text += fmt::format("expect {}\n", word);
  }
  text += kRespawns[static_cast<std::size_t>(respawn)];
  text += kill_at_once ? "kill timeout 0\n" : "kill timeout 2\n";
  if (normal_exit) text += "normal exit 1 TERM\n";
  if (kill_tree) text += "kill mode tree\n";
  if (timeout) text += "expect timeout 3\n";
  if (!other) {
    if (tmpfiles) text += "tmpfiles job.conf\n";
    if (pre_start) text += "pre-start exec hook\n";
    if (post_start) text += "post-start exec hook\n";
    if (pre_stop) text += "pre-stop exec hook\n";
    if (post_stop) text += "post-stop exec hook\n";
  }
  const auto chosen = other ? 0 : static_cast<std::size_t>(conditions);
  text += fmt::format("start on {}\nstop on {}\n", kStarts[chosen], kStops[chosen]);
  return text;
}

std::string Shape::guard_text() const {
  // A task without main runs until somebody stops it.
  Names events;
  if (guard == Guard::Starting || guard == Guard::Both) events.emplace_back("starting job");
  if (guard == Guard::Stopping || guard == Guard::Both) events.emplace_back("stopping job");
  if (changes == Changes::Logout) events.emplace_back("session-end");
  return "task\nstart on " + join(events, " or ") + "\n";
}

std::shared_ptr<const conf::JobDefinition> parse(const std::string& name, const std::string& text) {
  auto parsed = conf::parse_job(text);
  if (!parsed) {
    fmt::print(stderr, "{}", conf::format_diagnostic(name, parsed.error().front()));
    std::abort();
  }
  parsed->definition.name = name;
  return std::make_shared<const conf::JobDefinition>(std::move(parsed->definition));
}

const std::vector<Shape>& shapes() {
  using Kind = Shape::Kind;
  using Expect = Shape::Expect;
  using Respawn = Shape::Respawn;
  using Conditions = Shape::Conditions;
  using Guard = Shape::Guard;
  using Changes = Shape::Changes;
  // Found by a greedy search: every pair of values occurs, and shapes with few states are preferred
  // to few shapes. The test EveryPairOfFeaturesOccurs tells when a pair is missing.
  static const std::vector<Shape> kShapes{
      {.expect = Expect::NoMain, .conditions = Conditions::StopAnd, .changes = Changes::Logout},
      {.expect = Expect::NoMain,
       .conditions = Conditions::StopAnd,
       .guard = Guard::Both,
       .changes = Changes::Definition},
      {.expect = Expect::NoMain,
       .kill_tree = true,
       .conditions = Conditions::StartAnd,
       .changes = Changes::Definition},
      {.expect = Expect::NoMain, .conditions = Conditions::StartAnd, .changes = Changes::Shutdown},
      {.expect = Expect::NoMain, .conditions = Conditions::StartAnd, .changes = Changes::Logout},
      {.expect = Expect::NoMain,
       .post_start = true,
       .post_stop = true,
       .guard = Guard::Both,
       .changes = Changes::Logout},
      {.expect = Expect::NoMain,
       .pre_start = true,
       .kill_tree = true,
       .conditions = Conditions::StopAnd,
       .guard = Guard::Starting},
      {.expect = Expect::NoMain,
       .tmpfiles = true,
       .conditions = Conditions::StopAnd,
       .guard = Guard::Stopping,
       .changes = Changes::Shutdown},
      {.expect = Expect::NoMain,
       .tmpfiles = true,
       .post_start = true,
       .conditions = Conditions::StopOnOwn,
       .guard = Guard::Stopping,
       .changes = Changes::Definition},
      {.expect = Expect::NoMain,
       .tmpfiles = true,
       .pre_start = true,
       .post_stop = true,
       .conditions = Conditions::StartAnd,
       .guard = Guard::Both},
      {.kill_at_once = true, .kill_tree = true, .timeout = true},
      {.pre_stop = true,
       .kill_at_once = true,
       .normal_exit = true,
       .timeout = true,
       .conditions = Conditions::StartOnOwn,
       .changes = Changes::Definition},
      {.respawn = Respawn::Once,
       .kill_at_once = true,
       .normal_exit = true,
       .changes = Changes::Shutdown},
      {.respawn = Respawn::Once, .kill_at_once = true, .normal_exit = true, .guard = Guard::Both},
      {.respawn = Respawn::Once,
       .pre_start = true,
       .kill_at_once = true,
       .normal_exit = true,
       .kill_tree = true,
       .conditions = Conditions::StopOnOwn},
      {.respawn = Respawn::Always,
       .normal_exit = true,
       .timeout = true,
       .conditions = Conditions::StartAnd},
      {.respawn = Respawn::Always,
       .kill_at_once = true,
       .normal_exit = true,
       .conditions = Conditions::StopOnOwn,
       .guard = Guard::Starting,
       .changes = Changes::Logout},
      {.respawn = Respawn::Always,
       .pre_stop = true,
       .kill_at_once = true,
       .conditions = Conditions::StopOnOwn},
      {.expect = Expect::Stop, .kill_at_once = true, .kill_tree = true, .guard = Guard::Stopping},
      {.expect = Expect::Stop,
       .kill_at_once = true,
       .normal_exit = true,
       .conditions = Conditions::StartAnd},
      {.expect = Expect::Stop,
       .kill_at_once = true,
       .normal_exit = true,
       .timeout = true,
       .conditions = Conditions::StopOnOwn,
       .guard = Guard::Both},
      {.expect = Expect::Stop,
       .kill_at_once = true,
       .normal_exit = true,
       .conditions = Conditions::StartOnOwn,
       .guard = Guard::Starting,
       .changes = Changes::Shutdown},
      {.expect = Expect::Stop,
       .respawn = Respawn::Once,
       .kill_at_once = true,
       .normal_exit = true,
       .changes = Changes::Definition},
      {.expect = Expect::Stop,
       .respawn = Respawn::Once,
       .kill_at_once = true,
       .normal_exit = true,
       .changes = Changes::Logout},
      {.expect = Expect::Stop,
       .respawn = Respawn::Once,
       .kill_at_once = true,
       .normal_exit = true,
       .conditions = Conditions::StopAnd},
      {.expect = Expect::Stop,
       .respawn = Respawn::Always,
       .tmpfiles = true,
       .pre_start = true,
       .pre_stop = true,
       .normal_exit = true,
       .guard = Guard::Stopping},
      {.expect = Expect::Fork, .kill_at_once = true, .changes = Changes::Definition},
      {.expect = Expect::Fork,
       .kill_at_once = true,
       .guard = Guard::Both,
       .changes = Changes::Shutdown},
      {.expect = Expect::Fork,
       .kill_at_once = true,
       .conditions = Conditions::StopAnd,
       .guard = Guard::Stopping},
      {.expect = Expect::Fork,
       .tmpfiles = true,
       .kill_at_once = true,
       .normal_exit = true,
       .conditions = Conditions::StartOnOwn,
       .guard = Guard::Stopping,
       .changes = Changes::Logout},
      {.expect = Expect::Fork,
       .respawn = Respawn::Once,
       .tmpfiles = true,
       .timeout = true,
       .conditions = Conditions::StartOnOwn,
       .guard = Guard::Starting},
      {.expect = Expect::Fork,
       .respawn = Respawn::Always,
       .pre_stop = true,
       .kill_at_once = true,
       .normal_exit = true,
       .conditions = Conditions::StartOnOwn,
       .guard = Guard::Both},
      {.expect = Expect::Fork,
       .respawn = Respawn::Always,
       .tmpfiles = true,
       .kill_at_once = true,
       .normal_exit = true,
       .kill_tree = true},
      {.expect = Expect::Daemon,
       .pre_stop = true,
       .kill_at_once = true,
       .normal_exit = true,
       .timeout = true,
       .changes = Changes::Logout},
      {.expect = Expect::Daemon,
       .pre_stop = true,
       .kill_at_once = true,
       .normal_exit = true,
       .conditions = Conditions::StopOnOwn,
       .changes = Changes::Shutdown},
      {.expect = Expect::Daemon,
       .post_start = true,
       .pre_stop = true,
       .kill_at_once = true,
       .normal_exit = true,
       .conditions = Conditions::StopAnd,
       .guard = Guard::Both},
      {.expect = Expect::Daemon,
       .pre_start = true,
       .post_stop = true,
       .kill_at_once = true,
       .changes = Changes::Definition},
      {.expect = Expect::Daemon,
       .tmpfiles = true,
       .kill_at_once = true,
       .normal_exit = true,
       .kill_tree = true,
       .guard = Guard::Stopping},
      {.expect = Expect::Daemon,
       .respawn = Respawn::Once,
       .pre_stop = true,
       .kill_at_once = true,
       .normal_exit = true,
       .conditions = Conditions::StartAnd,
       .guard = Guard::Stopping},
      {.expect = Expect::Daemon,
       .respawn = Respawn::Always,
       .pre_start = true,
       .post_start = true,
       .kill_at_once = true,
       .normal_exit = true,
       .conditions = Conditions::StartOnOwn},
      {.kind = Kind::Task, .expect = Expect::NoMain, .post_start = true, .kill_tree = true},
      {.kind = Kind::Task,
       .expect = Expect::NoMain,
       .pre_start = true,
       .kill_tree = true,
       .changes = Changes::Logout},
      {.kind = Kind::Task,
       .expect = Expect::NoMain,
       .tmpfiles = true,
       .kill_tree = true,
       .guard = Guard::Both},
      {.kind = Kind::Task,
       .post_stop = true,
       .kill_at_once = true,
       .normal_exit = true,
       .timeout = true,
       .conditions = Conditions::StartOnOwn,
       .guard = Guard::Stopping},
      {.kind = Kind::Task,
       .tmpfiles = true,
       .post_start = true,
       .pre_stop = true,
       .post_stop = true,
       .kill_at_once = true,
       .normal_exit = true,
       .guard = Guard::Starting},
      {.kind = Kind::Task,
       .respawn = Respawn::Always,
       .kill_at_once = true,
       .normal_exit = true,
       .guard = Guard::Starting,
       .changes = Changes::Definition},
      {.kind = Kind::Task,
       .respawn = Respawn::Always,
       .post_stop = true,
       .kill_at_once = true,
       .normal_exit = true,
       .timeout = true,
       .conditions = Conditions::StopAnd},
      {.kind = Kind::Task,
       .respawn = Respawn::Always,
       .pre_start = true,
       .post_start = true,
       .kill_at_once = true,
       .normal_exit = true,
       .timeout = true,
       .changes = Changes::Shutdown},
      {.kind = Kind::Task,
       .expect = Expect::Stop,
       .respawn = Respawn::Once,
       .post_start = true,
       .post_stop = true,
       .kill_at_once = true},
      {.kind = Kind::Task,
       .expect = Expect::Fork,
       .post_start = true,
       .kill_at_once = true,
       .conditions = Conditions::StartAnd,
       .guard = Guard::Starting},
      {.kind = Kind::Task,
       .expect = Expect::Fork,
       .pre_start = true,
       .post_stop = true,
       .normal_exit = true,
       .conditions = Conditions::StopOnOwn},
      {.kind = Kind::Task,
       .expect = Expect::Daemon,
       .respawn = Respawn::Always,
       .conditions = Conditions::StartOnOwn,
       .guard = Guard::Starting},
      {.expect = Expect::Auto,
       .tmpfiles = true,
       .post_start = true,
       .kill_at_once = true,
       .conditions = Conditions::StopOnOwn},
      {.expect = Expect::Auto,
       .respawn = Respawn::Once,
       .pre_start = true,
       .post_stop = true,
       .kill_at_once = true,
       .normal_exit = true},
      {.expect = Expect::Auto,
       .kill_at_once = true,
       .guard = Guard::Starting,
       .changes = Changes::Shutdown},
      {.expect = Expect::Auto,
       .pre_stop = true,
       .kill_at_once = true,
       .changes = Changes::Definition},
      {.expect = Expect::Auto,
       .kill_at_once = true,
       .conditions = Conditions::StartAnd,
       .guard = Guard::Both},
      {.expect = Expect::Notify, .kill_at_once = true},
      {.expect = Expect::Notify,
       .respawn = Respawn::Always,
       .post_stop = true,
       .timeout = true,
       .conditions = Conditions::StopOnOwn},
      {.expect = Expect::Notify, .tmpfiles = true, .pre_start = true, .kill_at_once = true},
      {.expect = Expect::Notify,
       .kill_at_once = true,
       .timeout = true,
       .guard = Guard::Both,
       .changes = Changes::Shutdown},
      {.expect = Expect::Notify,
       .kill_at_once = true,
       .normal_exit = true,
       .conditions = Conditions::StartOnOwn,
       .changes = Changes::Definition},
      {.expect = Expect::Notify,
       .kill_at_once = true,
       .normal_exit = true,
       .conditions = Conditions::StopAnd,
       .changes = Changes::Logout},
      {.kind = Kind::Task,
       .expect = Expect::Auto,
       .respawn = Respawn::Always,
       .kill_at_once = true,
       .normal_exit = true,
       .kill_tree = true},
      {.kind = Kind::Task,
       .expect = Expect::Auto,
       .kill_at_once = true,
       .timeout = true,
       .conditions = Conditions::StartOnOwn},
      {.kind = Kind::Task, .expect = Expect::Auto, .guard = Guard::Stopping},
      {.kind = Kind::Task,
       .expect = Expect::Auto,
       .kill_at_once = true,
       .normal_exit = true,
       .conditions = Conditions::StopAnd,
       .changes = Changes::Logout},
      {.kind = Kind::Task,
       .expect = Expect::Notify,
       .pre_stop = true,
       .kill_at_once = true,
       .normal_exit = true,
       .kill_tree = true,
       .conditions = Conditions::StartOnOwn},
      {.kind = Kind::Task,
       .expect = Expect::Notify,
       .respawn = Respawn::Once,
       .post_start = true,
       .kill_at_once = true,
       .guard = Guard::Starting},
      {.kind = Kind::Task,
       .expect = Expect::Notify,
       .kill_at_once = true,
       .conditions = Conditions::StartAnd,
       .guard = Guard::Stopping},
      // Whole jobs, for what takes three features to happen.
      {.respawn = Respawn::Once,
       .tmpfiles = true,
       .pre_start = true,
       .post_start = true,
       .pre_stop = true,
       .post_stop = true,
       .guard = Guard::Both},
      {.expect = Expect::Fork,
       .respawn = Respawn::Always,
       .pre_start = true,
       .post_start = true,
       .pre_stop = true,
       .post_stop = true,
       .normal_exit = true,
       .guard = Guard::Stopping,
       .changes = Changes::Definition},
      {.kind = Kind::Task,
       .respawn = Respawn::Once,
       .tmpfiles = true,
       .pre_start = true,
       .post_start = true,
       .pre_stop = true,
       .post_stop = true,
       .conditions = Conditions::StopOnOwn,
       .guard = Guard::Both},
      {.expect = Expect::Stop,
       .pre_start = true,
       .post_start = true,
       .pre_stop = true,
       .post_stop = true,
       .conditions = Conditions::StopAnd,
       .changes = Changes::Shutdown},
      {.expect = Expect::Daemon,
       .respawn = Respawn::Once,
       .post_stop = true,
       .kill_tree = true,
       .changes = Changes::Shutdown},
      {.expect = Expect::Auto,
       .respawn = Respawn::Always,
       .pre_stop = true,
       .post_stop = true,
       .kill_tree = true,
       .timeout = true},
      {.expect = Expect::NoMain,
       .post_stop = true,
       .kill_tree = true,
       .changes = Changes::Shutdown},
  };
  return kShapes;
}

}  // namespace upkeep::statespace
