// What people write at the start of a line that is no stanza, and the cure.
#include "conf/unknown_stanza.h"

#include <algorithm>
#include <array>
#include <cstddef>

#include <fmt/format.h>

#include "base/strings.h"
#include "conf/lexer.h"
#include "conf/suggest.h"

namespace upkeep::conf {
namespace {

constexpr std::size_t kLongestStanza = 16;

/// Words that people write at the start of a line, and what they should know.
struct Habit {
  std::string_view word;
  std::string_view cure;
};

constexpr std::string_view kShell = "; shell commands belong between \"script\" and \"end script\"";
constexpr std::string_view kLine =
    "; a condition goes on in the next line only inside parentheses, or after a backslash";

// clang-format off
constexpr std::array kHabits{
    Habit{"and", kLine},         Habit{"or", kLine},          Habit{"if", kShell},
    Habit{"then", kShell},       Habit{"else", kShell},       Habit{"fi", kShell},
    Habit{"for", kShell},        Habit{"while", kShell},      Habit{"do", kShell},
    Habit{"done", kShell},       Habit{"case", kShell},       Habit{"set", kShell},
    Habit{"cd", kShell},         Habit{"mkdir", kShell},      Habit{"echo", kShell},
    Habit{"source", kShell},     Habit{".", kShell},          Habit{"test", kShell},
    Habit{"user", ", did you mean \"setuid\"?"},
    Habit{"group", ", did you mean \"setgid\"?"},
    Habit{"directory", ", did you mean \"chdir\"?"},
    Habit{"command", ", did you mean \"exec\"?"},
    Habit{"normalexit", ", did you mean \"normal exit\"?"},
    Habit{"daemon", ", did you mean \"expect daemon\"?"},
    Habit{"start-on", ", did you mean \"start on\"?"},
    Habit{"start_on", ", did you mean \"start on\"?"},
    Habit{"stop-on", ", did you mean \"stop on\"?"},
    Habit{"stop_on", ", did you mean \"stop on\"?"},
};
// clang-format on

std::string cure_of(std::string_view word, std::span<const std::string_view> names) {
  const auto* const habit = std::ranges::find(kHabits, word, &Habit::word);
  if (habit != kHabits.end()) return std::string(habit->cure);
  if (word.starts_with('[')) return "; sections are for systemd, a job file has none";
  if (auto meant = suggestion(word, names); !meant.empty()) return meant;
  const auto key = word.substr(0, std::min(word.find('='), kLongestStanza));
  std::string small(key);
  std::ranges::transform(small, small.begin(), to_lower);
  if (key.size() == word.size()) return small == word ? std::string() : suggestion(small, names);
  if (std::ranges::find(names, small) != names.end()) {
    return fmt::format("; write \"{}\" and a blank, without \"=\"", small);
  }
  const bool capitals =
      std::ranges::all_of(key, [](char byte) { return to_lower(byte) != byte || byte == '_'; });
  return capitals ? "; to set a variable, write \"env\" before it" : "";
}

}  // namespace

std::string describe_unknown_stanza(std::string_view word,
                                    std::span<const std::string_view> names) {
  if (word == "end") return "\"end\" without a \"script\" before it";
  if (word.starts_with("\xEF\xBB\xBF")) {
    return "the file begins with a byte order mark; save it without one";
  }
  return fmt::format("unknown stanza {}{}", quoted_word(word), cure_of(word, names));
}

}  // namespace upkeep::conf
