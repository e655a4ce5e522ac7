// Numbers as job files write them (spec/job-language.md 3.2).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace upkeep::conf {

/// Leading blanks, a sign and leading zeros are allowed; trailing text is not. Nothing if it is no
/// such number or needs more than 64 bits.
[[nodiscard]] std::optional<std::int64_t> parse_signed(const std::string& text, int base = 10);

/// As parse_signed(); a negative number wraps around, so that -1 is the largest.
[[nodiscard]] std::optional<std::uint64_t> parse_unsigned(const std::string& text);

/// A signal's name or number, 0 to 2147483647.
[[nodiscard]] std::optional<int> parse_signal(const std::string& text);

/// What a process may end with: an exit status as it is, a signal × 256 if given by name.
[[nodiscard]] std::optional<int> parse_exit_status(const std::string& text);

}  // namespace upkeep::conf
