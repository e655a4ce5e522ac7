// Each rule looks at the stanzas of one text and at the job that they, and the file below, make.
#include "conf/warnings.h"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include "base/strings.h"

namespace upkeep::conf {
namespace {

using Kind = DiagnosticKind;

/// The stanzas by name; of those that occur often, the last.
class Review {
 public:
  Review(std::span<const StanzaUse> used, std::vector<Diagnostic>& warnings)
      : used_(used), warnings_(warnings) {
    for (const auto& use : used) last_[use.name] = use.place;
  }

  void run(const JobDefinition& job) {
    find_replaced();
    if (!job.respawn) {
      warn(Kind::LimitWithoutRespawn, "respawn limit",
           "\"respawn limit\" has no effect: it does not switch \"respawn\" on, add that line");
    }
    if (!job.start_on && !last_.contains("manual")) {
      warn(Kind::StopWithoutStart, "stop on",
           "\"stop on\" without \"start on\": no event starts this job; say \"manual\" if that is "
           "meant");
    }
    find_script_that_forks(job);
    find_expectation_in_vain(job);
  }

 private:
  void warn(Kind kind, std::string_view stanza, std::string message) {
    const auto found = last_.find(stanza);
    if (found != last_.end()) warn(kind, found->second, std::move(message));
  }

  void warn(Kind kind, Position place, std::string message) {
    if (warnings_.size() == kMaxDiagnostics) return;
    warnings_.push_back({kind, place.line, place.column, std::move(message), {}});
  }

  /// Two commands for one process, two conditions for one purpose: the later counts.
  void find_replaced() {
    std::map<std::string_view, const StanzaUse*> before;
    for (const auto& use : used_) {
      if (use.name == "manual") before.erase("start on");  // forgotten on purpose
      const auto purpose = purpose_of(use.name);
      if (purpose.empty()) continue;
      const auto [found, first] = before.try_emplace(purpose, &use);
      if (first) continue;
      const auto& replaced = *std::exchange(found->second, &use);
      warn(Kind::DuplicateStanza, use.place,
           fmt::format("\"{}\" replaces the \"{}\" at line {}, which has no effect", use.name,
                       replaced.name, replaced.place.line));
    }
  }

  /// What a stanza sets, if it is one of those of which only one can be meant.
  static std::string_view purpose_of(std::string_view name) {
    if (name == "start on" || name == "stop on") return name;
    if (name == "exec" || name == "script") return "main";
    const auto space = name.find(' ');
    if (space == std::string_view::npos) return {};
    const auto form = name.substr(space + 1);
    return form == "exec" || form == "script" ? name.substr(0, space) : std::string_view{};
  }

  /// Whether the last command of a script takes the place of the shell. It may have started
  /// programs before, but mostly such scripts read settings.
  static bool ends_in_exec(std::string_view script) {
    while (!script.empty() && (script.back() == '\n' || is_white_space(script.back()))) {
      script.remove_suffix(1);
    }
    auto at = script.rfind('\n');
    while (at != std::string_view::npos && at > 0 && script[at - 1] == '\\') {
      at = script.rfind('\n', at - 1);  // a line that continues another
    }
    auto line = script.substr(at + 1);  // npos + 1 is 0
    line.remove_prefix(leading_white_space(line).size());
    return line.starts_with("exec ") || line.starts_with("exec\t");
  }

  void find_script_that_forks(const JobDefinition& job) {
    if (job.expect != Expect::Fork && job.expect != Expect::Daemon) return;
    const auto& main = job.process(ProcessType::Main);
    if (!main || main->form != Command::Form::Script || ends_in_exec(main->text)) return;
    const auto* const stanza = last_.contains("expect") ? "expect" : "script";
    warn(Kind::ExpectWithScript, stanza,
         fmt::format(
             "\"expect {}\" with \"script\": each program that the shell starts counts as a "
             "fork; let the last line of the script be \"exec PROGRAM\", or say \"expect auto\"",
             to_string(job.expect)));
  }

  /// With `expect none` in words a time-out is meant, for a program that cannot be executed at
  /// once.
  void find_expectation_in_vain(const JobDefinition& job) {
    if (job.expect_timeout_seconds && !job.expect.is_set()) {
      warn(Kind::TimeoutWithoutExpect, "expect timeout",
           "\"expect timeout\" without a kind such as \"expect notify\": the job is ready as soon "
           "as "
           "its program runs");
    }
    const bool is_heard = job.expect == Expect::Notify || job.expect == Expect::Auto;
    if (job.watchdog_seconds && !is_heard) {
      const bool by_kind = !last_.contains("expect watchdog");
      const auto* const kind = last_.contains("expect fd") ? "expect fd" : "expect";
      warn(
          Kind::WatchdogWithoutNotify, by_kind ? kind : "expect watchdog",
          "\"expect watchdog\" needs \"expect notify\" or \"expect auto\": else the program has no "
          "$NOTIFY_SOCKET to give its signs of life to");
    }
  }

  std::span<const StanzaUse> used_;
  std::vector<Diagnostic>& warnings_;
  std::map<std::string_view, Position> last_;
};

/// Names that are not words of the shell, whose lines may well stand in quotes.
constexpr std::array<std::string_view, 18> kNotShell{
    "apparmor", "author",   "chdir",  "console",    "description", "emits",
    "expect",   "instance", "oom",    "post-start", "post-stop",   "pre-start",
    "pre-stop", "respawn",  "setgid", "setuid",     "start on",    "stop on"};

}  // namespace

void put_in_order(std::vector<Diagnostic>& warnings) {
  const auto place = [](const Diagnostic& warning) {
    return std::tuple(warning.line, warning.column, warning.kind);
  };
  std::ranges::sort(warnings, {}, place);
  const auto repeated = std::ranges::unique(warnings, {}, place);
  warnings.erase(repeated.begin(), repeated.end());
}

void warn_of_swallowed_stanza(Lexer& lexer) {
  const auto& quote = lexer.wide_quote();
  if (!quote) return;
  auto line = quote->opening.line;
  for (auto words : split(lexer.text_since(quote->line_end + 1), '\n')) {
    ++line;
    words.remove_prefix(leading_white_space(words).size());
    const auto begins = [words](std::string_view name) {
      const auto rest = words.substr(std::min(name.size(), words.size()));
      return words.starts_with(name) && (rest.empty() || is_white_space(rest[0]));
    };
    if (std::ranges::none_of(kNotShell, begins)) continue;
    lexer.warn(
        Kind::SwallowedStanza, {line, 1},
        fmt::format("this line is part of the quote at line {}, column {}: is that meant to go on "
                    "to here?",
                    quote->opening.line, quote->opening.column));
    return;
  }
}

void add_warnings(const JobDefinition& job, std::span<const StanzaUse> used,
                  std::vector<Diagnostic>& warnings) {
  Review(used, warnings).run(job);
  put_in_order(warnings);
}

}  // namespace upkeep::conf
