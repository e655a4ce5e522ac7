// What a job file says, as JSON: a public format, described in docs/man/init-checkconf.8.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "base/json.h"
#include "conf/diagnostic.h"
#include "conf/job_definition.h"

namespace upkeep::check {

/// An object with a member for each thing that `job` sets, and none for defaults.
void write_job(JsonWriter& out, const conf::JobDefinition& job);

/// An object with line, column, kind and message, and an object `opening` if there is one.
void write_diagnostic(JsonWriter& out, conf::Position place, std::string_view kind,
                      std::string_view message, const std::optional<conf::Position>& opening = {});

/// An array of such objects.
void write_diagnostics(JsonWriter& out, std::span<const conf::Diagnostic> diagnostics);

}  // namespace upkeep::check
