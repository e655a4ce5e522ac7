// From the text of a scenario to its values. A line is a list of words and says one thing; the
// lines of a job follow it, indented. All bounds are here.
#include <algorithm>

#include "sim/scenario_file.h"
#include "sim/scenario_grammar.h"
#include "sim/words.h"
#include <fmt/format.h>

#include "base/signals.h"

namespace upkeep::sim {
namespace {

/// Of a whole file: that bounds the jobs, programs, actions and words as well.
constexpr std::size_t kMaxScenarioBytes = 4U << 20;
constexpr std::size_t kMaxLabelBytes = 100;
constexpr int kMaxForks = 1000;
constexpr int kMaxSigns = 1000;
constexpr int kMaxRuns = 1'000'000;
constexpr int kMaxError = 4095;
constexpr int kMaxExitStatus = 255;
constexpr int kMaxSignal = 64;

std::optional<int> number_up_to(std::string_view text, int most) {
  const auto number = parse_decimal(text);
  if (!number || *number > static_cast<unsigned>(most)) return std::nullopt;
  return static_cast<int>(*number);
}

std::optional<int> any_signal(std::string_view text) {
  if (const auto number = signal_number(text)) return number;
  const auto number = number_up_to(text, kMaxSignal);
  return number == 0 ? std::nullopt : number;
}

/// Thrown within this file only: a line that cannot be understood, and why.
struct Misread {
  std::string why;
};

template <typename T>
T expect(std::optional<T> value, std::string_view what, std::string_view found) {
  if (!value) throw Misread{fmt::format("\"{}\" is not {}", printable(found), what)};
  return *std::move(value);
}

/// The words of one line, taken one after the other.
class Words {
 public:
  explicit Words(std::vector<Word> words) : words_(std::move(words)) {}

  [[nodiscard]] bool at_end() const { return next_ == words_.size(); }

  /// The next word, whatever it says.
  const std::string& take(std::string_view what) {
    if (at_end()) throw Misread{fmt::format("{} is missing at the end of the line", what)};
    return words_[next_++].text;
  }
  /// Whether the next word is this one, without quotes.
  [[nodiscard]] bool next_is(std::string_view keyword) const {
    return !at_end() && !words_[next_].quoted && words_[next_].text == keyword;
  }
  bool take_keyword(std::string_view keyword) {
    const bool is = next_is(keyword);
    if (is) ++next_;
    return is;
  }
  /// The keyword must come, as in a fixed phrase.
  void demand(std::string_view keyword) {
    if (!take_keyword(keyword)) unexpected(fmt::format("\"{}\"", keyword));
  }
  void demand_end() {
    if (!at_end()) unexpected("the end of the line");
  }
  [[noreturn]] void unexpected(std::string_view what) {
    const auto found =
        at_end() ? "the end of the line" : fmt::format("\"{}\"", printable(words_[next_].text));
    throw Misread{fmt::format("{} where {} should be", found, what)};
  }

  Duration time() {
    const auto& word = take("a time");
    return expect(parse_time(word), "a time such as 90s, 20ms or 5us", word);
  }
  int number(std::string_view what, int most) {
    const auto& word = take(what);
    return expect(number_up_to(word, most), fmt::format("{} up to {}", what, most), word);
  }
  int signal() {
    const auto& word = take("a signal");
    return expect(any_signal(word), "a signal", word);
  }
  core::ProcessType process() {
    const auto& word = take("a process");
    return expect(process_type(word), "a process such as main or pre-start", word);
  }
  std::string label() {
    auto word = take("a label");
    if (word.empty() || word.size() > kMaxLabelBytes) {
      throw Misread{fmt::format("a label has 1 to {} bytes", kMaxLabelBytes)};
    }
    return word;
  }
  /// `instance NAME`, or the unnamed one.
  std::string instance() { return take_keyword(kInstance) ? take("an instance") : std::string(); }

