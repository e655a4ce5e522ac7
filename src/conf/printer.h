// The text of a job file that says what a definition says.
#pragma once

#include <string>

#include "conf/job_definition.h"

namespace upkeep::conf {

/// A job file that parses to `job`, but for its name and path, which no file holds: one stanza a
/// line, in a fixed order, each with as few quotes as it needs. `job` must come from the parser:
/// values with a line feed or NUL, or empty ones, cannot be written in the language.
[[nodiscard]] std::string print_job(const JobDefinition& job);

/// A condition as it stands after `start on`, with parentheses wherever both operators meet.
[[nodiscard]] std::string print_condition(const EventExpression& condition);

}  // namespace upkeep::conf
