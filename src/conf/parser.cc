// A job file is a sequence of stanzas; the first error ends it.
#include "conf/parser.h"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "conf/lexer.h"
#include "conf/stanzas.h"

namespace upkeep::conf {
namespace {

/// What can be said against a text as a whole.
std::optional<Diagnostic> refuse(std::string_view text) {
  if (text.size() > kMaxJobFileBytes) {
    return Diagnostic{DiagnosticKind::FileTooLarge, 1, 1,
                      fmt::format("the file is larger than {} bytes", kMaxJobFileBytes)};
  }
  const auto nul = text.find('\0');
  if (nul == std::string_view::npos) return std::nullopt;
  const auto before = text.substr(0, nul);
  const auto line = static_cast<int>(std::ranges::count(before, '\n')) + 1;
  const auto column = static_cast<int>(nul - (before.rfind('\n') + 1)) + 1;
  return Diagnostic{DiagnosticKind::NulByte, line, column, "a NUL byte: this is no text file"};
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

std::expected<JobDefinition, Diagnostic> parse_onto(JobDefinition job, std::string_view text) {
  if (auto problem = refuse(text)) return std::unexpected(std::move(*problem));
  Lexer lexer(text);
  while (find_stanza(lexer)) {
    if (!parse_stanza(lexer, job)) return std::unexpected(*lexer.failure());
  }
  return job;
}

}  // namespace

std::expected<JobDefinition, Diagnostic> parse_job(std::string_view text) {
  return parse_onto(JobDefinition{}, text);
}

std::expected<JobDefinition, Diagnostic> parse_override(const JobDefinition& base,
                                                        std::string_view text) {
  return parse_onto(base, text);
}

}  // namespace upkeep::conf
