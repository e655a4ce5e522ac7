// Signal names as job files and events write them (spec/job-language.md 3.2, runtime.md 2.7).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace upkeep {

/// The number of an upper-case signal name, with or without SIG; nothing if unknown.
[[nodiscard]] std::optional<int> signal_number(std::string_view name);

/// The name without SIG, or the number in decimal for a signal that has no name.
[[nodiscard]] std::string signal_name(int signal);

}  // namespace upkeep
