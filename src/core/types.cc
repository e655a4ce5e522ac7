#include "core/types.h"

namespace upkeep::core {

std::string_view to_string(Goal goal) {
  constexpr std::array<std::string_view, 3> kNames{"stop", "start", "respawn"};
  return kNames[static_cast<std::size_t>(goal)];
}

std::string_view to_string(State state) {
  constexpr std::array<std::string_view, kStates> kNames{
      "waiting",       "starting",     "security-spawning", "security",      "pre-starting",
      "pre-start",     "spawning",     "spawned",           "post-starting", "post-start",
      "running",       "pre-stopping", "pre-stop",          "stopping",      "killed",
      "post-stopping", "post-stop"};
  return kNames[static_cast<std::size_t>(state)];
}

std::string_view to_string(Verb verb) {
  constexpr std::array<std::string_view, 3> kNames{"start", "stop", "restart"};
  return kNames[static_cast<std::size_t>(verb)];
}

std::string_view to_string(Priority priority) {
  constexpr std::array<std::string_view, 6> kNames{"debug", "info",  "message",
                                                   "warn",  "error", "fatal"};
  return kNames[static_cast<std::size_t>(priority)];
}

}  // namespace upkeep::core
