// Every stanza of the language in one table (spec/job-language.md 3.1).
#pragma once

#include "conf/job_definition.h"
#include "conf/lexer.h"

namespace upkeep::conf {

/// Reads the stanza at the cursor, to the end of its last line, into `job`. On failure the lexer
/// holds the reason and `job` may be half changed.
[[nodiscard]] bool parse_stanza(Lexer& lexer, JobDefinition& job);

}  // namespace upkeep::conf
