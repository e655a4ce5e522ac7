// From job and instance names to object paths and back (spec/control.md 1.3).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace upkeep::control {

/// One element of a path: ASCII letters and digits as they are, other bytes as `_xx`, nothing
/// as `_`.
[[nodiscard]] std::string escape_element(std::string_view name);

/// The name that escape_element() turns into exactly this; nothing if there is none.
[[nodiscard]] std::optional<std::string> unescape_element(std::string_view element);

[[nodiscard]] std::string job_path(std::string_view job);
[[nodiscard]] std::string instance_path(std::string_view job, std::string_view instance);

/// What a path below the manager names; whether it exists is another question.
struct ObjectName {
  std::string job;
  std::optional<std::string> instance;  ///< nothing: the job itself
  friend bool operator==(const ObjectName&, const ObjectName&) = default;
};

/// Strict: a path that job_path() or instance_path() does not make names nothing.
[[nodiscard]] std::optional<ObjectName> parse_object_path(std::string_view path);

}  // namespace upkeep::control
