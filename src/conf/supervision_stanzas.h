// The stanzas that say how a job is supervised: rows of the table in stanzas.cc.
#pragma once

#include "conf/job_definition.h"
#include "conf/stanza_reader.h"

namespace upkeep::conf {

// Each reads what follows the first word of its stanza, to the end of the line, into `job`. False
// if that is refused; the lexer then has the reason.

/// `expect KIND`, `expect fd N`, `expect timeout SECONDS`, `expect watchdog SECONDS`.
[[nodiscard]] bool parse_expect(StanzaReader& in, JobDefinition& job);

/// `respawn`, `respawn limit COUNT INTERVAL`, `respawn limit unlimited`.
[[nodiscard]] bool parse_respawn(StanzaReader& in, JobDefinition& job);

/// `normal exit STATUS...`.
[[nodiscard]] bool parse_normal_exit(StanzaReader& in, JobDefinition& job);

/// `kill signal SIGNAL`, `kill timeout SECONDS`, `kill mode MODE`.
[[nodiscard]] bool parse_kill(StanzaReader& in, JobDefinition& job);

/// `reload signal SIGNAL`.
[[nodiscard]] bool parse_reload(StanzaReader& in, JobDefinition& job);

}  // namespace upkeep::conf
