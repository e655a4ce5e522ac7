// One handler for each stanza, and the table of them. A new stanza is one handler and one row. The
// handlers of supervision are in a file of their own.
#include "conf/stanzas.h"

#include <algorithm>
#include <array>
#include <map>
#include <tuple>

#include <fmt/format.h>

#include "base/strings.h"
#include "conf/expression.h"
#include "conf/numbers.h"
#include "conf/stanza_reader.h"
#include "conf/supervision_stanzas.h"
#include "conf/unknown_stanza.h"

namespace upkeep::conf {
namespace {

using Kind = DiagnosticKind;

constexpr std::string_view kOneValue = "one value; put quotes around a value with blanks";

constexpr char kAnyText[] = "a text";
constexpr char kDirectory[] = "a directory";
constexpr char kUser[] = "a user name";
constexpr char kGroup[] = "a group name";

/// A stanza with one argument that is kept as it is; a later one replaces it.
template <auto Member, const char* What>
bool parse_text(StanzaReader& in, JobDefinition& job) {
  auto value = in.argument(What);
  if (!value) return false;
  job.*Member = std::move(value->text);
  return in.end(kOneValue);
}

/// A stanza that is set by its mere presence.
template <bool JobDefinition::*Member>
bool parse_flag(StanzaReader& in, JobDefinition& job) {
  job.*Member = true;
  return in.end(kNothing);
}

/// A stanza with one or more arguments, added to those of earlier lines.
template <std::vector<std::string> JobDefinition::*Member, const char* What>
bool parse_list(StanzaReader& in, JobDefinition& job) {
  do {
    auto value = in.argument(What);
    if (!value) return false;
    (job.*Member).push_back(std::move(value->text));
  } while (in.has_argument());
  return in.end(kNothing);
}

constexpr char kVariables[] = "names of variables";
constexpr char kEvents[] = "names of events";
constexpr char kPaths[] = "paths of tmpfiles.d files";

/// The first `$NAME` or `${` in a text, if there is one.
std::optional<std::string_view> find_reference(std::string_view text) {
  const auto is_letter = [](char byte) {
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || byte == '_';
  };
  for (auto at = text.find('$'); at != std::string_view::npos; at = text.find('$', at + 1)) {
    const auto name = text.substr(at + 1);
    if (name.starts_with('{')) return text.substr(at, name.find('}') + 2);
    const auto end = std::ranges::find_if_not(
        name, [&](char byte) { return is_letter(byte) || (byte >= '0' && byte <= '9'); });
    if (!name.empty() && is_letter(name[0])) {
      return text.substr(at, static_cast<std::size_t>(end - name.begin()) + 1);
    }
  }
  return std::nullopt;
}

bool parse_env(StanzaReader& in, JobDefinition& job) {
  auto value = in.argument("NAME=VALUE or NAME");
  if (!value) return false;
  if (const auto reference = find_reference(variable_value(value->text))) {
    in.lexer().warn(Kind::UnexpandedVariable, value->start,
                    fmt::format("{} stays as it is: the value of \"env\" is not expanded",
                                quoted_word(*reference)));
  }
  job.env.push_back(std::move(value->text));
  return in.end("one NAME=VALUE; put quotes around a value with blanks");
}

// --- What is run ---------------------------------------------------------------------------------

bool parse_command(StanzaReader& in, std::optional<Command>& command) {
  auto line = in.command();
  if (!line) return false;
  command = Command{Command::Form::Exec, std::move(line->text)};
  return in.end(kNothing);
}

bool parse_block(StanzaReader& in, std::optional<Command>& command) {
  if (!in.end("no argument; the script begins on the next line")) return false;
  auto block = in.block();
  if (!block) return false;
  command = Command{Command::Form::Script, std::move(*block)};
  return true;
}

bool parse_exec(StanzaReader& in, JobDefinition& job) {
  return parse_command(in, job.process(ProcessType::Main));
}

bool parse_script(StanzaReader& in, JobDefinition& job) {
  return parse_block(in, job.process(ProcessType::Main));
}

template <ProcessType Type>
bool parse_process(StanzaReader& in, JobDefinition& job) {
  static constexpr Choice<Command::Form> kForms[] = {{"exec", Command::Form::Exec},
                                                     {"script", Command::Form::Script}};
  const auto form = in.keyword(kForms);
  if (!form) return false;
  auto& command = job.process(Type);
  return *form == Command::Form::Exec ? parse_command(in, command) : parse_block(in, command);
}

bool parse_apparmor(StanzaReader& in, JobDefinition& job) {
  enum class Verb { Load, Switch };
  static constexpr Choice<Verb> kVerbs[] = {{"load", Verb::Load}, {"switch", Verb::Switch}};
  const auto verb = in.keyword(kVerbs);
  if (!verb) return false;
  auto profile = in.argument("a profile");
  if (!profile) return false;
  if (*verb == Verb::Switch) {
    job.apparmor_switch = std::move(profile->text);
  } else {
    job.process(ProcessType::Security) =
        Command{Command::Form::Exec, std::string(kApparmorLoader) + profile->text};
  }
  return in.end(kOneValue);
}

// --- When it is run ------------------------------------------------------------------------------

template <Condition JobDefinition::*Member>
bool parse_condition(StanzaReader& in, JobDefinition& job) {
  if (!in.keyword("on")) return false;
  job.*Member = parse_expression(in.lexer(), in.name());
  return job.*Member && in.end(kNothing);
}

// Neither of these two ends its line: what follows is read as a stanza (note a).

bool parse_manual(StanzaReader&, JobDefinition& job) {
  job.start_on.reset();
  return true;
}

bool parse_debug(StanzaReader&, JobDefinition& job) {
  job.debug = true;
  return true;
}

// --- What surrounds it ---------------------------------------------------------------------------

bool parse_console(StanzaReader& in, JobDefinition& job) {
  static constexpr Choice<Console> kConsoles[] = {{"none", Console::None},
                                                  {"output", Console::Output},
                                                  {"owner", Console::Owner},
                                                  {"log", Console::Log}};
  const auto console = in.choice(kConsoles);
  if (!console) return false;
  job.console = console;
  return in.end("one word");
}

bool parse_umask(StanzaReader& in, JobDefinition& job) {
  constexpr std::string_view kMask = "an octal mask from 0 to 777";
  const auto value = in.argument(kMask);
  if (!value) return false;
  const auto mask = parse_signed(value->text, 8);
  if (!mask || *mask < 0 || *mask > 0777) return in.refuse(Kind::BadUmask, *value, kMask);
  job.umask = static_cast<mode_t>(*mask);
  return in.end("one mask");
}

bool parse_nice(StanzaReader& in, JobDefinition& job) {
  constexpr std::string_view kNice = "a number from -20 to 19";
  const auto value = in.argument(kNice);
  if (!value) return false;
  const auto nice = parse_signed(value->text);
  if (!nice || *nice < -20 || *nice > 19) return in.refuse(Kind::BadNice, *value, kNice);
  job.nice = static_cast<int>(*nice);
  return in.end("one number");
}

constexpr int kOomNever = -1000;

bool parse_oom_score(StanzaReader& in, JobDefinition& job) {
  constexpr std::string_view kScore = "\"never\" or a number from -1000 to 1000";
  const auto value = in.argument(kScore);
  if (!value) return false;
  const auto score = value->text == "never" ? kOomNever : parse_signed(value->text);
  if (!score || *score < kOomNever || *score > 1000) return in.refuse(Kind::BadOom, *value, kScore);
  job.oom_score_adj = static_cast<int>(*score);
  return in.end("one score");
}

bool parse_oom(StanzaReader& in, JobDefinition& job) {
  constexpr std::string_view kOom = "\"score NUMBER\", \"never\" or a number from -17 to 15";
  const auto value = in.argument(kOom);
  if (!value) return false;
  if (value->text == "score") {
    in.extend_name("score");
    return parse_oom_score(in, job);
  }
  if (value->text == "never") {
    job.oom_score_adj = kOomNever;
    return in.end("nothing after \"never\"");
  }
  const auto legacy = parse_signed(value->text);
  if (!legacy || *legacy < -17 || *legacy > 15) return in.refuse(Kind::BadOom, *value, kOom);
  job.oom_score_adj = static_cast<int>(*legacy * 1000 / (*legacy < 0 ? 17 : 15));
  return in.end("one number");
}

std::optional<std::uint64_t> parse_limit_value(StanzaReader& in, std::string_view what) {
  const auto value = in.argument(what);
  if (!value) return std::nullopt;
  const auto limit =
      value->text == "unlimited" ? ResourceLimit::kUnlimited : parse_unsigned(value->text);
  if (!limit) in.refuse(Kind::BadLimit, *value, what);
  return limit;
}

bool parse_limit(StanzaReader& in, JobDefinition& job) {
  std::array<std::string_view, 14> names;
  std::ranges::transform(resources(), names.begin(), &Resource::name);
  const auto resource = in.choice(names);
  if (!resource) return false;
  const auto soft = parse_limit_value(in, "a soft limit (a whole number or \"unlimited\")");
  if (!soft) return false;
  const auto hard = parse_limit_value(in, "a hard limit (a whole number or \"unlimited\")");
  if (!hard) return false;

  const ResourceLimit limit{*resource, *soft, *hard};
  const auto same = std::ranges::find(job.limits, *resource, &ResourceLimit::resource);
  if (same == job.limits.end()) {
    job.limits.push_back(limit);
  } else {
    *same = limit;
  }
  return in.end("a resource, a soft and a hard limit");
}

bool parse_cgroup(StanzaReader& in, JobDefinition& job) {
  constexpr std::size_t kMost = 4;
  std::vector<std::string> words;
  do {
    auto word = in.argument("a controller");
    if (!word) return false;
    words.push_back(std::move(word->text));
  } while (in.has_argument() && words.size() < kMost);

  CgroupSetting setting{words[0], {}, {}, {}};
  if (words.size() % 2 == 0) setting.name = words[1];
  if (words.size() >= 3) {
    setting.key = words[words.size() - 2];
    setting.value = words[words.size() - 1];
  }
  job.cgroups.push_back(std::move(setting));
  return in.end("a controller, a name, a key and a value at most");
}

// --- The table -----------------------------------------------------------------------------------

struct Stanza {
  std::string_view name;
  bool (*parse)(StanzaReader&, JobDefinition&);
};

// clang-format off
constexpr std::array kStanzas{
    Stanza{"apparmor",    parse_apparmor},
    Stanza{"author",      parse_text<&JobDefinition::author, kAnyText>},
    Stanza{"cgroup",      parse_cgroup},
    Stanza{"chdir",       parse_text<&JobDefinition::chdir, kDirectory>},
    Stanza{"chroot",      parse_text<&JobDefinition::chroot, kDirectory>},
    Stanza{"console",     parse_console},
    Stanza{"debug",       parse_debug},
    Stanza{"description", parse_text<&JobDefinition::description, kAnyText>},
    Stanza{"emits",       parse_list<&JobDefinition::emits, kEvents>},
    Stanza{"env",         parse_env},
    Stanza{"exec",        parse_exec},
    Stanza{"expect",      parse_expect},
    Stanza{"export",      parse_list<&JobDefinition::export_env, kVariables>},
    Stanza{"import",      parse_list<&JobDefinition::imports, kVariables>},
    Stanza{"instance",    parse_text<&JobDefinition::instance, kAnyText>},
    Stanza{"kill",        parse_kill},
    Stanza{"limit",       parse_limit},
    Stanza{"manual",      parse_manual},
    Stanza{"nice",        parse_nice},
    Stanza{"normal",      parse_normal_exit},
    Stanza{"oom",         parse_oom},
    Stanza{"post-start",  parse_process<ProcessType::PostStart>},
    Stanza{"post-stop",   parse_process<ProcessType::PostStop>},
    Stanza{"pre-start",   parse_process<ProcessType::PreStart>},
    Stanza{"pre-stop",    parse_process<ProcessType::PreStop>},
    Stanza{"reload",      parse_reload},
    Stanza{"respawn",     parse_respawn},
    Stanza{"script",      parse_script},
    Stanza{"setgid",      parse_text<&JobDefinition::setgid, kGroup>},
    Stanza{"setuid",      parse_text<&JobDefinition::setuid, kUser>},
    Stanza{"start",       parse_condition<&JobDefinition::start_on>},
    Stanza{"stop",        parse_condition<&JobDefinition::stop_on>},
    Stanza{"task",        parse_flag<&JobDefinition::task>},
    Stanza{"tmpfiles",    parse_list<&JobDefinition::tmpfiles, kPaths>},
    Stanza{"umask",       parse_umask},
    Stanza{"usage",       parse_text<&JobDefinition::usage, kAnyText>},
    Stanza{"version",     parse_text<&JobDefinition::version, kAnyText>},
};
// clang-format on

constexpr auto kNames = [] {
  std::array<std::string_view, kStanzas.size()> names;
  std::ranges::transform(kStanzas, names.begin(), &Stanza::name);
  return names;
}();

// --- What follows --------------------------------------------------------------------------------

/// Entries of the same controller, name and key are one, with the last value (note f).
void merge(std::vector<CgroupSetting>& cgroups) {
  using Place = std::tuple<std::string, std::string, std::optional<std::string>>;
  std::map<Place, std::size_t> places;
  std::vector<CgroupSetting> merged;
  for (auto& setting : cgroups) {
    const auto [place, added] = places.try_emplace(
        {setting.controller, setting.name.value_or("$UPSTART_CGROUP"), setting.key}, merged.size());
    if (added) {
      merged.push_back(std::move(setting));
    } else {
      merged[place->second].value = std::move(setting.value);
    }
  }
  cgroups = std::move(merged);
}

std::string in_single_quotes(std::string_view text) {
  return fmt::format("'{}'", fmt::join(split(text, '\''), "'\\''"));
}

/// Where the program does not exist there is nothing to do. Many paths are more than one argument
/// of the shell may hold; a script of two lines goes through a pipe instead.
std::string tmpfiles_script(const std::vector<std::string>& paths) {
  std::string script = "command -v systemd-tmpfiles >/dev/null || exit 0\n";
  script += "exec systemd-tmpfiles --create --";
  for (const auto& path : paths) script.append(" ").append(in_single_quotes(path));
  return script += '\n';
}

}  // namespace

std::span<const std::string_view> stanza_names() {
  return kNames;
}

void finish(JobDefinition& job) {
  if (job.cgroups.size() > 1) merge(job.cgroups);
  if (!job.tmpfiles.empty()) {
    job.process(ProcessType::Tmpfiles) =
        Command{Command::Form::Script, tmpfiles_script(job.tmpfiles)};
  }
}

bool parse_stanza(Lexer& lexer, JobDefinition& job, std::vector<StanzaUse>& used) {
  lexer.begin_stanza();
  auto word = lexer.read(TokenKind::Word);
  if (!word) return false;
  lexer.skip_blanks();
  const auto* const stanza = std::ranges::find(kStanzas, word->text, &Stanza::name);
  if (stanza == kStanzas.end()) {
    return lexer.fail(Kind::UnknownStanza, lexer.reached(word->start),
                      describe_unknown_stanza(word->text, kNames));
  }
  StanzaReader in(lexer, std::move(*word));
  if (!stanza->parse(in, job)) return false;
  used.push_back({in.take_name(), in.start()});
  return true;
}

}  // namespace upkeep::conf
