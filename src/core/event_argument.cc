#include "core/event_argument.h"

namespace upkeep::core {

EventArgument read_argument(std::string_view text) {
  if (const auto at = text.find("!="); at != std::string_view::npos) {
    return {text.substr(0, at), text.substr(at + 2), true, false};
  }
  if (const auto at = text.find('='); at != std::string_view::npos) {
    return {text.substr(0, at), text.substr(at + 1), false, false};
  }
  return {{}, text, false, true};
}

}  // namespace upkeep::core
