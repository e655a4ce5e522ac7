// $NAME and ${NAME...} in instance names and event arguments (spec/job-language.md 5.2).
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "base/strings.h"

namespace upkeep::conf {

/// `text` with references replaced from `variables`. Fails with `Unknown parameter: NAME`,
/// `Bad operator: ...` or `Missing closing brace`; the first of these texts is promised by
/// spec/control.md 1.5.
[[nodiscard]] Result<std::string> expand(std::string_view text, const Environment& variables);

}  // namespace upkeep::conf