 private:
  std::vector<Word> words_;
  std::size_t next_ = 0;
};

// ---------------------------------------------------------------- programs

void read_clause(Words& words, Program& program, bool& has_length) {
  if (words.take_keyword("set")) {
    words.demand("up");
    words.demand("in");
    program.set_up = words.time();
  } else if (words.take_keyword("fails")) {
    program.temporary = words.take_keyword("for");
    if (program.temporary) {
      words.demand("now");
    } else {
      words.demand("to");
      words.demand("start");
    }
    words.demand("with");
    const auto& name = words.take("an error");
    program.spawn_error = expect(error_number(name), "an error such as ENOENT", name);
    if (!words.at_end() && !words.next_is(",")) program.spawn_step = words.take("a step");
  } else if (words.take_keyword("runs")) {
    has_length = true;
    program.runs.reset();
    if (words.take_keyword("for")) {
      words.demand("ever");
    } else {
      program.runs = words.time();
    }
  } else if (words.take_keyword("exits")) {
    program.status = words.number("an exit status", kMaxExitStatus);
    if (!has_length) program.runs = 1ms;
  } else if (words.take_keyword("dies")) {
    words.demand("by");
    program.dies_by = words.signal();
    if (!has_length) program.runs = 1ms;
  } else if (words.take_keyword("ignores")) {
    words.demand("TERM");
    program.ignores_term = true;
  } else if (words.take_keyword("takes")) {
    program.takes_to_die = words.time();
    words.demand("to");
    words.demand("die");
  } else if (words.take_keyword("stops")) {
    words.demand("itself");
    program.stops_itself = true;
  } else if (words.take_keyword("forks")) {
    program.forks = words.number("a number of forks", kMaxForks);
  } else if (words.take_keyword("executes")) {
    words.demand("after");
    program.executes_after = words.number("a number of forks", kMaxForks);
    words.demand("forks");
  } else if (words.take_keyword("ready")) {
    words.demand("after");
    program.ready_after = words.time();
  } else if (words.take_keyword("never")) {
    words.demand("rests");
    program.never_rests = true;
  } else if (words.take_keyword("says")) {
    words.demand("ready");
    program.says_ready = true;
  } else if (words.take_keyword("lives")) {
    program.signs_of_life = words.number("a number of seconds", kMaxSigns);
    words.demand("signs");
  } else if (words.take_keyword("leaves")) {
    program.leaves = words.number("a number of processes", kMaxForks);
  } else if (words.take_keyword("hands")) {
    words.demand("over");
    words.demand("after");
    program.hands_over = words.number("a number of forks", kMaxForks);
    words.demand("forks");
    program.is_helper = words.take_keyword("as");
    if (program.is_helper) words.demand("helper");
  } else if (words.take_keyword("vanishes")) {
    program.vanishes = true;
  } else if (words.take_keyword("ends")) {
    words.demand("before");
    words.demand("its");
    words.demand("result");
    program.ends_before_result = true;
  } else {
    words.unexpected("what a program does");
  }
}

/// Whoever says how a program ends, and not when, means: soon.
ProgramRun read_program(Words& words) {
  ProgramRun run;
  run.job = words.take("a job");
  run.process = words.process();
  words.demand(":");
  bool has_length = false;
  do {
    read_clause(words, run.program, has_length);
  } while (words.take_keyword(","));
  return run;
}

// ---------------------------------------------------------------- actions

/// Variables, `no-wait` and `as LABEL`, up to the end of the line.
template <typename Request>
void read_request(Words& words, Request& request) {
  while (!words.at_end()) {
    if (words.take_keyword(kAs)) {
      request.label = words.label();
    } else if (words.take_keyword(kNoWait)) {
      request.wait = core::Wait::No;
    } else {
      request.variables.push_back(words.take("a variable"));
    }
  }
}

Command read_command(Words& words, core::Verb verb) {
  Command command{.verb = verb, .job = words.take("a job")};
  if (words.take_keyword(kInstance)) command.instance = words.take("an instance");
  read_request(words, command);
  if (command.instance && !command.variables.empty()) {
    throw Misread{"an instance that is named exactly takes no variables"};
  }
  return command;
}

ChangeEnvironment read_change(Words& words, ChangeEnvironment::Change change) {
  ChangeEnvironment request{.change = change};
  while (!words.at_end()) {
    if (words.take_keyword(kAs)) {
      request.label = words.label();
    } else if (words.take_keyword(kOf)) {
      request.job = words.take("a job");
      request.instance = words.instance();
    } else if (words.take_keyword(kKeep)) {
      request.replace = false;
    } else {
      request.variables.push_back(words.take("a variable"));
    }
  }
  return request;
}

Harm read_harm(Words& words, Harm::Effect effect) {
  Harm harm{.effect = effect, .job = words.take("a job")};
  harm.process = words.process();
  harm.signal = words.signal();
  harm.instance = words.instance();
  return harm;
}

Action read_expectation(Words& words) {
  if (words.take_keyword("status")) {
    ExpectStatus expected{.job = words.take("a job"), .status = words.take("a status")};
    expected.instance = words.instance();
    return expected;
  }
  if (words.take_keyword("reply")) {
    return ExpectReply{.label = words.label(), .outcome = words.take("an outcome")};
  }
  if (words.take_keyword("runs")) {
    ExpectRuns expected{.job = words.take("a job")};
    expected.process = words.process();
    expected.count = words.number("a number of runs", kMaxRuns);
    return expected;
  }
  words.unexpected("status, reply or runs");
}

End read_end(Words& words) {
  if (words.take_keyword("logout")) return {core::EndSession::Type::Logout};
  words.demand("shutdown");
  return {core::EndSession::Type::Shutdown};
}

Action read_action(Words& words) {
  if (words.take_keyword("define")) return Define{{words.take("a job"), {}}};
  if (words.take_keyword("undefine")) return Undefine{words.take("a job")};
  if (words.take_keyword("emit")) {
    Emit emit{.event = words.take("an event"), .variables = {}};
    read_request(words, emit);
    return emit;
  }
  for (std::size_t verb = 0; verb < kVerbs.size(); ++verb) {
    if (words.take_keyword(kVerbs[verb])) return read_command(words, static_cast<core::Verb>(verb));
  }
  for (std::size_t change = 0; change < kChanges.size(); ++change) {
    if (words.take_keyword(kChanges[change])) {
      return read_change(words, static_cast<ChangeEnvironment::Change>(change));
    }
  }
  if (words.take_keyword("reload")) {
    Reload reload{.job = words.take("a job")};
    reload.instance = words.instance();
    if (words.take_keyword(kAs)) reload.label = words.label();
    return reload;
  }
  if (words.take_keyword("kill")) return read_harm(words, Harm::Effect::Kill);
  if (words.take_keyword("suspend")) return read_harm(words, Harm::Effect::Suspend);
  if (words.take_keyword("end-session")) return read_end(words);
  if (words.take_keyword("client-gone")) return ClientGone{words.label()};
  if (words.take_keyword("expect")) return read_expectation(words);
  words.unexpected("an action");
}

// ---------------------------------------------------------------- lines

Lots read_lots(Words& words) {
  words.demand("told");
  words.demand("every");
  Lots lots{.every = words.time()};
  if (lots.every == 0ns) throw Misread{"0s is no time between two lots"};
  if (words.take_keyword(",")) {
    words.demand("latest");
    words.demand("first");
    lots.latest_first = true;
  }
  return lots;
}

Environment read_environment(Words& words) {
  Environment environment;
  while (!words.at_end()) environment.push_back(words.take("a variable"));
  return environment;
}

class Parser {
 public:
  explicit Parser(std::string_view text) : rest_(text) {}

