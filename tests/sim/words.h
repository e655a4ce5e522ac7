// The words of a scenario file and of a trace: how a line is cut, how odd text is quoted, and how
// a time is written.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sim/program.h"

#include "base/result.h"

namespace upkeep::sim {

/// One word of a line.
struct Word {
  std::string text;     ///< without its quotes
  bool quoted = false;  ///< some of it stood in quotes: it is no keyword
};

/// Cuts a line at its blanks, up to a word that begins with `#`. Within double quotes blanks
/// stand for themselves, and `\"`, `\\`, `\n` and `\xNN` for a quote, a backslash, a line feed and
/// a byte. A comma or colon that ends a word is a word of its own: whoever means the character
/// quotes it.
[[nodiscard]] Result<std::vector<Word>> split_words(std::string_view line);

/// `text` as one word that split_words() reads back; never taken for one of `keywords`.
[[nodiscard]] std::string quote(std::string_view text,
                                const std::vector<std::string_view>& keywords = {});

/// All of `parts`, quoted, each after a blank: what follows a word on its line.
[[nodiscard]] std::string quote_all(const std::vector<std::string>& parts,
                                    const std::vector<std::string_view>& keywords = {});

/// "foo", or "foo (a)" for the instance a, as the messages of the manager have it.
[[nodiscard]] std::string title(std::string_view job, std::string_view instance);

/// Longest time in a scenario: some three years, far from any overflow.
inline constexpr Duration kLongestTime = 100'000'000s;

/// `90s`, `20ms`, `5us`, `1ns`: a whole number and its unit, at most kLongestTime.
[[nodiscard]] std::optional<Duration> parse_time(std::string_view text);

/// The same with the largest unit that loses nothing.
[[nodiscard]] std::string print_time(Duration time);

}  // namespace upkeep::sim
