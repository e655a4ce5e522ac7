// Scenario files and the traces that stand beside them.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "sim/run_scenario.h"

#include "base/result.h"

namespace upkeep::sim {

/// NAME.trace for NAME.scn.
[[nodiscard]] std::filesystem::path golden_path(const std::filesystem::path& scenario);

/// All of a file; fails if it cannot be read.
[[nodiscard]] Result<std::string> read_text(const std::filesystem::path& path);

/// Runs a scenario file. The error names the file and the line that is wrong.
[[nodiscard]] Result<ScenarioResult> run_scenario_file(const std::filesystem::path& scenario);

/// The text of a golden trace: each line with its line feed.
[[nodiscard]] std::string to_text(const std::vector<std::string>& lines);

/// Where two texts part: the lines that differ, `-` and `+`, with a few around them. Empty if the
/// texts are the same.
[[nodiscard]] std::string difference(const std::string& expected, const std::string& actual);

}  // namespace upkeep::sim
