// "Did you mean ...?" for keywords that are nearly right.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace upkeep::conf {

/// The word of `known` that `word` is most likely a slip of, if any is near enough.
[[nodiscard]] std::optional<std::string_view> closest(std::string_view word,
                                                      std::span<const std::string_view> known);

/// `, did you mean "X"?`, or nothing.
[[nodiscard]] std::string suggestion(std::string_view word,
                                     std::span<const std::string_view> known);

}  // namespace upkeep::conf
