// Words for a line that begins with no stanza.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace upkeep::conf {

/// Says that `word` is none of the stanzas `names`, and what may have been meant: a near name, or
/// what is written so elsewhere, in a shell, in a systemd unit.
[[nodiscard]] std::string describe_unknown_stanza(std::string_view word,
                                                  std::span<const std::string_view> names);

}  // namespace upkeep::conf
