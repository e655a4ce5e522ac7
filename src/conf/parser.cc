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

/// Goes to the next line that begins with the name of a stanza.
void skip_to_known_stanza(Lexer& lexer) {
  const auto names = stanza_names();
  for (;;) {
    lexer.skip_white_space();
    if (lexer.at_end() || std::ranges::find(names, lexer.peek_word()) != names.end()) return;
    lexer.finish_line();
  }
}

/// Whether a line was perhaps to begin a block.
bool names_block(std::string_view line) {
  constexpr std::string_view kScript = "script";
  const auto resembles = [&](std::string_view word) {
    return closest(word, std::span(&kScript, 1)).has_value();
  };
  const auto words = split(line, ' ');
  return std::ranges::any_of(words, resembles);
}

/// Hands out the error in the stanza that began with `first_line`, and goes to where the next one
/// may begin.
Diagnostic leave_damaged_stanza(Lexer& lexer, Position start, std::string_view first_line) {
  const auto word = first_line.substr(0, first_line.find_first_of(" \t\r"));
  if (word == "start" || word == "stop") {
    // An open parenthesis may have swallowed any number of stanzas, and what goes on for several
    // lines is none.
    auto error = lexer.recover(start.line + 1);
    skip_to_known_stanza(lexer);
    return error;
  }
  auto error = lexer.recover();
  if (names_block(first_line)) lexer.skip_unopened_block();
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
    if (parse_stanza(lexer, job.definition, job.stanzas)) continue;
    add(errors, leave_damaged_stanza(lexer, start, first_line));
  }
  job.warnings = lexer.take_warnings();
  if (!errors.empty()) {
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
