// Every stanza of the language in one table (spec/job-language.md 3.1).
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "conf/job_definition.h"
#include "conf/lexer.h"

namespace upkeep::conf {

/// A stanza that stands in a text: its keywords, as in "kill timeout", and where it begins.
struct StanzaUse {
  std::string name;
  Position place;
};

/// The first words of all stanzas, in alphabetical order.
[[nodiscard]] std::span<const std::string_view> stanza_names();

/// Reads the stanza at the cursor, to the end of its last line, into `job`, and adds it to `used`.
/// On failure the lexer holds the reason and `job` may be half changed.
[[nodiscard]] bool parse_stanza(Lexer& lexer, JobDefinition& job, std::vector<StanzaUse>& used);

/// Fills in what follows from several stanzas together, once all have been read.
void finish(JobDefinition& job);

}  // namespace upkeep::conf
