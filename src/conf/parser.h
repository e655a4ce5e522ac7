// From the text of a job file to a JobDefinition (spec/job-language.md 2 to 4).
#pragma once

#include <cstddef>
#include <expected>
#include <string_view>

#include "conf/diagnostic.h"
#include "conf/job_definition.h"

namespace upkeep::conf {

/// Larger files are refused unread: no job file is, and a log renamed to .conf may be.
inline constexpr std::size_t kMaxJobFileBytes = 4U << 20;

/// Deepest nesting of parentheses and longest chain of operators in one condition.
inline constexpr int kMaxExpressionDepth = 1000;

/// Parses a whole `.conf`. On failure the first error, as the original reports it.
[[nodiscard]] std::expected<JobDefinition, Diagnostic> parse_job(std::string_view text);

/// Parses an `.override` onto `base`, as if its stanzas followed the last line of the `.conf`.
/// `base` itself is never changed: a broken override is ignored as a whole.
[[nodiscard]] std::expected<JobDefinition, Diagnostic> parse_override(const JobDefinition& base,
                                                                      std::string_view text);

}  // namespace upkeep::conf