  Result<ScenarioFile> parse() {
    if (rest_.size() > kMaxScenarioBytes) {
      return failure(fmt::format("line 1: larger than {} bytes", kMaxScenarioBytes));
    }
    try {
      while (!rest_.empty()) read_line(take_line());
    } catch (const Misread& misread) {
      return failure(fmt::format("line {}: {}", number_, misread.why));
    }
    return std::move(file_);
  }

 private:
  std::string_view take_line() {
    ++number_;
    const auto length = std::min(rest_.find('\n'), rest_.size());
    const auto line = rest_.substr(0, length);
    rest_.remove_prefix(std::min(length + 1, rest_.size()));
    if (line.find('\0') != std::string_view::npos) throw Misread{"a NUL byte"};
    return line;
  }

  void read_line(std::string_view line) {
    const auto text = line.find_first_not_of(" \t");
    if (line.starts_with(kIndent)) {
      read_job_line(line.substr(kIndent.size()));
    } else if (text == std::string_view::npos) {
      ++blank_lines_;  // part of the job only if more of it follows
      heading_ = false;
    } else if (heading_ && line[0] == '#') {
      line.remove_prefix(line.starts_with("# ") ? 2 : 1);
      file_.comment.emplace_back(line);
    } else if (text > 0) {
      throw Misread{"the lines of a job are indented by four blanks, all others by none"};
    } else {
      heading_ = false;
      block_ = nullptr;
      auto cut = split_words(line);
      if (!cut) throw Misread{std::move(cut.error().message)};
      if (cut->empty()) return;  // a comment
      Words words(*std::move(cut));
      read_statement(words);
      words.demand_end();
      blank_lines_ = 0;
    }
  }

