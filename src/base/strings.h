// Small helpers for text and for lists of KEY=VALUE.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace upkeep {

/// A list of `KEY=VALUE` in a meaningful order: an event's variables, a process's environment.
using Environment = std::vector<std::string>;

/// The text before the first '=', or all of it.
[[nodiscard]] std::string_view variable_name(std::string_view assignment);

/// The text after the first '='; empty if there is none.
[[nodiscard]] std::string_view variable_value(std::string_view assignment);

/// The value of `name` in `environment`, or nothing.
[[nodiscard]] std::optional<std::string_view> find_variable(const Environment& environment,
                                                            std::string_view name);

/// Replaces the entry with the same name, keeping its place, or appends.
void set_variable(Environment& environment, std::string assignment);

/// set_variable() for each of `assignments` in turn, in time proportional to their number.
void set_variables(Environment& environment, const Environment& assignments);

/// Removes every entry with exactly this name.
void unset_variable(Environment& environment, std::string_view name);

/// Letters of ASCII only.
[[nodiscard]] constexpr char to_upper(char byte) {
  return byte >= 'a' && byte <= 'z' ? static_cast<char>(byte - 'a' + 'A') : byte;
}
[[nodiscard]] constexpr char to_lower(char byte) {
  return byte >= 'A' && byte <= 'Z' ? static_cast<char>(byte - 'A' + 'a') : byte;
}

/// Parts of `text` between occurrences of `separator`; empty parts are kept.
[[nodiscard]] std::vector<std::string_view> split(std::string_view text, char separator);

/// The parts with `separator` between them.
[[nodiscard]] std::string join(const std::vector<std::string>& parts, std::string_view separator);

/// Length in bytes of the UTF-8 character that begins `text`, or 0 if none does.
[[nodiscard]] std::size_t utf8_length(std::string_view text);

/// The same for a character that a terminal shows and does not obey.
[[nodiscard]] std::size_t printable_length(std::string_view text);

/// `text` as a message shows it: bytes outside printable ASCII and UTF-8 text become \xNN.
[[nodiscard]] std::string printable(std::string_view text);

/// The system's words for an errno, such as "No such file or directory".
[[nodiscard]] std::string system_error_text(int error);

/// An unsigned decimal number without sign, blanks or trailing text; nothing if it does not fit.
[[nodiscard]] std::optional<unsigned long long> parse_decimal(std::string_view text);

}  // namespace upkeep
