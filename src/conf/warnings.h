// What a job as a whole says and surely does not mean.
#pragma once

#include <span>
#include <vector>

#include "conf/diagnostic.h"
#include "conf/job_definition.h"
#include "conf/lexer.h"
#include "conf/stanzas.h"

namespace upkeep::conf {

/// Warns if a quote of the stanza just read goes over a line that looks like another: an apostrophe
/// in a text takes in all up to the next apostrophe.
void warn_of_swallowed_stanza(Lexer& lexer);

/// Puts warnings in the order of their places, each once: what was read twice was warned of twice.
void put_in_order(std::vector<Diagnostic>& warnings);

/// Adds warnings on `job` to those found while reading, in order. `used` are the stanzas of the
/// text just read, which alone are warned of.
void add_warnings(const JobDefinition& job, std::span<const StanzaUse> used,
                  std::vector<Diagnostic>& warnings);

}  // namespace upkeep::conf