  void read_job_line(std::string_view line) {
    if (block_ == nullptr) {
      if (line.find_first_not_of(" \t") == std::string_view::npos) return;
      throw Misread{"an indented line that belongs to no job"};
    }
    block_->insert(block_->end(), blank_lines_, "");
    blank_lines_ = 0;
    block_->emplace_back(line);
  }

  void read_statement(Words& words) {
    if (words.take_keyword("job")) {
      block_ = &file_.jobs.emplace_back(JobText{words.take("a job"), {}}).lines;
    } else if (words.take_keyword("program")) {
      file_.programs.push_back(read_program(words));
    } else if (words.take_keyword("at")) {
      read_timed_action(words);
    } else if (words.take_keyword("until")) {
      check_open();
      file_.until = words.time();
      check_time(*file_.until);
    } else if (words.take_keyword("stop-all")) {
      check_open();
      file_.finale = words.take_keyword("cycles") ? Finale::StopAllCycles : Finale::StopAll;
    } else if (words.take_keyword("apparmor")) {
      file_.apparmor = true;
    } else if (words.take_keyword("pids")) {
      words.demand("reused");
      file_.reuses_pids = true;
    } else if (words.take_keyword("ends")) {
      file_.lots = read_lots(words);
    } else if (words.take_keyword("environment")) {
      file_.job_environment = read_environment(words);
    } else if (words.take_keyword("daemon-environment")) {
      file_.daemon_environment = read_environment(words);
    } else {
      words.unexpected(
          "job, program, at, until, stop-all, apparmor, pids, ends, environment or "
          "daemon-environment");
    }
  }

  void read_timed_action(Words& words) {
    check_open();
    const auto at = words.time();
    check_time(at);
    auto& timed = file_.timeline.emplace_back(TimedAction{at, read_action(words)});
    if (auto* define = std::get_if<Define>(&timed.action)) block_ = &define->job.lines;
  }

  void check_open() const {
    if (file_.finale != Finale::None) throw Misread{"nothing can happen after `stop-all`"};
    if (file_.until) throw Misread{"nothing can happen after `until`"};
  }

  /// Time only goes on, so that a file is read as it happens.
  void check_time(Duration at) const {
    if (!file_.timeline.empty() && at < file_.timeline.back().at) {
      throw Misread{"a time before that of the action above"};
    }
  }

  std::string_view rest_;
  int number_ = 0;
  ScenarioFile file_;
  bool heading_ = true;                        ///< nothing but comments has come yet
  std::vector<std::string>* block_ = nullptr;  ///< takes the indented lines
  std::size_t blank_lines_ = 0;                ///< since the last line of it
};

}  // namespace

std::optional<core::ProcessType> process_type(std::string_view name) {
  const auto found = std::ranges::find_if(conf::kAllProcessTypes,
                                          [&](auto type) { return conf::to_string(type) == name; });
  if (found == conf::kAllProcessTypes.end()) return std::nullopt;
  return *found;
}

std::optional<int> error_number(std::string_view name) {
  for (int error = 1; error <= kMaxError; ++error) {
    if (error_name(error) == name) return error;
  }
  return std::nullopt;
}

Result<ScenarioFile> ScenarioFile::parse(std::string_view text) {
  return Parser(text).parse();
}

}  // namespace upkeep::sim
