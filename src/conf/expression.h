// The conditions of `start on` and `stop on` (spec/job-language.md 4.1, 4.2).
#pragma once

#include <string_view>

#include "conf/event_expression.h"
#include "conf/lexer.h"

namespace upkeep::conf {

/// Reads a condition up to the end of its last line, the line feed excluded. Null if it is wrong;
/// the lexer then holds the reason. `stanza` is "start on" or "stop on", for messages.
[[nodiscard]] Condition parse_expression(Lexer& lexer, std::string_view stanza);

}  // namespace upkeep::conf
