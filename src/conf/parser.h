// From the text of a job file to a JobDefinition (spec/job-language.md 2 to 4).
#pragma once

#include <cstddef>
#include <expected>
#include <string_view>
#include <vector>

#include "conf/diagnostic.h"
#include "conf/job_definition.h"
#include "conf/stanzas.h"

namespace upkeep::conf {

/// Larger files are refused unread: no job file is, and a log renamed to .conf may be.
inline constexpr std::size_t kMaxJobFileBytes = 4U << 20;

/// Deepest nesting of parentheses and longest chain of operators in one condition.
inline constexpr int kMaxExpressionDepth = 1000;

/// What a text without errors says.
struct ParsedJob {
  JobDefinition definition;
  std::vector<Diagnostic> warnings;  ///< by their places; at most kMaxDiagnostics
  std::vector<StanzaUse> stanzas;    ///< of this text, in its order
};

/// All that is wrong with a text, never nothing. The first is the error that the original reports;
/// the others are found by going on after it. At most kMaxDiagnostics.
using Errors = std::vector<Diagnostic>;

/// Parses a whole `.conf`.
[[nodiscard]] std::expected<ParsedJob, Errors> parse_job(std::string_view text);

/// Parses an `.override` onto `base`, as if its stanzas followed the last line of the `.conf`.
/// `base` itself is never changed: a broken override is ignored as a whole. Warnings are about the
/// stanzas of this text, seen together with those of the base.
[[nodiscard]] std::expected<ParsedJob, Errors> parse_override(const JobDefinition& base,
                                                              std::string_view text);

/// All that is wrong with `/etc/init.conf`, in which no stanza is known: comments and blank lines
/// are all that it may hold (1.1). Nothing if it is right.
[[nodiscard]] Errors check_master_file(std::string_view text);

}  // namespace upkeep::conf
