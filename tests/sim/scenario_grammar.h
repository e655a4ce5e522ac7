// The words that both the printer and the parser of scenario files know.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "sim/scenario_file.h"

namespace upkeep::sim {

/// The commands on jobs, in the order of core::Verb.
inline constexpr std::array<std::string_view, 3> kVerbs{"start", "stop", "restart"};

/// What may follow an event or a job, besides its variables.
inline constexpr std::string_view kAs = "as";
inline constexpr std::string_view kNoWait = "no-wait";
inline constexpr std::string_view kInstance = "instance";
inline constexpr std::string_view kOf = "of";
inline constexpr std::string_view kKeep = "keep";

/// The changes of an environment, in the order of ChangeEnvironment::Change.
inline constexpr std::array<std::string_view, 3> kChanges{"set-env", "unset-env", "reset-env"};

/// How far the lines of a job stand to the right of its name.
inline constexpr std::string_view kIndent = "    ";

/// "ENOENT", or the number of an error that has no name.
[[nodiscard]] std::string error_name(int error);

/// The number of a name or of a number in decimal, from 1 to 4095.
[[nodiscard]] std::optional<int> error_number(std::string_view name);

/// The line of this action.
[[nodiscard]] std::string print_change(const ChangeEnvironment& change);

/// "main", "pre-start" and so on.
[[nodiscard]] std::optional<core::ProcessType> process_type(std::string_view name);

}  // namespace upkeep::sim
