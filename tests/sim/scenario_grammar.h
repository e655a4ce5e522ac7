// The words that both the printer and the parser of scenario files know.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "core/input.h"

namespace upkeep::sim {

/// The commands on jobs, in the order of core::Verb.
inline constexpr std::array<std::string_view, 3> kVerbs{"start", "stop", "restart"};

/// What may follow an event or a job, besides its variables.
inline constexpr std::string_view kAs = "as";
inline constexpr std::string_view kNoWait = "no-wait";
inline constexpr std::string_view kInstance = "instance";

/// How far the lines of a job stand to the right of its name.
inline constexpr std::string_view kIndent = "    ";

/// "ENOENT", or the number of an error that has no name.
[[nodiscard]] std::string error_name(int error);

/// The number of a name or of a number in decimal, from 1 to 4095.
[[nodiscard]] std::optional<int> error_number(std::string_view name);

/// "main", "pre-start" and so on.
[[nodiscard]] std::optional<core::ProcessType> process_type(std::string_view name);

}  // namespace upkeep::sim
