// A job file is a sequence of stanzas. The first error decides; the others are looked for as a
// service.
#include "conf/parser.h"

#include <algorithm>
#include <optional>
#include <span>

#include <fmt/format.h>

#include "base/strings.h"
#include "conf/lexer.h"
#include "conf/suggest.h"
#include "conf/warnings.h"

namespace upkeep::conf {
namespace {

using Kind = DiagnosticKind;

/// What can be said against a text as a whole.
std::optional<Diagnostic> refuse(std::string_view text) {
  if (text.size() > kMaxJobFileBytes) {
    return Diagnostic{Kind::FileTooLarge,
                      1,
                      1,
                      fmt::format("the file is larger than {} bytes", kMaxJobFileBytes),
                      {}};
  }
  const auto nul = text.find('\0');
  if (nul == std::string_view::npos) return std::nullopt;
  const auto before = text.substr(0, nul);
  const auto line = static_cast<int>(std::ranges::count(before, '\n')) + 1;
  const auto column = static_cast<int>(nul - (before.rfind('\n') + 1)) + 1;
  return Diagnostic{Kind::NulByte, line, column, "a NUL byte: this is no text file", {}};
}

/// Goes to the next stanza; false at the end of the text.
bool find_stanza(Lexer& lexer) {
  for (;;) {
    lexer.skip_white_space();
    if (lexer.at_end()) return false;
    if (!lexer.at_line_end()) return true;
    lexer.finish_line();
  }
}

std::string_view first_word(std::string_view line) {
  return line.substr(0, line.find_first_of(" \t\r#"));
}

/// Whether a line was perhaps to begin a block.
bool names_block(std::string_view line) {
  constexpr std::string_view kScript = "script";
  while (!line.empty()) {
    const auto word = first_word(line);
    if (closest(word, std::span(&kScript, 1))) return true;
    line.remove_prefix(std::min(word.size() + 1, line.size()));
  }
  return false;
}

/// Follows the lines of a condition that could not be read, to see where it was meant to end.
class DamagedCondition {
 public:
  explicit DamagedCondition(std::string_view first_line) { take(first_line); }

  /// Whether a line, from its first word on, still belongs to it.
  [[nodiscard]] bool goes_on_in(std::string_view line) const {
    const auto word = first_word(line);
    const bool joins =
        word == "and" || word == "or" || line.starts_with('(') || line.starts_with(')');
    if (joins) return true;
    return (open_ > 0 || ends_in_operator_) && !begins_stanza(word);
  }

  void take(std::string_view line) {
    open_ += std::ranges::count(line, '(') - std::ranges::count(line, ')');
    while (!line.empty() && is_white_space(line.back())) line.remove_suffix(1);
    ends_in_operator_ = line.ends_with(" and") || line.ends_with(" or") || line.ends_with('\\');
  }

 private:
  /// Or was meant to; but the names of events about jobs are near to "start" and "stop".
  static bool begins_stanza(std::string_view word) {
    const auto names = stanza_names();
    if (std::ranges::find(names, word) != names.end()) return true;
    if (word.starts_with("start") || word.starts_with("stop")) return false;
    return closest(word, names).has_value();
  }

  std::ptrdiff_t open_ = 0;
  bool ends_in_operator_ = false;
};

/// Hands out the error in the stanza that began with `first_line`, and goes to where the next one
/// may begin.
Diagnostic leave_damaged_stanza(Lexer& lexer, Position start, std::string_view first_line) {
  const auto word = first_word(first_line);
  if (word != "start" && word != "stop") {
    auto error = lexer.recover();
    if (names_block(first_line)) lexer.skip_unopened_block();
    return error;
  }
  // An open parenthesis may have swallowed any number of stanzas.
  auto error = lexer.recover(start.line + 1);
  DamagedCondition condition(first_line);
  while (!lexer.at_end()) {
    lexer.skip_white_space();
    const auto line = lexer.peek_line();
    if (!condition.goes_on_in(line)) break;
    condition.take(line);
    lexer.finish_line();
  }
  return error;
}

/// Adds an error, unless it was met before: what is read again may be wrong in the same way.
void add(Errors& errors, Diagnostic error) {
  const auto is_same = [&](const Diagnostic& other) {
    return other.line == error.line && other.column == error.column && other.kind == error.kind &&
           other.opening == error.opening;
  };
  if (std::ranges::none_of(errors, is_same)) errors.push_back(std::move(error));
}

/// An error may be what came of a line that does not go on as it was meant to.
void explain_broken_continuations(Errors& errors, const std::vector<Diagnostic>& warnings) {
  for (const auto& warning : warnings) {
    if (warning.kind != Kind::BrokenContinuation) continue;
    const auto error = std::ranges::find(errors, warning.line + 1, &Diagnostic::line);
    if (error == errors.end()) continue;
    error->message += fmt::format(
        "; line {} does not go on here: a carriage return follows its backslash", warning.line);
  }
}

std::expected<ParsedJob, Errors> parse_onto(const JobDefinition& base, std::string_view text) {
  if (auto problem = refuse(text)) return std::unexpected(Errors{std::move(*problem)});
  ParsedJob job{base, {}, {}};
  Errors errors;
  Lexer lexer(text);
  while (find_stanza(lexer) && errors.size() < kMaxDiagnostics) {
    const auto start = lexer.position();
    const auto first_line = lexer.peek_line();
    if (parse_stanza(lexer, job.definition, job.stanzas)) {
      warn_of_swallowed_stanza(lexer);
      continue;
    }
    add(errors, leave_damaged_stanza(lexer, start, first_line));
  }
  job.warnings = lexer.take_warnings();
  if (!errors.empty()) {
    put_in_order(job.warnings);
    explain_broken_continuations(errors, job.warnings);
    return std::unexpected(std::move(errors));
  }

  finish(job.definition);
  add_warnings(job.definition, job.stanzas, job.warnings);
  return job;
}

}  // namespace

std::expected<ParsedJob, Errors> parse_job(std::string_view text) {
  return parse_onto(JobDefinition{}, text);
}

std::expected<ParsedJob, Errors> parse_override(const JobDefinition& base, std::string_view text) {
  return parse_onto(base, text);
}

Errors check_master_file(std::string_view text) {
  if (auto problem = refuse(text)) return {std::move(*problem)};
  Errors errors;
  Lexer lexer(text);
  while (find_stanza(lexer) && errors.size() < kMaxDiagnostics) {
    const auto word = lexer.read(TokenKind::Word);
    if (word) {
      lexer.skip_blanks();
      lexer.fail(Kind::UnknownStanza, lexer.reached(word->start),
                 fmt::format("unknown stanza {}: this file may hold comments only",
                             quoted_word(word->text)));
    }
    add(errors, lexer.recover());
  }
  return errors;
}

}  // namespace upkeep::conf
