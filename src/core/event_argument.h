// An argument of an event in a condition, taken apart (spec/job-language.md 4.3).
#pragma once

#include <string_view>

namespace upkeep::core {

/// VALUE, KEY=VALUE or KEY!=VALUE. Views into the text it was read from.
struct EventArgument {
  std::string_view key;  ///< empty if positional
  std::string_view pattern;
  bool negated = false;
  bool positional = false;
};

/// The first "!=" anywhere wins over "=" (spec/runtime.md 3.4).
[[nodiscard]] EventArgument read_argument(std::string_view text);

}  // namespace upkeep::core
