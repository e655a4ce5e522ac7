// Text as D-Bus takes it.
#pragma once

#include <string>
#include <string_view>

namespace upkeep::control {

/// `text` with every byte that is not part of well-formed UTF-8, and every NUL, replaced by U+FFFD:
/// job files may be in any encoding, and a message with such a string cannot be sent.
[[nodiscard]] std::string wire_text(std::string_view text);

}  // namespace upkeep::control
