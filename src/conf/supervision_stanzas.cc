// How the main process of a job is watched, ended and started again.
#include "conf/supervision_stanzas.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>

#include <fmt/format.h>

#include "base/signals.h"
#include "base/strings.h"
#include "conf/numbers.h"

namespace upkeep::conf {
namespace {

using Kind = DiagnosticKind;

/// What comes behind the keyword that chooses it.
using Handler = bool (*)(StanzaReader&, JobDefinition&);

constexpr auto kMost = std::numeric_limits<std::int64_t>::max();

std::optional<std::int64_t> parse_seconds(StanzaReader& in, std::string_view wants,
                                          std::int64_t most) {
  const auto value = in.argument(wants);
  if (!value) return std::nullopt;
  const auto seconds = parse_signed(value->text);
  if (seconds && *seconds >= 0 && *seconds <= most) return seconds;
  in.refuse(Kind::BadInterval, *value, wants);
  return std::nullopt;
}

// --- expect --------------------------------------------------------------------------------------

template <Expect Value>
bool parse_expect_kind(StanzaReader& in, JobDefinition& job) {
  job.expect = Value;
  job.expect_fd = 0;
  return in.end("one word");
}

bool parse_expect_fd(StanzaReader& in, JobDefinition& job) {
  in.extend_name("fd");
  constexpr std::string_view kDescriptor = "a descriptor from 3 to 1023 other than 9";
  const auto value = in.argument(kDescriptor);
  if (!value) return false;
  const auto number = parse_signed(value->text);
  // The shells of scripts read their text from 9.
  if (!number || *number < 3 || *number > 1023 || *number == 9) {
    return in.refuse(Kind::BadDescriptor, *value, kDescriptor);
  }
  job.expect = Expect::Fd;
  job.expect_fd = static_cast<int>(*number);
  return in.end("one descriptor");
}

/// Upstart does not have these, so they can be bounded: in nanoseconds, too, they fit 64 bits.
template <std::optional<std::int64_t> JobDefinition::*Member>
bool parse_expect_seconds(StanzaReader& in, JobDefinition& job) {
  job.*Member = parse_seconds(in, "a whole number of seconds up to 2147483647",
                              std::numeric_limits<std::int32_t>::max());
  return job.*Member && in.end("one number");
}

bool parse_expect_timeout(StanzaReader& in, JobDefinition& job) {
  in.extend_name("timeout");
  return parse_expect_seconds<&JobDefinition::expect_timeout_seconds>(in, job);
}

bool parse_expect_watchdog(StanzaReader& in, JobDefinition& job) {
  in.extend_name("watchdog");
  const bool ok = parse_expect_seconds<&JobDefinition::watchdog_seconds>(in, job);
  if (job.watchdog_seconds == 0) job.watchdog_seconds.reset();
  return ok;
}

// --- respawn and normal exit ---------------------------------------------------------------------

bool parse_respawn_limit(StanzaReader& in, Setting<RespawnLimit>& limit) {
  constexpr std::string_view kCount = "a number of respawns, or \"unlimited\"";
  const auto count = in.argument(kCount);
  if (!count) return false;
  if (count->text == "unlimited") {
    limit = RespawnLimit{0, 0};
    return in.end("nothing after \"unlimited\"");
  }
  const auto respawns = parse_signed(count->text);
  if (!respawns || *respawns < 0 || *respawns > std::numeric_limits<int>::max()) {
    return in.refuse(Kind::BadLimit, *count, kCount);
  }

  const auto seconds = parse_seconds(in, "a count and then an interval in whole seconds", kMost);
  if (!seconds) return false;

  limit = RespawnLimit{static_cast<int>(*respawns), *seconds};
  return in.end("a count and an interval");
}

bool refuse_signal(StanzaReader& in, Kind kind, const Token& token, std::string_view wants) {
  std::string capitals = token.text;
  std::ranges::transform(capitals, capitals.begin(), to_upper);
  in.refuse(kind, token, wants);
  if (signal_number(capitals)) {
    in.lexer().explain_failure(fmt::format("; did you mean \"{}\"?", capitals));
  }
  return false;
}

// --- kill and reload -----------------------------------------------------------------------------

bool parse_kill_timeout(StanzaReader& in, JobDefinition& job) {
  const auto seconds = parse_seconds(in, "a whole number of seconds", kMost);
  if (!seconds) return false;
  job.kill_timeout_seconds = *seconds;
  return in.end("one number");
}

template <Setting<int> JobDefinition::*Member>
bool parse_signal_of(StanzaReader& in, JobDefinition& job) {
  constexpr std::string_view kSignal = "a signal name such as TERM, or a number";
  const auto value = in.argument(kSignal);
  if (!value) return false;
  const auto number = parse_signal(value->text);
  if (!number) return refuse_signal(in, Kind::BadSignal, *value, kSignal);
  job.*Member = *number;
  return in.end("one signal");
}

bool parse_kill_mode(StanzaReader& in, JobDefinition& job) {
  static constexpr Choice<KillMode> kModes[] = {
      {"group", KillMode::Group}, {"main", KillMode::Main}, {"tree", KillMode::Tree}};
  const auto mode = in.choice(kModes);
  if (!mode) return false;
  job.kill_mode = *mode;
  return in.end("one word");
}

}  // namespace

bool parse_expect(StanzaReader& in, JobDefinition& job) {
  static constexpr Choice<Handler> kWhats[] = {{"stop", parse_expect_kind<Expect::Stop>},
                                               {"daemon", parse_expect_kind<Expect::Daemon>},
                                               {"fork", parse_expect_kind<Expect::Fork>},
                                               {"none", parse_expect_kind<Expect::None>},
                                               {"auto", parse_expect_kind<Expect::Auto>},
                                               {"notify", parse_expect_kind<Expect::Notify>},
                                               {"fd", parse_expect_fd},
                                               {"timeout", parse_expect_timeout},
                                               {"watchdog", parse_expect_watchdog}};
  const auto parse = in.choice(kWhats);
  return parse && (*parse)(in, job);
}

bool parse_respawn(StanzaReader& in, JobDefinition& job) {
  if (in.has_argument()) {
    return in.keyword("limit") && parse_respawn_limit(in, job.respawn_limit);
  }
  job.respawn = true;
  return in.end(kNothing);
}

bool parse_normal_exit(StanzaReader& in, JobDefinition& job) {
  constexpr std::string_view kStatus = "exit statuses or signal names";
  if (!in.keyword("exit")) return false;
  do {
    const auto value = in.argument(kStatus);
    if (!value) return false;
    const auto status = parse_exit_status(value->text);
    if (!status) return refuse_signal(in, Kind::BadExitStatus, *value, kStatus);
    job.normal_exit.push_back(*status);
  } while (in.has_argument());
  return in.end(kNothing);
}

bool parse_kill(StanzaReader& in, JobDefinition& job) {
  static constexpr Choice<Handler> kWhats[] = {
      {"timeout", parse_kill_timeout},
      {"signal", parse_signal_of<&JobDefinition::kill_signal>},
      {"mode", parse_kill_mode}};
  const auto parse = in.keyword(kWhats);
  return parse && (*parse)(in, job);
}

bool parse_reload(StanzaReader& in, JobDefinition& job) {
  return in.keyword("signal") && parse_signal_of<&JobDefinition::reload_signal>(in, job);
}

}  // namespace upkeep::conf
